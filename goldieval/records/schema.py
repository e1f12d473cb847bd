"""The result record of one model on one task. ``docs/record.schema.json`` is generated from these classes."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from goldieval.records.parts import (
    Approximation,
    Calibration,
    ClassScore,
    Duplicates,
    Finite,
    MeasuredMetric,
    Outcomes,
    Part,
    Probe,
    Ties,
    Truncation,
)
from goldieval.tasks.averages import FAMILY

SCHEMA = 2
IMPORTED = "imported"
"""Family of models whose outcomes another program made, and the scoring mode of their records."""


class ModelPart(Part):
    """The model."""

    spec: str = Field(description="Spec as the user wrote it, for example open_clip:ViT-B-16@epoch_32.pt.")
    family: str = Field(description="Family of the adapter, for example open_clip.")
    fingerprint: str = Field(description="SHA-256 over weights and architecture, independent of any name.")
    parameters: int = Field(description="Number of parameters; 0 if unknown.")
    resolution: int = Field(description="Side length of the input images in pixels; 0 if unknown.")
    context_length: int = Field(description="Length of the context of the text tower in tokens; 0 if unknown.")
    precision: str = Field(description="Precision of the towers: fp32, bf16 or fp16; scores are always float32.")
    home: str = Field(description="Built-in world that the checkpoint was trained for, if any.")
    notice: str = Field(description="Line that is shown wherever scores of the model are shown.")
    checkpoint: str = Field(
        default="", description="What was read from the checkpoint file, and what in it was left out."
    )
    options: dict[str, str] = Field(default={}, description="Options of the spec, such as size and mean.")
    recipe: str = Field(default="", description="Training recipe, if the checkpoint names it.")
    images_seen: int | None = Field(default=None, description="Number of images seen in training, repeats included.")
    unique_pairs: int | None = Field(
        default=None, description="Number of distinct images with their captions seen in training."
    )
    seed: int | None = Field(default=None, description="Random seed of the training.")
    logit_factor: Finite | None = Field(
        default=None,
        description="Factor of cosines before the softmax or sigmoid of the training; null if it is unknown.",
    )

    @property
    def is_imported(self) -> bool:
        """Whether another program made the outcomes."""
        return self.family == IMPORTED


class TaskPart(Part):
    """The task and its protocol."""

    name: str = Field(description="Name of the task on its card.")
    family: str = Field(description="Task family: retrieval, zeroshot, choice, probe, segmentation or vqa.")
    version: int = Field(description="Version of the card.")
    protocol: str = Field(description="Protocol of the card, followed by every override and subset.")
    title: str = Field(description="Title of the task.")
    licence: str = Field(description="Licence of the data, as the card states it.")
    card_sha256: str = Field(description="SHA-256 over everything on the card that can change a number.")
    scoring: str = Field(description="Scoring mode that was used; never `auto`.")
    overrides: dict[str, Any] = Field(default={}, description="Parameters of the card that --set replaced.")
    limit: int | None = Field(
        default=None, description="Value of --limit; such results are not comparable with the whole task."
    )
    subset: str = Field(
        default="", description="Value of --subset; such results are not comparable with the whole task."
    )
    headline: str = Field(description="Name of the metric that tables show by default.")
    heading: str = Field(default="", description="Line that is shown above the result.")
    unread_languages: list[str] = Field(
        default=[], description="Languages of the texts that the model's tokenizer was not made for."
    )
    prompts_sha256: str = Field(default="", description="SHA-256 of the list of prompts.")
    class_names_sha256: str = Field(default="", description="SHA-256 of the list of class names.")
    settings: dict[str, Any] = Field(
        default={},
        description="All parameters of a segmentation except its prompts; of questions, the rule by which answers are "
        "judged and what the model was asked, where it is not the question alone; empty for other families.",
    )


class DataPart(Part):
    """The data."""

    source: str = Field(description="Id, folder or reader of the source.")
    origins: list[str] = Field(
        default=[], description="Origins of the files: repository@commit or URL; empty if unknown."
    )
    sha256: str = Field(default="", description="SHA-256 over ids, contents, texts, labels and masks.")
    prepared_sha256: str = Field(default="", description="SHA-256 of the result of the card's prepare steps.")
    expected: dict[str, int] = Field(default={}, description="Counts that the card expects.")
    seen: dict[str, int] = Field(default={}, description="Counts of the whole task, before any limit or subset.")
    unreadable: dict[str, str] = Field(default={}, description="Images that could not be read: id to reason.")
    duplicates: Duplicates | None = Field(default=None, description="Captions that several images share.")
    pixels: dict[str, int] = Field(
        default={},
        description="Number of pixels of the masks: all and ignored (without a label); and number of classes_present.",
    )


class RunPart(Part):
    """The run."""

    command: str = Field(description="Command line, or `python` for the Python API.")
    card: str = Field(default="", description="File of the card, as the run was given it; empty for a shipped task.")
    started: str = Field(description="Time at which the record was created, UTC, ISO 8601.")
    device: str = Field(description="Device on which the model ran.")
    batch: dict[str, int] = Field(description="Batch sizes of images and texts.")
    seconds: dict[str, Finite] = Field(description="Wall time of each phase, in seconds.")
    encoded: dict[str, int] = Field(description="Number of contents that this run encoded, by tower.")
    reused: dict[str, int] = Field(description="Number of contents whose stored embeddings were used, by tower.")
    processes: int = Field(default=1, description="Number of processes that shared the work.")


class Record(Part):
    """Results of one model on one task, with everything that a table needs to know about them."""

    schema_version: int = Field(default=SCHEMA, description="Version of this schema.")
    setting: str = Field(description="SHA-256 of the setting: model, precision, task, scoring mode, limit, subset.")
    key: str = Field(
        description="SHA-256 of the setting and the data, that is, of everything that the numbers depend on."
    )
    status: Literal["ok", "partial", "failed"] = Field(
        description="Outcome of the run; partial means that some images were left out."
    )
    reason: str = Field(default="", description="Why the status is partial or failed.")
    model: ModelPart = Field(description="The model.")
    task: TaskPart = Field(description="The task and its protocol.")
    data: DataPart = Field(description="The data.")
    metrics: dict[str, MeasuredMetric] = Field(default={}, description="Metrics by name.")
    ties: Ties = Field(default=Ties(), description="Queries whose rank depends on how ties are broken.")
    approximation: dict[str, Approximation] = Field(
        default={}, description="Loss of a shortlist by direction (t2i, i2t, i2c); empty where scores are exact."
    )
    truncation: Truncation | None = Field(
        default=None, description="Truncated texts; null if no texts are encoded or the model cannot count tokens."
    )
    probe: Probe | None = Field(default=None, description="How a linear probe was fitted.")
    calibration: Calibration | None = Field(
        default=None, description="Probabilities of a classification and their reliability; null for other families."
    )
    warnings: list[str] = Field(default=[], description="Warnings about the interpretation of the numbers.")
    classes: dict[str, ClassScore] = Field(default={}, description="Scores of each class of a segmentation.")
    pictures: list[str] = Field(
        default=[], description="Picture files beside the record, with truth and prediction side by side."
    )
    files: list[str] = Field(
        default=[], description="Other files beside the record, such as answers for a benchmark's server."
    )
    environment: dict[str, str] = Field(description="Versions, machine and device.")
    run: RunPart = Field(description="The run.")
    outcomes: Outcomes | None = Field(default=None, description="The file of per-sample outcomes.")
    sha256: str = Field(default="", description="SHA-256 of the rest of the file; empty in records of 0.1.")

    @property
    def headline(self) -> MeasuredMetric | None:
        """The metric that tables show by default, None if it was not measured."""
        return self.metrics.get(self.task.headline)

    @property
    def is_average(self) -> bool:
        """Whether it is an average over the records of several tasks, see ``records.averages``."""
        return self.task.family == FAMILY

    @property
    def outcome(self) -> str:
        """The status as screens print it: an average with a missing member has not failed, it is refused."""
        return "refused" if self.is_average and self.status == "failed" else self.status.upper()

    def values(self) -> dict[str, float]:
        """Return the values of the metrics by name."""
        return {name: metric.value for name, metric in self.metrics.items()}
