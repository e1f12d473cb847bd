"""Batches travel as bytes: the same numbers as pixels that were normalised on the host, in parts, and on a device."""

from __future__ import annotations

import io
import pickle
from collections.abc import Iterator
from multiprocessing.reduction import ForkingPickler
from typing import Any

import pytest
import torch
from batch_contents import same_content, token_sets
from objective_cases import batch_of, recipe
from PIL import Image
from training_samples import jpeg

from goldieval.goldiclip.data.batch import Batch
from goldieval.goldiclip.data.batches import Batches
from goldieval.goldiclip.data.crops import crops_of, random_boxes
from goldieval.goldiclip.data.images import Images
from goldieval.goldiclip.data.normalisation import MEAN, STD
from goldieval.goldiclip.data.packed import PackedBatch, packed, unpacked
from goldieval.goldiclip.data.pictures import CropBoxes, crop_pictures
from goldieval.goldiclip.data.synthetic import SyntheticCorpus
from goldieval.goldiclip.data.texts import Texts
from goldieval.goldiclip.recipe_files import load_recipe
from goldieval.goldiclip.tokenizer import Tokenizer

SIZE, LOCAL, PICTURES = 32, 16, 5


def boxes(count: int, local: int, others: int) -> CropBoxes:
    generator = torch.Generator().manual_seed(0)
    first, *rest = (random_boxes(count, (0.3, 0.9), generator) for _ in range(1 + local + others))
    return CropBoxes(torch.rand(count, generator=generator), first, rest[:local], rest[local:])


def on_the_host(pictures: torch.Tensor) -> torch.Tensor:
    """The formula by which pixels were normalised before they travelled as bytes."""
    return (pictures.permute(0, 3, 1, 2).float() / 255 - MEAN) / STD


@pytest.mark.parametrize("autocast", [False, True])
def test_drawn_pictures_are_cropped_to_the_bit_as_on_the_host(autocast: bool) -> None:
    pictures = torch.randint(256, (PICTURES, SIZE, SIZE, 3), dtype=torch.uint8)
    cut, whole = boxes(PICTURES, 2, 1), on_the_host(pictures)
    images = crop_pictures(list(pictures), cut, SIZE, LOCAL)
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        shown = [images.whole(), images.first(), images.local(), images.others()]
    expected = [
        whole,
        crops_of(whole, cut.first, SIZE),
        torch.stack([crops_of(whole, own, LOCAL) for own in cut.local], dim=1),
        torch.stack([crops_of(whole, own, SIZE) for own in cut.others], dim=1),
    ]
    assert all(map(torch.equal, shown, expected)) and {part.dtype for part in shown} == {torch.float32}
    assert (images.locals, images.globals, len(images)) == (2, 2, PICTURES)


def test_files_are_cut_to_the_bit_as_on_the_host() -> None:
    pictures = [Image.open(io.BytesIO(jpeg(number, (40, 30)))).convert("RGB") for number in range(PICTURES)]
    cut = boxes(PICTURES, 2, 1)
    images = crop_pictures(pictures, cut, SIZE, LOCAL)

    def alone(box: torch.Tensor, size: int) -> torch.Tensor:
        """Cut one box out of each picture, without any other."""
        return crop_pictures(pictures, CropBoxes(cut.place, box, []), size, LOCAL).first()

    assert torch.equal(images.first(), alone(cut.first, SIZE))
    assert torch.equal(images.local(), torch.stack([alone(own, LOCAL) for own in cut.local], dim=1))
    assert torch.equal(images.others(), torch.stack([alone(own, SIZE) for own in cut.others], dim=1))
    bytes_of = vars(images)["global_crops"]
    assert bytes_of.dtype == torch.uint8 and torch.equal(images.first(), on_the_host(bytes_of[:, 0]))


@pytest.mark.parametrize("files", [False, True])
def test_images_without_local_or_further_crops(files: bool) -> None:
    drawn: list[Any] = list(torch.randint(256, (PICTURES, SIZE, SIZE, 3), dtype=torch.uint8))
    pictures = [Image.fromarray(picture.numpy()) for picture in drawn] if files else drawn
    images = crop_pictures(pictures, boxes(PICTURES, 0, 0), SIZE, LOCAL)
    assert images.local().shape[:3] == images.others().shape[:3] == (PICTURES, 0, 3)
    assert (images.locals, images.globals) == (0, 1) and images.first().shape == (PICTURES, 3, SIZE, SIZE)


# Parts


def batch(**data: Any) -> Batch:
    chosen = {"scenes": 32, "captions": 2, "locals": 2, "local_size": 16, "globals": 2, **data}
    return batch_of(recipe("conditioned", "token_classes", "foils", "vqa", data=chosen))


