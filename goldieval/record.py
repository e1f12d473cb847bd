"""The result record of one model on one task: its schema, and the keys that name it. Files: ``record_files``."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from goldieval.adapter import ModelInfo
from goldieval.card import Task

SCHEMA = 2
Finite = Annotated[float, Field(allow_inf_nan=False)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Metric(_Part):
    """A value with its 95 % interval; shares are fractions.

    low, high: null where no interval holds.   unreliable: why the interval may not hold, or why there is none.
    separable: smallest difference seen with 80 % power.
    """

    value: Finite
    low: Finite | None
    high: Finite | None
    n: int
    clusters: int
    method: str
    unreliable: str = ""
    separable: Finite | None = None
    chance: Finite | None = None
    ceiling: Finite | None = None


class ClassScore(_Part):
    """One class of a segmentation: intersection over union, accuracy, labelled pixels; null where there are none."""

    iou: Finite | None
    accuracy: Finite | None
    pixels: int


class ModelPart(_Part):
    """Who was evaluated. The fingerprint covers weights and architecture.

    checkpoint: how its file was read, where that is not plain.
    recipe, images_seen, unique_pairs (distinct images with their captions), seed: of the training, where it is known.
    """

    spec: str
    family: str
    fingerprint: str
    parameters: int
    resolution: int
    context_length: int
    precision: str
    home: str
    notice: str
    checkpoint: str = ""
    recipe: str = ""
    images_seen: int | None = None
    unique_pairs: int | None = None
    seed: int | None = None


class TaskPart(_Part):
    """What was run. ``scoring`` is the resolved mode; ``overrides`` came from --set.

    ``limit`` and ``subset`` mark a part of the data, never comparable with the whole task.
    settings: the parameters that moved published numbers, where a family has any.
    """

    name: str
    family: str
    version: int
    protocol: str
    title: str
    licence: str
    card_sha256: str
    scoring: str
    overrides: dict[str, Any] = {}
    limit: int | None = None
    subset: str = ""
    headline: str
    heading: str = ""
    prompts_sha256: str = ""
    class_names_sha256: str = ""
    settings: dict[str, Any] = {}


class Duplicates(_Part):
    """Captions that equal one of another image after stripping white space, and the images that have one.

    raw_captions, raw_images: the same without stripping.
    """

    captions: int
    images: int
    raw_captions: int
    raw_images: int


class DataPart(_Part):
    """What it was run on: counts expected by the card and seen, unreadable pictures, a hash over all contents.

    origins: where the files of the source come from, ``repository@commit`` or an address; empty if unknown.
    prepared_sha256: of what the card's ``prepare`` steps made.   duplicates: of captions, where the task has them.
    pixels: of masks: all, ignored (no label), and the classes_present in them.
    """

    source: str
    origins: list[str] = []
    sha256: str = ""
    prepared_sha256: str = ""
    expected: dict[str, int] = {}
    seen: dict[str, int] = {}
    unreadable: dict[str, str] = {}
    duplicates: Duplicates | None = None
    pixels: dict[str, int] = {}


class Truncation(_Part):
    """Texts that are longer than the model's context, by its own tokenizer; lengths in tokens, marks included."""

    context: int
    texts: int
    cut: int
    share: Finite
    median: Finite
    longest: int


class Probe(_Part):
    """How a linear probe was fitted, and what was chosen without looking at a test image.

    train, heldout: images fitted on, and held out of them to choose.   penalties: tried, on the squared weights over
    the mean loss; penalty: the chosen one.   heldout_accuracy, heldout_loss: of each penalty, in their order; the loss
    (nats) chooses.   steps: of the solver in the last fit.   converged: whether that reached its optimum. Records of
    the first recipe have no loss and do not say whether it converged.
    """

    features: str
    solver: str
    train: int
    heldout: int
    heldout_by: str
    penalties: list[Finite]
    heldout_accuracy: list[Finite]
    heldout_loss: list[Finite] = []
    penalty: Finite
    steps: int
    converged: bool | None = None


class Ties(_Part):
    """Queries whose best positive ties with a negative, and what the ties are worth at most (a fraction)."""

    queries: int = 0
    gap: Finite = 0.0


class Approximation(_Part):
    """What a shortlist loses in one direction, against exact scores of a sample of queries drawn with ``seed``.

    shortlist: candidates a query.   queries: sampled, out of ``of``.   best_lost: share of them whose best-scoring
    candidate of all is not on the shortlist; positive_lost: the same of the best positive.   loss: exact less
    shortlisted, by metric.
    """

    shortlist: int
    queries: int
    of: int
    seed: int
    best_lost: Metric
    positive_lost: Metric
    loss: dict[str, Metric]


class RunPart(_Part):
    """How it was run. ``encoded`` and ``reused`` count contents; seconds are wall time of each phase."""

    command: str
    started: str
    device: str
    batch: dict[str, int]
    seconds: dict[str, Finite]
    encoded: dict[str, int]
    reused: dict[str, int]


class Outcomes(_Part):
    """The Parquet file beside this record."""

    file: str
    sha256: str
    rows: int


class Record(_Part):
    """Everything a table needs about one model on one task.

    setting: hash of what was asked.   key: hash of that and of the data, of all that the numbers depend on.
    approximation: by direction (t2i, i2t, i2c); empty where scores are exact.
    truncation: None where no texts are searched or the model cannot tell.   probe: of a linear probe.
    classes: of a segmentation, by name.   pictures: files with truth and prediction side by side, beside this one.
    sha256: of all the rest of the file, see ``record_files``; empty before it is written, and in older ones.
    """

    schema_version: int = SCHEMA
    setting: str
    key: str
    status: Literal["ok", "partial", "failed"]
    reason: str = ""
    model: ModelPart
    task: TaskPart
    data: DataPart
    metrics: dict[str, Metric] = {}
    ties: Ties = Ties()
    approximation: dict[str, Approximation] = {}
    truncation: Truncation | None = None
    probe: Probe | None = None
    warnings: list[str] = []
    classes: dict[str, ClassScore] = {}
    pictures: list[str] = []
    environment: dict[str, str]
    run: RunPart
    outcomes: Outcomes | None = None
    sha256: str = ""

    @property
    def headline(self) -> Metric | None:
        return self.metrics.get(self.task.headline)

    def values(self) -> dict[str, float]:
        """Return the metrics as plain numbers."""
        return {name: metric.value for name, metric in self.metrics.items()}


def setting_key(info: ModelInfo, task: Task, scoring: str, limit: int | None, subset: str = "") -> str:
    """Hash what was asked: model, precision, task with its overrides, scoring mode, subset."""
    asked = [info.fingerprint, info.precision, task.name, task.card.version, task.hash, scoring, limit]
    return _hash([*asked, *([subset] if subset else [])])


def record_key(setting: str, data: DataPart, task: TaskPart) -> str:
    """Hash whatever changes the numbers: another key is another file, the same key the same numbers.

    Prompts and class names may lie in files beside the card, of which its own hash in the setting knows no content.
    """
    return _hash([setting, data.sha256, sorted(data.unreadable), task.prompts_sha256, task.class_names_sha256])


def _hash(parts: list[Any]) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
