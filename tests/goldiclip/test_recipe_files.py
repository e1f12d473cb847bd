"""Recipes as files: sizes, extension, changes by name; what the tiny recipes share and the papers' settings."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from goldieval.core.errors import GoldievalError
from goldieval.goldiclip.config import FULL_MERGES, ModelConfig
from goldieval.goldiclip.model import GoldiClip
from goldieval.goldiclip.recipe_files import load_recipe, recipe_names
from goldieval.goldiclip.towers import VisionTower

ABLATION = [name for name in recipe_names() if name.startswith("ablation/")]


def written(folder: Path, text: str) -> str:
    file = folder / "mine.yaml"
    file.write_text(text)
    return str(file)


def message(name: str, **changes: object) -> str:
    with pytest.raises(GoldievalError) as caught:
        load_recipe(name, changes)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_recipe_changes_another(tmp_path: Path) -> None:
    base = load_recipe("flair-tiny")
    mine = load_recipe(
        written(tmp_path, "extends: flair-tiny\nname: mine\ndata: {captions: 7}\nobjectives: {softmax: 2}")
    )
    assert mine.data == base.data.model_copy(update={"captions": 7})
    assert dict(mine.objectives) == {"softmax": 2.0} and mine.optimiser == base.optimiser and mine.name == "mine"
    assert load_recipe("flair-tiny", {"model.embed_dim": 64}).model == base.model.model_copy(update={"embed_dim": 64})


def test_a_list_of_objectives_takes_them_with_the_weights_that_they_were_last_given(tmp_path: Path) -> None:
    """By any recipe that is extended."""
    parent = load_recipe("goldiclip-tiny")
    names = ["foils_conditioned", "vqa"]
    named = written(tmp_path, f"extends: goldiclip-tiny\nname: mine\nobjectives: {names}")
    assert list(load_recipe(named).objectives.items()) == [(name, parent.objectives[name]) for name in names]
    assert list(load_recipe("goldilocks/b_clip").objectives) == ["softmax"]
    assert "distil_agnostic" in load_recipe("goldilocks/e_distillation").objectives  # weighed above (b), which lacks it
    for wrong in ("[views]", "[[vqa]]", "[3]"):
        line = message(written(tmp_path, f"extends: goldiclip-tiny\nname: mine\nobjectives: {wrong}"))
        assert "mine.yaml: objectives names" in line and "they weigh softmax, " in line
    assert "objectives" in message(written(tmp_path, "extends: goldiclip-tiny\nname: mine\nobjectives: []"))
    assert "they weigh none" in message(written(tmp_path, "name: mine\nobjectives: [softmax]"))


def test_what_cannot_be_extended_or_sized_is_one_line(tmp_path: Path) -> None:
    assert "extends names nothing" in message(written(tmp_path, "extends: nothing\nname: mine"))
    assert "did you mean" in message("flair-tinny").lower() and "ablation/b_clip" in message("flair-tinny")
    assert "model.size 'tin' is none of tiny, small, b16" in message("flair-tiny", **{"model.size": "tin"})
    assert "has no keys" in message("flair-tiny", **{"title.text": 1})


def test_sizes_are_what_they_are_called() -> None:
    tiny, b16 = (load_recipe(name).model for name in ("goldiclip-tiny", "goldiclip-b16"))
    assert (tiny.image_size, tiny.embed_dim) == (64, 128)
    assert (b16.image_size, b16.patch_size, b16.vision_width, b16.vision_layers) == (224, 16, 768, 12)
    assert (b16.merges, b16.vocab_size, b16.end_of_text) == (FULL_MERGES, 49_408, 49_407)
    with torch.device("meta"):
        flair = GoldiClip(load_recipe("flair-b16").model)
        small = GoldiClip(load_recipe("flair-tiny", {"model.size": "small"}).model)
    parameters = sum(weights.numel() for weights in flair.parameters())
    assert 149e6 < parameters < 152e6  # FLAIR's README says 150 M
    assert 15e6 < sum(weights.numel() for weights in small.parameters()) < 40e6


@pytest.mark.parametrize("name", ABLATION)
def test_rows_of_the_ablation_differ_in_nothing_but_the_method(name: str) -> None:
    """The same scenes, captions (but for the row that says one), steps, batch, learning rate and towers."""
    base, row = load_recipe("clip-tiny"), load_recipe(name)
    method = {"captions", "locals", "local_size", "local_area", "questions_as_captions"}
    assert row.data.model_dump(exclude=method) == base.data.model_dump(exclude=method)
    start = name == "ablation/start"  # what they all begin with
    assert row.optimiser == base.optimiser.model_copy(update={"steps": row.optimiser.steps} if start else {})
    assert row.seed == base.seed
    parts = {"decoder", "token_classes", "prototypes"}
    assert row.model.model_dump(exclude=parts) == base.model.model_dump(exclude=parts)
    captions = {"one_caption": 1, "beside_captions": 3}  # the last words of a row's name
    assert row.data.captions == captions.get("_".join(name.split("_")[-2:]), base.data.captions)


def test_the_papers_settings_at_b16() -> None:
    """training-methods: FLAIR 1.6 and 1.3, SigLIP's scale, SuperCLIP 3.4."""
    flair, siglip, superclip = (load_recipe(f"{name}-b16") for name in ("flair", "siglip", "superclip"))
    optimiser = flair.optimiser
    assert (optimiser.lr, optimiser.weight_decay, optimiser.betas) == (5e-4, 0.2, (0.9, 0.98))
    assert (optimiser.eps, optimiser.warm_up, optimiser.batch_size) == (1e-6, 2000, 4096)
    assert 31.5 < optimiser.steps * optimiser.batch_size / 27e6 < 32.5  # epochs
    assert flair.data.captions == 10 and flair.data.sentences == 3 and optimiser.clip is None
    assert flair.logit_scale == pytest.approx(1 / 0.07) and flair.logit_bias == -10
    assert siglip.logit_scale == 10 and siglip.data.captions == 1
    assert superclip.optimiser.steps * superclip.optimiser.batch_size == 512_000_000
    assert (superclip.optimiser.lr, superclip.optimiser.warm_up) == (1e-3, 500)