def views(images: Images) -> Iterator[torch.Tensor]:
    yield from (images.first(), images.whole(), images.local(), images.others())


@pytest.mark.parametrize("parts", [1, 2, 3, 8])
def test_parts_are_the_batch(parts: int) -> None:
    whole = batch()
    found = [whole.part(number, parts) for number in range(parts)]
    sizes = [len(part) for part in found]
    assert sum(sizes) == len(whole) == 8 and max(sizes) - min(sizes) <= 1
    for shown, pieces in zip(
        views(whole.images), zip(*(views(part.images) for part in found), strict=True), strict=True
    ):
        torch.testing.assert_close(torch.cat(pieces), shown, atol=1e-6, rtol=0)
    for name in ("captions", "question", "answer", "foils"):
        texts = [getattr(part, name) for part in found]
        for field in ("ids", "lengths", "host_lengths"):
            assert torch.equal(torch.cat([getattr(own, field) for own in texts]), getattr(getattr(whole, name), field))
    for name in ("is_candidate", "token_ids", "draws"):
        assert torch.equal(torch.cat([getattr(part, name) for part in found]), getattr(whole, name)), name
    assert [own for part in found for own in token_sets(part)] == token_sets(whole)
    assert same_content(found[0], whole) == (parts == 1)


def test_what_no_objective_reads_does_not_travel() -> None:
    plain = batch_of(recipe("softmax"))
    assert plain.draws.shape == (8, 0) and len(plain.token_ids) == len(plain.token_rows) == 0
    assert not plain.has_foils and batch().has_foils and batch().draws.shape[0] == 8


def test_a_batch_on_a_device_keeps_on_the_host_what_the_host_asks_for() -> None:
    """The meta device has no values, so reading one there fails."""
    moved = batch().to(torch.device("meta"))
    assert moved.captions.ids.is_meta and moved.draws.is_meta and moved.images.first().is_meta
    part = moved.part(1, 2)
    groups = list(part.captions.groups(4))
    assert part.token_ids.is_meta and sum(rows.stop - rows.start for rows, _ in groups) == 8
    assert part.captions.at(0).ids.shape == (4, int(part.captions.host_lengths[:, 0].max()))
    assert part.captions.flat[part.captions.order()].shape == part.captions.flat.shape


def test_groups_of_texts_are_ordered_by_length_and_hold_all() -> None:
    ids = torch.tensor([[7, 7, 7, 7], [7, 0, 0, 0], [7, 0, 7, 0], [7, 7, 0, 0], [7, 0, 0, 0]])
    texts = Texts.of(ids)
    ordered, found = texts.flat[texts.order()], list(texts.groups(3))
    assert [(rows.start, rows.stop, longest) for rows, longest in found] == [(0, 2, 1), (2, 4, 3), (4, 5, 4)]
    assert all(not bool(ordered[rows, longest:].any()) for rows, longest in found)
    assert list(Texts.of(ids[:0]).groups(3)) == []


def test_a_sample_of_the_large_recipe_travels_in_half_a_megabyte() -> None:
    """It took 1.87 MB as float32 pixels."""
    chosen = load_recipe("goldiclip-b16", {"data.path": "none.tar"})
    tokens = Tokenizer(chosen.model.merges, chosen.model.context_length)
    made = Batches(SyntheticCorpus(4096, chosen.model.image_size, tokens), tokens, chosen, world=2048).at(0)
    assert len(made) == 2 and 450_000 < sizes_of(made) / len(made) < 500_000


# Packed


def test_a_batch_travels_and_moves_in_one_piece() -> None:
    made = packed(batch())
    assert same_content(made, unpacked(made.block, made)) and made.block.nbytes < 1.1 * sizes_of(batch())
    through = pickle.loads(ForkingPickler.dumps(made))
    assert isinstance(through, PackedBatch) and same_content(through, made)
    moves: list[int] = []

    def noted(tensor: torch.Tensor, *device: Any, **how: Any) -> torch.Tensor:
        moves.append(tensor.nbytes)
        return tensor

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.Tensor, "to", noted)
        patch.setattr(torch.Tensor, "pin_memory", noted)
        moved = made.pin_memory().to(torch.device("cpu"))
    assert moves == [made.block.nbytes] * 2 and same_content(moved, made)
    assert same_content(made.part(1, 2), batch().part(1, 2))


def sizes_of(made: Batch) -> int:
    """Return the bytes of all tensors that belong on a device."""
    sizes: list[int] = []
    made.mapped(lambda tensor: sizes.append(tensor.nbytes) or tensor)  # type: ignore[func-returns-value]
    return sum(sizes)
