"""Local crops on other backgrounds: as if drawn anew, drawn for each crop, and nothing else changes."""

from __future__ import annotations

import pickle
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from batch_contents import same_content
from helpers import one_line
from objective_cases import SIZES, recipe, tokenizer

from goldieval.core.errors import GoldievalError
from goldieval.data.shapes import EVERY_BACKGROUND, draw
from goldieval.goldiclip.data.batch import Batch
from goldieval.goldiclip.data.batches import Batches
from goldieval.goldiclip.data.images import DrawnImages
from goldieval.goldiclip.data.normalisation import plain_colours
from goldieval.goldiclip.data.packed import packed
from goldieval.goldiclip.data.redrawing import Redrawing
from goldieval.goldiclip.data.shapes import ShapesCorpus, shapes_corpus
from goldieval.goldiclip.data.training_scenes import training_scene

SCENES, SIDE, VIEWS = 64, SIZES.image_size, 3
WHOLE = {"locals": VIEWS, "whole_views": VIEWS, "local_size": SIDE}


@cache
def corpus(foregrounds: bool = True) -> ShapesCorpus:
    return shapes_corpus(SCENES, SIDE, tokenizer(), foregrounds=foregrounds)


def batch(step: int = 0, rank: int = 0, world: int = 1, seed: int = 0, **data: Any) -> Batch:
    shown = {"scenes": SCENES, "captions": 2, "locals": VIEWS, "local_size": 16, **data}
    chosen = recipe("conditioned", "vqa", "foils", batch_size=32, data=shown, seed=seed)
    return Batches(corpus(), tokenizer(), chosen, rank, world).at(step)


def redrawing_of(made: Batch) -> Redrawing:
    assert isinstance(made.images, DrawnImages) and made.images.redrawing is not None
    return made.images.redrawing


def colours(views: torch.Tensor) -> torch.Tensor:
    """Return bytes of normalised views (b, views, 3, height, width), as numbers from 0 to 255."""
    return plain_colours(views.flatten(0, 1)).view_as(views) * 255


def test_a_view_is_the_scene_drawn_on_another_background() -> None:
    made = batch(redraw=1.0, **WHOLE)
    views, redrawing = colours(made.images.local()), redrawing_of(made)
    rows = Batches(corpus(), tokenizer(), recipe("softmax", batch_size=32, data={"scenes": SCENES})).corpus.order(0)
    scenes = [training_scene(rows[place]) for place in range(32)]
    assert [EVERY_BACKGROUND[number] for number in redrawing.own.tolist()] == [scene.background for scene in scenes]
    for place, scene in enumerate(scenes):
        for view in range(VIEWS):
            other = EVERY_BACKGROUND[int(redrawing.shown[place, view])]
            drawn = torch.from_numpy(np.array(draw(replace(scene, background=other), SIDE)))
            assert other != scene.background
            assert float((views[place, view].permute(1, 2, 0) - drawn).abs().max()) < 2


def test_some_views_are_redrawn_and_the_others_are_those_of_before_to_the_bit() -> None:
    before, after = batch(), batch(redraw=0.5)
    redrawing = redrawing_of(after)
    kept = redrawing.shown == redrawing.own[:, None]
    assert 0.3 < float(kept.float().mean()) < 0.7
    assert torch.equal(before.images.local()[kept], after.images.local()[kept])
    changed = (before.images.local() - after.images.local()).flatten(2).abs().amax(-1)
    assert bool((changed[~kept] > 0).all())


@pytest.mark.parametrize("changes", [{"redraw": 1.0}, {"jitter": 1.0}, {"redraw": 0.3, "jitter": 0.5}], ids=str)
def test_nothing_but_local_crops_changes(changes: dict[str, float]) -> None:
    before, after = batch(globals=2), batch(globals=2, **changes)
    for shown in ("first", "whole", "others"):
        assert torch.equal(getattr(before.images, shown)(), getattr(after.images, shown)())
    assert not torch.equal(before.images.local(), after.images.local())
    assert isinstance(after.images, DrawnImages)
    assert same_content(before, replace(after, images=replace(after.images, redrawing=None, jitter=None)))


def test_whole_views_are_the_last_and_change_no_other_draw() -> None:
    plain, some = batch(), batch(whole_views=2)
    assert torch.equal(plain.images.local()[:, 0], some.images.local()[:, 0])
    assert torch.equal(plain.images.first(), some.images.first())
    made = batch(**WHOLE)
    torch.testing.assert_close(made.images.local(), made.images.whole()[:, None].expand(-1, VIEWS, -1, -1, -1))


def test_backgrounds_are_drawn_alike_and_in_the_wanted_share() -> None:
    """Chi-squared of 22 degrees of freedom, and a share: 4 standard deviations."""
    foreground = corpus().sample(0).foreground
    assert foreground is not None
    uniform = np.random.default_rng(0).random((400, 50, 2))
    shown = Redrawing.drawn([foreground] * 400, 0.3, uniform).shown.flatten()
    counts = torch.bincount(shown, minlength=len(EVERY_BACKGROUND)).double()
    redrawn = 20_000 - float(counts[foreground.background])
    assert abs(redrawn / 20_000 - 0.3) < 4 * (0.3 * 0.7 / 20_000) ** 0.5
    others = counts[torch.arange(24) != foreground.background]
    expected = redrawn / 23
    assert abs(float(((others - expected) ** 2 / expected).sum()) - 22) < 4 * 44**0.5
    all_of_them = Redrawing.drawn([foreground] * 400, 1.0, uniform).shown
    assert not bool((all_of_them == foreground.background).any())


def test_a_sample_is_drawn_alike_in_every_division_of_the_batch() -> None:
    """By processes, by micro-batches, in a worker; other steps and seeds draw others."""
    changes = {"redraw": 0.7, "jitter": 0.7}
    whole = batch(**changes)
    shares = [batch(rank=rank, world=4, **changes) for rank in range(4)]
    assert torch.equal(torch.cat([redrawing_of(share).shown for share in shares]), redrawing_of(whole).shown)
    for parts in (shares, [whole.part(number, 3) for number in range(3)]):
        found = torch.cat([part.images.local() for part in parts])
        torch.testing.assert_close(found, whole.images.local(), atol=1e-6, rtol=0)
    through = pickle.loads(pickle.dumps(packed(whole)))
    assert same_content(through.images, whole.images)
    assert whole.to(torch.device("meta")).images.local().is_meta
    for other in (batch(step=1, **changes), batch(seed=1, **changes)):
        assert not torch.equal(redrawing_of(other).shown, redrawing_of(whole).shown)


def test_mixed_precision_does_not_change_what_is_shown() -> None:
    images = batch(redraw=0.7, jitter=0.7).images
    with torch.autocast("cpu", torch.bfloat16):
        found = images.local()
    assert torch.equal(found, images.local()) and found.dtype == torch.float32


def test_a_corpus_without_foregrounds_is_refused_in_one_line() -> None:
    chosen = recipe("softmax", data={"scenes": SCENES, "locals": 2, "local_size": 16, "redraw": 0.5})
    batches = Batches(corpus(foregrounds=False), tokenizer(), chosen)
    with pytest.raises(GoldievalError, match=r"data\.redraw needs scenes that were opened with shapes_corpus") as error:
        batches.at(0)
    one_line(str(error.value))
