"""A small world with a task of every family, evaluated by any number of ranks as the engine does it."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from family_cases import Prepared
from PIL import Image
from pools import pool_of
from thread_group import ThreadGroup

from goldieval.core.transfers import upload
from goldieval.core.units import one_thread
from goldieval.data.boxes import Boxes, strata_by_size
from goldieval.data.samples import Dataset, ImageSample, TextSample
from goldieval.engine.embeddings import Embeddings
from goldieval.engine.load import LoadedTask
from goldieval.engine.options import Options
from goldieval.engine.reporter import Reporter
from goldieval.engine.task_run import LoadedTaskRun
from goldieval.families.base import Scored, family_of
from goldieval.models.adapter import ModelInfo
from goldieval.models.inputs import Batching
from goldieval.scoring.cosine import exact
from goldieval.tasks.card import Task
from goldieval.tasks.card_types import CARD_TYPES

SIDE, DIM, CLASSES = 32, 64, 7
POOL = pool_of(DIM, 4)  # made once: ranks that are threads would share the state of torch's random numbers
DENSE = ("dense:plain:projection", "dense:plain:pooling", "dense:plain:attention-map")
WORDS = ["red", "blue", "green", "yes"]
CASES = [  # family and mode
    *(("retrieval", mode) for mode in ("global", "conditioned", "shortlist:4", "shortlist:99")),
    *(("zeroshot", mode) for mode in ("global", "conditioned", "shortlist:3")),
    *((family, mode) for family in ("choice", "association", "multilabel") for mode in ("global", "conditioned")),
    *(
        ("segmentation", mode)
        for mode in ("dense:plain:projection", "dense:plain:pooling", "dense:plain:attention-map")
    ),
    *(("regions", mode) for mode in ("roi:plain:projection", "roi:plain:pooling", "crop")),
    *(("dense-probe", f"dense-probe:{features}") for features in ("projected", "tokens")),
    ("vqa", "generate"),
    ("vqa", "respond"),
    ("probe", "probe"),
    ("probe", "knn"),
    ("probe", "ridge"),
    ("probe", "lars"),
    ("probe", "few-shot"),
]


@dataclass(frozen=True)
class Drawn:
    """A picture of noise; pictures of the same seed are equal."""

    seed: int
    broken: bool = False

    def key(self) -> str:
        return f"picture-{self.seed}"

    def open(self) -> Image.Image:
        if self.broken:
            raise OSError("this picture is broken")
        noise = np.random.default_rng(self.seed).integers(0, 255, (SIDE, SIDE + 4, 3), dtype=np.uint8)
        return Image.fromarray(noise)


@dataclass(frozen=True)
class DrawnMask:
    seed: int

    def key(self) -> str:
        return f"mask-{self.seed}"

    def read(self) -> np.ndarray:
        return np.random.default_rng(self.seed).integers(-1, CLASSES, (SIDE, SIDE + 4)).astype(np.int16)


class Everything:
    """A model for every family; its products are large enough for several threads to share one."""

    def __init__(self, concurrent: bool = True, device: str = "cpu") -> None:
        self.concurrent, self.device = concurrent, torch.device(device)
        self.pool = POOL if device == "cpu" else deepcopy(POOL).to(device)
        generator = torch.Generator().manual_seed(0)
        self.of_pixels = (torch.randn(3 * SIDE * SIDE, 9 * DIM, generator=generator) / SIDE).to(device)
        self.of_texts = torch.randn(64, DIM, generator=generator)

    def preprocess(self, image: Image.Image) -> torch.Tensor:
        return torch.from_numpy(np.array(image.resize((SIDE, SIDE)), dtype=np.float32)).permute(2, 0, 1) / 255 - 0.5

    def normalise(self, picture: torch.Tensor) -> torch.Tensor:
        return picture - 0.5

    def patch_tokens(self, pixels: torch.Tensor) -> torch.Tensor:
        return (upload(pixels, self.device).flatten(1) @ self.of_pixels).view(len(pixels), 9, DIM)

    def encode_image(self, pixels: torch.Tensor) -> torch.Tensor:
        return self.patch_tokens(pixels).mean(1)

    def dense(self, pixels: torch.Tensor, attention: str) -> torch.Tensor:
        cells = F.avg_pool2d(pixels, 8).permute(0, 2, 3, 1)
        return torch.cos(40 * cells @ self.of_pixels[:3, :DIM])

    def patch_features(self, pixels: torch.Tensor) -> torch.Tensor:
        cells = F.avg_pool2d(pixels, 8).permute(0, 2, 3, 1)
        return torch.sin(30 * cells @ self.of_pixels[:3, :DIM])

    def generate(self, pixels: torch.Tensor, questions: Sequence[str]) -> list[str]:
        chosen = (upload(pixels, self.device).flatten(1) @ self.of_pixels)[:, : len(WORDS)].argmax(1).tolist()
        return [WORDS[(word + len(question)) % len(WORDS)] for word, question in zip(chosen, questions, strict=True)]

    def vectors(self, texts: Sequence[str]) -> np.ndarray:
        letters = torch.tensor([[float(ord(letter)) for letter in text.ljust(64)[:64]] for text in texts])
        return torch.sin(letters @ self.of_texts).numpy()


class Chat(Everything):
    """The same as a model that follows instructions and takes pictures of any size."""

    def describe(self) -> ModelInfo:
        return ModelInfo("chat", "chat", "fingerprint", "image", "text")

    def preprocess(self, image: Image.Image) -> torch.Tensor:
        pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1)
        return pixels[:, : SIDE - int(pixels[0, 0, 0]) % 3]

    def prompt_lengths(self, prompts: Sequence[str]) -> list[int]:
        return [len(prompt) for prompt in prompts]

    def respond(self, pictures: Sequence[torch.Tensor], prompts: Sequence[str], longest: int) -> list[str]:
        lengths = self.prompt_lengths(prompts)
        assert lengths == sorted(lengths) and longest == 16
        sums = [int(picture.long().sum()) for picture in pictures]
        return [WORDS[(total + len(prompt)) % len(WORDS)] for total, prompt in zip(sums, prompts, strict=True)]


class Vectors(Embeddings):
    """Embeddings as the engine has them: those of pictures, and which of them failed, on rank 0 only."""

    def __init__(self, model: Everything, group: ThreadGroup, failed: dict[str, str]) -> None:
        super().__init__()
        self._model, self._group = model, group
        self.failed = failed if group.rank == 0 else {}

    def images(self, loaded: LoadedTask) -> np.ndarray:
        assert self._group.rank == 0, "embeddings of pictures are on rank 0 only"
        sources = [image.source for image in loaded.prepared.dataset.images]
        pixels = torch.stack([self._model.preprocess(source.open()) for source in sources])
        return self._model.patch_tokens(pixels).mean(1).cpu().numpy()

    def texts(self, loaded: LoadedTask) -> np.ndarray:
        return self._model.vectors([text.text for text in loaded.prepared.texts])


def dataset(images: int, broken: Sequence[int] = (), seeds: Sequence[int] = ()) -> Dataset:
    """Every image has a label, two captions or questions, a mask and a choice; every fifth has four."""
    seeds = seeds or range(images)
    samples = [ImageSample(f"i{row}", Drawn(seeds[row], row in broken), f"{row}.png") for row in range(images)]
    owner = np.array([row for row in range(images) for _ in range(4 if row % 5 == 0 else 2)])
    texts = [TextSample(f"t{row}", f"text {row} about {row * 37 % 101}") for row in range(len(owner))]
    own = np.stack([np.arange(len(owner)), owner], axis=1)
    also = np.stack([np.arange(0, len(owner), 6), (owner[::6] + 3) % images], axis=1)
    pairs = np.unique(np.concatenate([own, also]), axis=0)
    first = [int(np.flatnonzero(owner == row)[0]) for row in range(images)]
    return Dataset(
        samples,
        labels=np.arange(images) % CLASSES,
        class_names=[f"class {number}" for number in range(CLASSES)],
        texts=texts,
        positives=pairs,
        owner=owner,
        choices=np.array([[(row, first[row]), (row, first[(row + 1) % images])] for row in range(images)]),
        answers=np.array([WORDS[row % 4] for row in range(len(owner))]),
        masks=[DrawnMask(row) for row in range(images)],
        train=np.arange(images) < images - 6,
    )


def _candidates(data: Dataset) -> np.ndarray:
    """Return three candidates of each text, the image that it was written for among them."""
    assert data.owner is not None
    others = [(data.owner + step) % len(data.images) for step in range(3)]
    return np.stack([np.tile(np.arange(len(data.owner)), 3), np.concatenate(others)], axis=1)


def boxed(data: Dataset, own_texts: bool) -> Dataset:
    """Return the images of a dataset with up to four boxes each, some of which reach beyond their picture.

    Args:
        data: the dataset.
        own_texts: whether boxes have two or three candidate texts of their own, and not classes.
    """
    image = np.array([row for row in range(len(data.images)) for _ in range(1 + row % 4)])
    numbers = np.random.default_rng(0).uniform(-4, SIDE, (len(image), 4))
    corners = np.concatenate([numbers[:, :2].clip(max=SIDE - 3), numbers[:, :2] + 2 + abs(numbers[:, 2:])], axis=1)
    texts = np.random.default_rng(1).integers(0, len(data.texts), (len(image), 3))
    texts[:, 1:] = (texts[:, :1] + [1, 2]) % len(data.texts)
    texts[::3, 2] = -1
    boxes = Boxes(
        ids=[f"b{row}" for row in range(len(image))],
        image=image,
        corners=corners,
        sizes=np.tile([SIDE + 4, SIDE], (len(data.images), 1)),
        labels=None if own_texts else np.arange(len(image)) % CLASSES,
        candidates=texts if own_texts else None,
    )
    texts_of_boxes = [TextSample(text.text, text.text) for text in data.texts] if own_texts else []
    names = None if own_texts else data.class_names
    return Dataset(data.images, class_names=names, texts=texts_of_boxes, boxes=boxes, strata=strata_by_size(corners))


HEADLINES = {
    "retrieval": "t2i_r1",
    "zeroshot": "acc1",
    "choice": "accuracy",
    "association": "jaccard",
    "multilabel": "mean_average_precision",
    "segmentation": "miou",
    "dense-probe": "miou",
    "vqa": "accuracy",
    "few-shot": "acc1_2shot",
}
DENSE_PROBE: dict[str, Any] = {
    "short_side": SIDE, "crop": 24, "stride": 16, "epochs": 2, "batch": 5, "learning_rates": [0.1, 0.01], "seeds": 2,
}  # fmt: skip
BY_MODE: dict[str, dict[str, Any]] = {
    "crop": {"region": "crop", "prompts": ["a {c}", "the {c}!"], "strata": ["small"], "context": 0.25},
    "knn": {"method": "knn", "neighbours": [3, 2]},
    "ridge": {"method": "ridge"},
    "lars": {"method": "lars", "epochs": 3, "warmup": 1, "batch": 4},
    "respond": {"prompt": "{question} Answer with one word."},
    "few-shot": {"method": "prototype", "shots": [1, 2], "seeds": 2},
    "dense-probe:tokens": {"features": "tokens", **DENSE_PROBE, "learning_rates": [0.01], "seeds": 1},
}
PARAMS: dict[str, dict[str, Any]] = {
    "zeroshot": {"prompts": ["a {c}", "the {c}!"]},
    "multilabel": {"prompts": ["a {c}", "the {c}!"]},
    "segmentation": {"prompts": ["a {c}"], "short_side": SIDE, "crop": 24, "stride": 16},
    "probe": {"penalties": [1.0, 0.01]},
    "dense-probe": DENSE_PROBE,
}


def _shown(data: Dataset) -> np.ndarray:
    """Return whether each image shows each class: its own, and every other one for some."""
    assert data.labels is not None
    images, classes = np.arange(len(data.images))[:, None], np.arange(CLASSES)
    shown: np.ndarray = (data.labels[:, None] == classes) | ((images + classes) % 5 == 0)
    return shown


def loaded(family: str, data: Dataset, mode: str = "") -> LoadedTask:
    """Return a task of a family on that data; only probes have a split for training, only regions boxes."""
    data = data if family.endswith("probe") else replace(data, train=None)
    data = replace(data, candidates=_candidates(data)) if family == "association" else data
    data = replace(data, shown=_shown(data)) if family == "multilabel" else data
    data = boxed(data, own_texts=mode != "crop") if family == "regions" else data
    content: dict[str, Any] = {
        "name": "tiny", "version": 1, "protocol": "p", "title": "Tiny", "licence": "none", "family": family,
        "source": {"reader": "folder", "path": "."}, "headline": HEADLINES.get(mode, HEADLINES.get(family, "acc1")),
        "params": BY_MODE.get(mode, PARAMS.get(family, {})),
    }  # fmt: skip
    task = Task(CARD_TYPES[family](**content), Path("card.yaml"))
    prepared: Prepared[Any] = family_of(family).prepare(task, data)
    return LoadedTask(prepared, [image.source.key() for image in data.images], {}, "0" * 64, {})


@dataclass(frozen=True)
class World:
    """One evaluation.

    Attributes:
        family: the family.
        mode: scoring mode.
        data: the samples.
        batch: pictures per batch.
        threads: number of torch's threads of each rank.
        concurrent: whether the model may be used by several threads.
        bad: number of unreadable pictures that may be left out.
        device: device of the model and of scoring.
    """

    family: str
    mode: str
    data: Dataset
    batch: int = 3
    threads: int = 1
    concurrent: bool = True
    bad: int = 0
    device: str = "cpu"

    def __call__(self, group: ThreadGroup) -> dict[str, Any] | None:
        """Evaluate as the engine does on one rank; return the results of rank 0 in a form to compare."""
        torch.set_num_threads(self.threads)
        kind = Chat if self.mode == "respond" else Everything
        family, model = family_of(self.family), kind(self.concurrent, self.device)
        failed = {image.source.key(): "broken" for image in self.data.images if getattr(image.source, "broken", False)}
        run = LoadedTaskRun(
            loaded(self.family, self.data, self.mode),
            model,  # type: ignore[arg-type]
            self.mode,
            device=self.device,
            embeddings=Vectors(model, group, failed if family.encodes_images(self.mode) else {}),
            options=Options(batching=Batching(self.batch, 8, 2), save_images=3, allow_bad=self.bad),
            reporter=Reporter(),
            seconds={},
            group=group,
            logit_factor=20.0,
        )
        with exact(self.device):
            if group.rank > 0 and not family.divides(self.mode):
                return None
            evidence = family.collect(run)
            if group.rank > 0:
                return None
            with one_thread():
                return plain(family.score(run.prepared, evidence))


def plain(scored: Scored) -> dict[str, Any]:
    """All results as values that compare bit by bit."""
    columns = {name: (str(column.dtype), column.tolist()) for name, column in scored.outcomes.items()}
    measured: dict[str, Any] = {**scored.metrics, **scored.approximation, **scored.classes}
    return {
        "outcomes": columns,
        "measured": {name: part.model_dump() for name, part in measured.items()},
        "ties": scored.ties.model_dump(),
        "warnings": scored.warnings,
        "pixels": scored.pixels,
        "pictures": scored.pictures,
        "probe": scored.probe and scored.probe.model_dump(),
    }
