"""A tiny dense probe: pictures of coloured rectangles, and a tower whose patch features are colours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from goldieval.core.group import Alone, Group
from goldieval.data.masks import IGNORED
from goldieval.data.samples import Dataset, ImageSample
from goldieval.engine.embeddings import NoEmbeddings
from goldieval.engine.load import LoadedTask
from goldieval.engine.options import Options
from goldieval.engine.parts import StoredParts
from goldieval.engine.reporter import Reporter
from goldieval.engine.store import Store
from goldieval.engine.task_run import LoadedTaskRun
from goldieval.families.base import Scored, family_of
from goldieval.families.finished import NoParts
from goldieval.models.adapter import ModelInfo
from goldieval.models.inputs import Batching
from goldieval.scoring.cosine import exact
from goldieval.tasks.card import Task
from goldieval.tasks.card_types import CARD_TYPES

COLOURS = np.array([[230, 30, 30], [30, 220, 40], [40, 40, 230], [220, 220, 30]], dtype=np.uint8)
NAMES = ["red", "green", "blue", "yellow"]
PATCH = 4
PARAMS: dict[str, Any] = {
    "short_side": 32,
    "crop": 16,
    "stride": 12,
    "epochs": 3,
    "batch": 9,
    "learning_rates": [0.3, 0.03],
    "heldout": 0.25,
    "seeds": 2,
}


@dataclass(frozen=True)
class Rectangles:
    """A picture of noisy rectangles of four colours, with its mask; pictures of the same number are equal.

    Attributes:
        number: of the picture.
        classes: classes that it may show.
        broken: whether the picture cannot be decoded.
        mask_size: height and width of the mask, if it does not fit.
    """

    number: int
    classes: tuple[int, ...] = (0, 1, 2, 3)
    broken: bool = False
    mask_size: tuple[int, int] | None = None

    def key(self) -> str:
        return f"picture-{self.number}-{self.classes}"

    def place(self) -> None:
        return None

    def open(self) -> Image.Image:
        if self.broken:
            raise OSError("this picture is broken")
        noise = np.random.default_rng(self.number).integers(-20, 20, (*self.read().shape, 3))
        return Image.fromarray((COLOURS[np.maximum(self.read(), 0)] + noise).clip(0, 255).astype(np.uint8))

    def read(self) -> np.ndarray:
        """Return the mask: the picture with columns of different classes, and a row without a label."""
        rng = np.random.default_rng(self.number)
        height, width = self.mask_size or (32, 32 + 4 * (self.number % 3))
        mask = np.zeros((height, width), dtype=np.int16)
        for left in range(0, width, 8):
            mask[:, left : left + 8] = rng.choice(self.classes)
        mask[0] = IGNORED
        return mask


@dataclass
class Colours:
    """A tower whose patch features are the mean colours of patches in another space; it counts its windows.

    Attributes:
        scale: factor of the features.
        windows: number of windows encoded.
    """

    scale: float = 1.0
    concurrent: bool = True
    windows: int = 0
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    def normalise(self, picture: torch.Tensor) -> torch.Tensor:
        return picture - 0.5

    def dense(self, pixels: torch.Tensor, attention: str) -> torch.Tensor:
        assert attention == "plain" and len(pixels) == 1
        self.windows += 1
        space = torch.randn(3, 6, generator=torch.Generator().manual_seed(0))
        return self.scale * F.avg_pool2d(pixels, PATCH).permute(0, 2, 3, 1) @ space

    def describe(self) -> ModelInfo:
        return ModelInfo("colours", "colours", f"{self.scale}", f"{self.scale}", "")


def dataset(train: Sequence[Rectangles], tested: Sequence[Rectangles]) -> Dataset:
    """Return the samples of a task; ids tell them apart even where pictures are equal."""
    pictures = [*train, *tested]
    return Dataset(
        [ImageSample(f"i{row}", picture, f"{row}.png") for row, picture in enumerate(pictures)],
        masks=list(pictures),
        class_names=NAMES,
        train=np.arange(len(pictures)) < len(train),
    )


def pictures(count: int, first: int = 0, classes: tuple[int, ...] = (0, 1, 2, 3)) -> list[Rectangles]:
    """Return different pictures."""
    return [Rectangles(first + number, classes) for number in range(count)]


def task_of(**params: Any) -> Task:
    """Return the task with some parameters replaced."""
    content: dict[str, Any] = {
        "name": "tiny", "version": 1, "protocol": "p", "title": "Tiny", "licence": "none", "family": "dense-probe",
        "source": {"reader": "folder", "path": "."}, "headline": "miou", "params": PARAMS | params,
    }  # fmt: skip
    return Task(CARD_TYPES["dense-probe"](**content), Path("card.yaml"))


@dataclass
class Probe:
    """One evaluation.

    Attributes:
        data: the samples.
        model: the model.
        folder: where features and parts are kept; None to keep nothing.
        limit_gb: size of the store.
        bad: number of unreadable pictures that may be left out.
        draws: number of pictures to draw.
        reporter: shows the progress.
        params: parameters that differ from ``PARAMS``.
    """

    data: Dataset
    model: Any = field(default_factory=Colours)
    folder: Path | None = None
    limit_gb: float = 1.0
    bad: int = 0
    draws: int = 0
    reporter: Reporter = field(default_factory=Reporter)
    params: dict[str, Any] = field(default_factory=dict)

    def scored(self, group: Group = Alone()) -> Scored:
        """Evaluate as the engine does on one rank."""
        task, family = task_of(**self.params), family_of("dense-probe")
        prepared = family.prepare(task, self.data)
        keys = [image.source.key() for image in self.data.images]
        run = LoadedTaskRun(
            LoadedTask(prepared, keys, {}, "0" * 64, {}),
            self.model,
            task.card.params.mode("global"),
            device="cpu",
            embeddings=NoEmbeddings("none are needed"),
            options=Options(batching=Batching(4, 8, 2), save_images=self.draws, allow_bad=self.bad),
            reporter=self.reporter,
            seconds={},
            group=group,
            parts=StoredParts(self.folder / "parts") if self.folder else NoParts(),
            store=Store(self.folder, self.limit_gb) if self.folder else None,
            info=self.model.describe(),
        )
        with exact("cpu"):
            family.check_model(self.model, run.mode)
            evidence = family.collect(run)
            return family.score(run.prepared, evidence)


def numbers(scored: Scored) -> dict[str, Any]:
    """Return everything measured in a form that compares bit by bit."""
    return {
        "outcomes": {name: column.tolist() for name, column in scored.outcomes.items()},
        "metrics": {name: metric.model_dump() for name, metric in scored.metrics.items()},
        "probe": scored.probe and scored.probe.model_dump(),
        "warnings": scored.warnings,
    }
