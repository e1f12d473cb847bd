"""A tiny model, corpus and recipe on which objectives are tested."""

from __future__ import annotations

from functools import cache
from typing import Any, get_args

import torch
import torch.nn.functional as F

from goldieval.goldiclip.config import ModelConfig
from goldieval.goldiclip.data.batch import Batch
from goldieval.goldiclip.data.batches import Batches
from goldieval.goldiclip.data.shapes import ShapesCorpus, shapes_corpus
from goldieval.goldiclip.ema import teacher_of
from goldieval.goldiclip.features import StepFeatures
from goldieval.goldiclip.model import GoldiClip
from goldieval.goldiclip.objective_state import ObjectiveState
from goldieval.goldiclip.recipe import Recipe
from goldieval.goldiclip.recipe_losses import Objective
from goldieval.goldiclip.tokenizer import Tokenizer

B, K, DIM = 4, 3, 32  # images, captions of each, width
SCALE, BIAS = torch.tensor(12.0), torch.tensor(-6.0)


SIZES = ModelConfig(
    image_size=32,
    vision_width=32,
    vision_layers=2,
    vision_heads=2,
    text_width=32,
    text_layers=2,
    text_heads=2,
    embed_dim=32,
    merges=300,
    prototypes=16,
    token_classes=True,
    decoder="through_encoder",
)


def seeded(number: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(number)


def vectors(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=seeded(seed))


def units(*shape: int, seed: int = 0) -> torch.Tensor:
    return F.normalize(vectors(*shape, seed=seed), dim=-1)


def value(loss: torch.Tensor) -> float:
    return float(loss.detach())


@cache
def tokenizer() -> Tokenizer:
    return Tokenizer(SIZES.merges, SIZES.context_length)


@cache
def corpus() -> ShapesCorpus:
    return shapes_corpus(32, 32, tokenizer(), foregrounds=True)


def recipe(*objectives: str, batch_size: int = 8, **changes: Any) -> Recipe:
    content = {
        "name": "test",
        "title": "test",
        "model": SIZES,
        "data": {"scenes": 32, "captions": 2, "locals": 2, "local_size": 16},
        "objectives": dict.fromkeys(objectives, 1.0),
        "optimiser": {"steps": 3, "batch_size": batch_size, "warm_up": 1},
    }
    return Recipe.model_validate({**content, **changes})


def batch_of(chosen: Recipe, rank: int = 0, world: int = 1, step: int = 0) -> Batch:
    return Batches(corpus(), tokenizer(), chosen, rank, world).at(step)


def model(sizes: ModelConfig = SIZES) -> GoldiClip:
    torch.manual_seed(0)
    return GoldiClip(sizes)


def step_of(chosen: Recipe, student: GoldiClip, **share: int) -> StepFeatures:
    state = ObjectiveState(chosen.model, chosen.learned_scales, chosen.teacher.scale)
    batch = batch_of(chosen, **share)
    return StepFeatures(chosen, student, teacher_of(student), state, batch)


def gradients(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: weights.grad for name, weights in module.named_parameters() if weights.grad is not None}


PEERS = ("views", "cross_modal", "grouping")  # tested in test_peer_objectives.py
ALL = tuple(name for name in get_args(Objective) if name not in PEERS)
