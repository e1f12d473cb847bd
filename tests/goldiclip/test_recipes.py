"""Recipes: the shipped ones build, wrong ones are refused in one line, changes are applied."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from tiny_trainings import (
    message,
)

from goldieval.goldiclip.model import GoldiClip
from goldieval.goldiclip.recipe import Recipe
from goldieval.goldiclip.recipe_files import load_recipe, recipe_names

DISTILS = {"objectives.distil_agnostic": 1.0, "data.locals": 2, "model.prototypes": 8}


@pytest.mark.parametrize("name", recipe_names())
def test_shipped_recipes_parse_and_build(name: str) -> None:
    chosen = load_recipe(name)
    assert chosen.name == name and chosen.objectives
    with torch.device("meta"):
        model = GoldiClip(chosen.model)
    assert sum(weights.numel() for weights in model.parameters()) > 100_000


def test_there_are_shipped_recipes() -> None:
    assert "goldiclip-tiny" in recipe_names()


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"optimizer": {}}, "optimizer: unknown key"),
        ({"optimiser.lrate": 1}, "optimiser.lrate: unknown key"),
        ({"model.depth": 3}, "model.depth: unknown key"),
        ({"objectives.magic": 1.0}, "objectives.magic"),
        ({"objectives": {}}, "objectives"),
        ({"objectives.softmax": 0}, "objectives.softmax"),
        ({"optimiser.steps": 0}, "optimiser.steps"),
        ({"optimiser": {"batch_size": 8}}, "optimiser.steps: is missing"),
        ({"teacher.momentum": 1.5}, "teacher.momentum"),
        ({"model.image_size": 65}, "image_size 65 is not divisible by patch_size 8"),
        ({"model.vision_heads": 5}, "vision_width 192 is not divisible by vision_heads 5"),
        ({"model.pool_heads": 3}, "embed_dim 128 is not divisible by pool_heads 3"),
        ({"model.merges": 50_000}, "model.merges"),
        ({"model.decoder": "beside_encoder"}, "model.decoder"),
        ({"model.decoder": "in_encoder", "model.decoder_layers": 9}, "decoder_layers 9 exceed text_layers 4"),
        ({"data.global_area": [1.0, 0.8]}, "data.global_area: the lowest share comes first, not 1 before 0.8"),
        ({"data.local_area": [0.4, 0.1]}, "data.local_area: the lowest share comes first, not 0.4 before 0.1"),
        ({"data.global_area": [0.0, 1.0]}, "data.global_area"),
        ({"data.local_size": 30, "data.locals": 1}, "data.local_size 30 is not divisible by the patch size"),
        ({"data.redraw": 0.5}, "data: redraw changes local crops, and locals is 0"),
        ({"data.jitter": 0.5}, "data: jitter changes local crops, and locals is 0"),
        ({"data.redraw": 1.5, "data.locals": 1}, "data.redraw: Input should be less than or equal to 1"),
        ({"data.jitter": -0.1, "data.locals": 1}, "data.jitter: Input should be greater than or equal to 0"),
        ({"data.whole_views": 2, "data.locals": 1}, "data: whole_views 2 exceeds locals 1"),
        (
            {"data.redraw": 0.5, "data.locals": 1, "data.source": "jsonl", "data.path": "a.jsonl"},
            "data: redraw needs source shapes: backgrounds of jsonl are not known; use jitter",
        ),
        (
            {"data.redraw": 0.5, "data.locals": 1, "data.source": "shards", "data.path": "pipe:cat {0..9}.tar"},
            "data: redraw needs source shapes: backgrounds of shards are not known; use jitter",
        ),
        ({"data.scenes": 100}, "batch_size 128 exceeds data.scenes 100"),
        ({"objectives.vqa": 1.0}, "objective vqa needs model.decoder"),
        ({"objectives.caption": 1.0}, "objective caption needs model.decoder"),
        ({"objectives.token_classes": 1.0}, "objective token_classes needs model.token_classes"),
        ({"objectives.distil_agnostic": 1.0}, "objective distil_agnostic needs data.locals"),
        (
            {"objectives.distil_conditioned": 1.0, "data.locals": 2},
            "objective distil_conditioned with teacher.loss dino needs model.prototypes",
        ),
        ({"model.token_pooling": "max"}, "model.token_pooling"),
        ({"model.distillation_head": -1}, "model.distillation_head"),
        ({"model.distillation_head": 10**9}, "model.distillation_head"),
        ({"model.distillation_head": True}, "model.distillation_head: a number is wanted, not true"),
        ({"data.first_scene": 60_001}, "data: scenes 20,000 from first_scene 60,001 on exceed the 80,000 of the train"),
        ({"data.scenes": 80_001}, "data: scenes 80,001 from first_scene 0 on exceed the 80,000 of the training split"),
        ({"data.redraw": True, "data.locals": 1}, "data.redraw: a number is wanted, not true"),
        ({"data.workers": False}, "data.workers: a number is wanted, not false"),
        ({"conditioned_scale": 5}, "conditioned_scale needs model.conditioned_scale: true"),
        ({"conditioned_bias": -3}, "conditioned_bias needs model.conditioned_scale: true"),
        ({"conditioned_scale": 200, "model.conditioned_scale": True}, "conditioned_scale: Input should be less than"),
        ({"teacher.scale": 0.5}, "teacher.scale: Input should be greater than or equal to 1"),
        ({"teacher.scale": 30, "teacher.largest_scale": 20}, "teacher: scale 30 exceeds largest_scale 20"),
        ({**DISTILS, "teacher.scale": 20}, "teacher.scale needs teacher.loss info_nce, which it scales; it is dino"),
        (
            {**DISTILS, "teacher.largest_scale": 20, "teacher.loss": "cosine"},
            "teacher.largest_scale needs teacher.loss info_nce, which it scales; it is cosine",
        ),
        (
            {**DISTILS, "model.distillation_head": 64},
            "model.distillation_head needs teacher.loss info_nce; with dino, it has heads of its own",
        ),
        (
            {**DISTILS, "model.distillation_head": 64, "teacher.loss": "cosine"},
            "model.distillation_head needs teacher.loss info_nce; with cosine, a head can make all features the same",
        ),
        ({"weighting.relative": 1.0}, "weighting: relative needs kind uncertainty; fixed weights are those of objec"),
        ({"weighting.relative": 0, "weighting.kind": "uncertainty"}, "weighting.relative"),
        (
            {"weighting.relative": 1, "weighting.kind": "uncertainty", "objectives": {"conditioned": 1.0}},
            "weighting.relative needs objective softmax or sigmoid, by which the others are measured",
        ),
        ({"optimiser.steps.more": 1}, "steps has no keys"),
        ({"optimiser.betas": [0.9, 1.0]}, "optimiser.betas.1: Input should be less than 1"),
        ({"optimiser.lr": float("inf")}, "optimiser.lr: Input should be a finite number"),
        ({"logit_bias": float("nan")}, "logit_bias: Input should be a finite number"),
        ({"logit_scale": 1000}, "logit_scale: Input should be less than or equal to 100"),
        ({"seed": 2**70}, "seed"),
        ({"seed": -1}, "seed"),
        ({"name": "../../elsewhere"}, "name"),
        ({"name": ""}, "name"),
        ({"optimiser.accumulate": 3}, "accumulate is no longer there; execution.micro_batches computes a large batch"),
        ({"execution.micro_batches": 0}, "execution.micro_batches"),
        ({"execution.micro_batches": 129}, "execution.micro_batches 129 exceeds optimiser.batch_size 128"),
        ({"execution.checkpointing": 1.1}, "execution.checkpointing"),
        ({"execution.static_graph": True, "execution.micro_batches": 2}, "execution.static_graph: parts of execution"),
        (
            {"execution.static_graph": True, "objectives.foils": 1.0},
            "execution.static_graph: a batch may have no data for objective foils; leave it out",
        ),
        (
            {"execution.static_graph": True, "warm_start": {"steps": 2, "objectives": ["softmax"]}},
            "execution.static_graph: warm_start changes which parameters are used",
        ),
    ],
)
def test_wrong_recipes_are_one_line(changes: dict[str, Any], says: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    content = {"name": "mine", "title": "mine", "objectives": {"softmax": 1.0}}
    file.write_text(yaml.safe_dump({**content, "optimiser": {"steps": 10, "batch_size": 128}}))
    load_recipe(str(file))  # right without the changes
    line = message(lambda: load_recipe(str(file), changes))
    assert says in line


def test_the_graph_is_static_where_the_recipe_allows_it() -> None:
    static = {name: load_recipe(name).static_graph for name in ("clip-tiny", "cosmos-tiny", "goldiclip-tiny")}
    assert static == {"clip-tiny": True, "cosmos-tiny": True, "goldiclip-tiny": False}
    assert load_recipe("clip-tiny", {"execution.static_graph": False}).static_graph is False
    assert load_recipe("clip-tiny", {"execution.micro_batches": 2}).static_graph is False


def test_recipes_of_older_checkpoints_are_read() -> None:
    """They say that one step was accumulated."""
    written = load_recipe("clip-tiny").model_dump(mode="json")
    written["optimiser"]["accumulate"] = 1
    del written["execution"]
    assert Recipe.model_validate(written) == load_recipe("clip-tiny")


def test_unknown_recipes_and_broken_files_are_one_line(tmp_path: Path) -> None:
    assert "Did you mean goldiclip-tiny" in message(lambda: load_recipe("goldiclip-tny"))
    (tmp_path / "a.yaml").write_text("name: [")
    assert "a.yaml" in message(lambda: load_recipe(str(tmp_path / "a.yaml")))
    (tmp_path / "b.yaml").write_text("- 1")
    assert "expected a mapping" in message(lambda: load_recipe(str(tmp_path / "b.yaml")))
    assert "no file" in message(lambda: load_recipe(str(tmp_path / "c.yaml")))


def test_other_data_do_not_take_over_what_only_scenes_have(tmp_path: Path) -> None:
    files = {"source": "jsonl", "path": "mine.jsonl"}
    changed = load_recipe("goldiclip-tiny", {f"data.{key}": value for key, value in files.items()})
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump({"extends": "goldiclip-tiny", "name": "mine", "data": files}))
    for chosen in (changed, load_recipe(str(tmp_path / "mine.yaml"))):
        assert chosen.data.source == "jsonl" and chosen.data.captions == 4
    views = load_recipe("goldilocks/e_distillation", {f"data.{key}": value for key, value in files.items()}).data
    assert (views.redraw, views.jitter) == (0.0, 1.0)
    wrong = {"data.source": "jsonl", "data.path": "mine.jsonl", "data.scenes": 80_000}
    line = message(lambda: load_recipe("goldiclip-tiny", wrong))
    assert line.startswith("recipe goldiclip-tiny with --set data.source, ") and "scenes needs source shapes" in line


@pytest.mark.parametrize(
    ("name", "method", "pools"),
    [
        ("goldiclip-b16", "GoldiCLIP-R (reconstruction)", True),
        ("ablation/g_vqa_in_encoder", "GoldiCLIP-R (reconstruction)", True),
        ("flair-tiny", "goldieval's trainer (reimplementation)", True),
        ("clip-tiny", "goldieval's trainer (reimplementation)", False),
        ("cosmos-b16", "goldieval's trainer (reimplementation)", False),
    ],
)
def test_a_recipe_says_whose_scores_it_makes(name: str, method: str, pools: bool) -> None:
    recipe = load_recipe(name)
    assert (recipe.method, recipe.pools) == (method, pools)


def test_changes_are_written_into_the_recipe() -> None:
    chosen = load_recipe("clip-tiny", {"optimiser.lr": 5e-4, "model.merges": 10, "teacher.momentum": 0.5})
    assert (chosen.optimiser.lr, chosen.model.merges, chosen.teacher.momentum) == (5e-4, 10, 0.5)
    assert chosen.optimiser.batch_size == load_recipe("clip-tiny").optimiser.batch_size
