"""The result record of one model on one task: every field explains itself in ``docs/record.schema.json``."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from goldieval.records.parts import (
    Approximation,
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

SCHEMA = 2


class ModelPart(Part):
    """Who was evaluated."""

    spec: str = Field(description="The spec as it was given, for example open_clip:ViT-B-16@epoch_32.pt.")
    family: str = Field(description="The adapter's family, for example open_clip.")
    fingerprint: str = Field(description="SHA-256 over weights and architecture; never a typed name.")
    parameters: int = Field(description="Number of parameters; 0 where it is not known.")
    resolution: int = Field(description="Side of the input images in pixels; 0 where it is not known.")
    context_length: int = Field(description="Tokens that the text tower reads; 0 where it is not known.")
    precision: str = Field(description="Precision of the towers: fp32, bf16 or fp16. Scores are float32 always.")
    home: str = Field(description="The built-in world that the checkpoint was trained for, if any.")
    notice: str = Field(description="What is shown wherever the model's scores are.")
    checkpoint: str = Field(default="", description="How the checkpoint's file was read, where that is not plain.")
    recipe: str = Field(default="", description="Training recipe, where the checkpoint says it.")
    images_seen: int | None = Field(default=None, description="Images that training saw, repeats included.")
    unique_pairs: int | None = Field(default=None, description="Distinct images with their captions that training saw.")
    seed: int | None = Field(default=None, description="Seed of the training.")


class TaskPart(Part):
    """What was run."""

    name: str = Field(description="Name of the task, as on its card.")
    family: str = Field(description="Task family: retrieval, zeroshot, choice, probe, segmentation or vqa.")
    version: int = Field(description="Version of the card.")
    protocol: str = Field(description="Protocol of the card, with every override and subset named.")
    title: str = Field(description="Title of the task.")
    licence: str = Field(description="Licence of the data, as the card states it.")
    card_sha256: str = Field(description="SHA-256 over everything on the card that can change a number.")
    scoring: str = Field(description="Scoring mode that was used; `auto` is resolved.")
    overrides: dict[str, Any] = Field(default={}, description="Parameters of the card that --set replaced.")
    limit: int | None = Field(
        default=None, description="Number of images of --limit; never comparable with the whole task."
    )
    subset: str = Field(default="", description="Name of --subset; never comparable with the whole task.")
    headline: str = Field(description="Name of the metric that tables show.")
    heading: str = Field(default="", description="Heading under which a run shows the task.")
    prompts_sha256: str = Field(default="", description="SHA-256 of the list of prompts.")
    class_names_sha256: str = Field(default="", description="SHA-256 of the list of class names.")
    settings: dict[str, Any] = Field(
        default={}, description="Parameters that moved published numbers, where a family has any."
    )


class DataPart(Part):
    """What it was run on."""

    source: str = Field(description="Name, folder or reader of the source.")
    origins: list[str] = Field(
        default=[], description="Where the files come from, repository@commit or an address; empty if unknown."
    )
    sha256: str = Field(default="", description="SHA-256 over ids, contents, texts, labels and masks.")
    prepared_sha256: str = Field(default="", description="SHA-256 of what the card's prepare steps made.")
    expected: dict[str, int] = Field(default={}, description="Counts that the card expects.")
    seen: dict[str, int] = Field(default={}, description="Counts of the whole task, before any limit or subset.")
    unreadable: dict[str, str] = Field(default={}, description="Images that could not be read: id to reason.")
    duplicates: Duplicates | None = Field(default=None, description="Captions that several images share.")
    pixels: dict[str, int] = Field(
        default={}, description="Pixels of masks: all, ignored (no label), and classes_present."
    )


class RunPart(Part):
    """How it was run."""

    command: str = Field(description="The command line, or `python`.")
    started: str = Field(description="Time at which the record was made, UTC, ISO 8601.")
    device: str = Field(description="Device of the towers.")
    batch: dict[str, int] = Field(description="Batch sizes of images and texts.")
    seconds: dict[str, Finite] = Field(description="Wall time of each phase, in seconds.")
    encoded: dict[str, int] = Field(description="Contents that this run encoded, by tower.")
    reused: dict[str, int] = Field(description="Contents whose stored embeddings were used, by tower.")


class Record(Part):
    """Everything that a table needs to know about one model on one task."""

    schema_version: int = Field(default=SCHEMA, description="Version of this schema.")
    setting: str = Field(description="SHA-256 of what was asked: model, precision, task, scoring, limit, subset.")
    key: str = Field(description="SHA-256 of the setting and the data: of all that the numbers depend on.")
    status: Literal["ok", "partial", "failed"] = Field(description="partial: some images were left out.")
    reason: str = Field(default="", description="Why it is partial or failed.")
    model: ModelPart = Field(description="Who was evaluated.")
    task: TaskPart = Field(description="What was run.")
    data: DataPart = Field(description="What it was run on.")
    metrics: dict[str, MeasuredMetric] = Field(default={}, description="Metrics by name.")
    ties: Ties = Field(default=Ties(), description="Queries that hang on ties.")
    approximation: dict[str, Approximation] = Field(
        default={}, description="Loss of a shortlist by direction (t2i, i2t, i2c); empty where scores are exact."
    )
    truncation: Truncation | None = Field(
        default=None, description="Texts that the context cuts; null where none are searched or the model cannot tell."
    )
    probe: Probe | None = Field(default=None, description="How a linear probe was fitted.")
    warnings: list[str] = Field(default=[], description="What a reader of the numbers must know.")
    classes: dict[str, ClassScore] = Field(default={}, description="Scores of each class of a segmentation.")
    pictures: list[str] = Field(
        default=[], description="Files with truth and prediction side by side, beside this one."
    )
    environment: dict[str, str] = Field(description="Versions, machine and device.")
    run: RunPart = Field(description="How it was run.")
    outcomes: Outcomes | None = Field(default=None, description="The per-sample outcomes.")
    sha256: str = Field(default="", description="SHA-256 of the rest of the file; empty in records of 0.1.")

    @property
    def headline(self) -> MeasuredMetric | None:
        return self.metrics.get(self.task.headline)

    def values(self) -> dict[str, float]:
        """Return the metrics as plain numbers."""
        return {name: metric.value for name, metric in self.metrics.items()}
