"""A tower that cannot see what a task is about until it is trained, and the pictures of that task."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import nn

from goldieval.core.meter import Meter, SilentMeter, StoppableMeter
from goldieval.data.masks import IGNORED
from goldieval.families.dense_probe_finetuned_training import FineTuning
from goldieval.models.adapter import ModelInfo
from goldieval.models.torch_adapter import module_fingerprint
from goldieval.tasks.dense_probe_params import DenseProbeParams

PATCH, SIDE, CLASSES = 4, 32, ["blue", "red"]


class TinyTower(nn.Module):
    """Patches of 4 pixels through two layers, of which the first only sees green: neither red nor blue."""

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(1)
            self.patches = nn.Conv2d(3, 8, PATCH, PATCH)
            self.norm = nn.LayerNorm(8)
            self.words = nn.Linear(5, 5)  # of the texts
        with torch.no_grad():
            self.patches.weight[:, [0, 2]] = 0

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        features: torch.Tensor = self.norm(self.patches(pixels).permute(0, 2, 3, 1))
        return features


class TinyModel:
    """An adapter of it, whose ``dense`` has kept the module for itself."""

    concurrent = True

    def __init__(self) -> None:
        self.module = TinyTower()
        self._kept = self.module.forward

    @property
    def device(self) -> torch.device:
        return torch.device("cpu")

    def describe(self) -> ModelInfo:
        digest = module_fingerprint(self.module)
        return ModelInfo("tiny", "file", digest, image_identity="tiny-image", text_identity="tiny-text")

    def preprocess(self, image: Any) -> torch.Tensor:
        raise AssertionError("a dense probe needs no vector of a picture")

    tokenize = encode_image = encode_text = preprocess

    def normalise(self, picture: torch.Tensor) -> torch.Tensor:
        return picture - 0.5

    def dense(self, pixels: torch.Tensor, attention: str) -> torch.Tensor:
        return self._kept(pixels)


def load(spec: Any, options: Any) -> TinyModel:
    """Return the adapter, for this file as the spec of a model."""
    return TinyModel()


class Steps:
    """A run that counts the steps that are reported; stops after some of them, as if it was killed."""

    def __init__(self, killed_after: int = 10**9) -> None:
        self.done, self._killed_after = 0, killed_after

    @contextmanager
    def working(self, phase: str, what: str, total: int) -> Iterator[Meter]:
        with torch.inference_mode():
            yield StoppableMeter(self)

    def advance(self, count: int) -> None:
        self.done += count
        if self.done >= self._killed_after:
            raise KeyboardInterrupt

    waiting = SilentMeter.waiting


def painted(row: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a picture with a red and a blue half, and its classes; some pixels have none."""
    dice = np.random.default_rng(row)
    truth = np.zeros((SIDE, SIDE), dtype=np.int16)
    border = int(dice.integers(8, 24))
    truth[:, border:] = 1
    truth = truth if row % 2 else truth.T.copy()
    picture = dice.integers(60, 100, (SIDE, SIDE, 3)).astype(np.uint8)
    picture[..., 0] += (100 * (truth == 1)).astype(np.uint8)
    picture[..., 2] += (100 * (truth == 0)).astype(np.uint8)
    truth[:2] = IGNORED
    return picture, truth


def tiny_params(**changes: Any) -> DenseProbeParams:
    sizes = {"short_side": SIDE, "long_side": 64, "crop": 16, "stride": 12, "batch": 4}
    rates = {"iterations": 40, "warmup": 4, "tower_rate": 0.01, "head_rate": 0.02, "seeds": 1}
    return DenseProbeParams(finetune=True, **{**sizes, **rates, **changes})


def tiny_tuning(
    folder: Path | None = None, model: Any = None, workers: int = 0, predicts: Any = None, **changes: Any
) -> FineTuning:
    model = model or TinyModel()
    return FineTuning(
        model=model,
        features=lambda windows: model.dense(windows, "plain"),
        params=tiny_params(**changes),
        target=predicts or SimpleNamespace(outputs=len(CLASSES)),
        classes=CLASSES if predicts is None else [],
        rows=range(6),
        ids=[f"p{row}" for row in range(6)],
        read=painted,
        workers=workers,
        folder=folder,
    )