def test_the_overlapping_stem_sees_half_a_patch_around_a_patch() -> None:
    """A pixel moves the tokens of its own patch and of those within half a patch, before attention mixes them."""
    sizes = {"image_size": 32, "patch_size": 8, "vision_width": 32, "vision_heads": 2, "vision_layers": 1}
    pixels = torch.zeros(1, 3, 32, 32)
    moved = pixels.clone()
    moved[..., 9, 9] = 1  # in patch (1, 1), a pixel from its upper left corner

    def touched(stem: str) -> set[tuple[int, int]]:
        tower = VisionTower(ModelConfig.model_validate({**sizes, "stem": stem}))
        return {
            (row, column)
            for row, column in (tower.patches(moved) != tower.patches(pixels))[0].any(0).nonzero().tolist()
        }

    assert touched("patch") == {(1, 1)}
    assert touched("overlap") == {(0, 0), (0, 1), (1, 0), (1, 1)}
    tower = VisionTower(ModelConfig.model_validate({**sizes, "stem": "overlap"}))
    assert tower(torch.zeros(2, 3, 16, 16))[1].shape == (2, 4, 32)
    with pytest.raises(ValueError, match="odd"):
        ModelConfig.model_validate({**sizes, "image_size": 35, "patch_size": 7, "stem": "overlap"})


def test_a_warm_start_is_a_part_of_the_recipe() -> None:
    start = {"warm_start.steps": 10, "warm_start.objectives": ["token_classes"]}
    recipe = load_recipe("ablation/k_token_classes", start)
    assert recipe.active_objectives(0) == recipe.active_objectives(9) == ["token_classes"] and recipe.active_objectives(
        10
    ) == list(recipe.objectives)
    with pytest.raises(GoldievalError, match=r"warm_start\.objectives: token_classes is not among objectives"):
        load_recipe("clip-tiny", start)
    with pytest.raises(GoldievalError, match=r"warm_start\.steps 600 is not less than optimiser\.steps"):
        load_recipe("ablation/k_token_classes", {**start, "warm_start.steps": 600})
