"""Trainings small enough for a test: a recipe, a corpus, a trainer, and what is compared."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import goldilocks_parts as parts
import pytest
import torch
from helpers import one_line

from goldieval.core.errors import GoldievalError
from goldieval.goldiclip.data.shapes import ShapesCorpus, shapes_corpus
from goldieval.goldiclip.recipe import Recipe
from goldieval.goldiclip.run_folder import StepReport
from goldieval.goldiclip.tokenizer import Tokenizer
from goldieval.goldiclip.trainer import Trainer

SIZES: dict[str, Any] = {
    "image_size": 32,
    "vision_width": 32,
    "vision_layers": 2,
    "vision_heads": 2,
    "text_width": 32,
    "text_layers": 2,
    "text_heads": 2,
    "embed_dim": 32,
    "merges": 300,
}


EVERYTHING = {
    "model": {**SIZES, "prototypes": 16, "token_classes": True, "decoder": "through_encoder"},
    "data": {"scenes": 32, "captions": 2, "locals": 2, "local_size": 16},
    "objectives": dict.fromkeys(
        ["softmax", "sigmoid", "conditioned", "distil_agnostic", "distil_conditioned", "caption", "vqa"], 1.0
    )
    | {"token_classes": 1.0},
    "weighting": {"kind": "uncertainty", "warm_up": 2},
}


GOLDILOCKS = {
    "model": {**SIZES, **parts.MODEL},
    "data": EVERYTHING["data"],
    "objectives": parts.OBJECTIVES,
    "weighting": parts.WEIGHTING,
    "teacher": parts.TEACHER,
}


def recipe(**changes: Any) -> Recipe:
    content: dict[str, Any] = {
        "name": "test",
        "title": "test",
        "model": SIZES,
        "data": {"scenes": 32, "captions": 2},
        "objectives": {"softmax": 1.0},
        "optimiser": {"steps": 6, "batch_size": 8, "warm_up": 2},
        "save_every": 3,
    }
    return Recipe.model_validate({**content, **changes})


def optimiser(**changes: Any) -> dict[str, Any]:
    return {"steps": 6, "batch_size": 8, "warm_up": 2, **changes}


@cache
def corpus() -> ShapesCorpus:
    return shapes_corpus(32, 32, Tokenizer(SIZES["merges"], 77), foregrounds=True)


def trainer(out: Path, chosen: Recipe | None = None, resume: bool = False) -> Trainer:
    return Trainer(chosen or recipe(), out, resume=resume, corpus=corpus())


def message(call: Callable[[], object]) -> str:
    """Return the one line that the call fails with."""
    with pytest.raises(GoldievalError) as failure:
        call()
    return one_line(str(failure.value))


class CutError(Exception):
    """Somebody pulled the plug."""


def cut_at(step: int) -> Callable[[StepReport], None]:
    def watch(report: StepReport) -> None:
        if report.step == step:
            raise CutError

    return watch


def log_of(out: Path) -> list[dict[str, Any]]:
    """The log without speed, cost and memory, which no two runs share."""
    rows = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    own = ("rate", "waited", "memory", "processor")
    return [{key: value for key, value in row.items() if key not in own} for row in rows]


def same(left: Any, right: Any) -> bool:
    """Equal to the bit, through nested states."""
    if isinstance(left, torch.Tensor):
        return left.dtype == right.dtype and torch.equal(left, right)
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if isinstance(left, (list, tuple)):
        return len(left) == len(right) and all(map(same, left, right))
    return bool(left == right)


def steps_of(running: Trainer) -> Iterator[StepReport]:
    """Do the steps that are left, without writing anything."""
    while running.step < running.recipe.optimiser.steps:
        yield running.train_step()
