"""The specification of a table: a YAML file of rows, columns, groups, marks and notes, typed and validated."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from goldieval.core.errors import GoldievalError, did_you_mean
from goldieval.core.yaml_files import read_yaml
from goldieval.tasks.validation import validation_line

Fact = Literal["seeds", "images_seen", "images_per_second", "processor_seconds"]
SPECS = Path(__file__).parent / "specs"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Column(_Part):
    """A task and a metric, measured under one protocol.

    Attributes:
        task: name of the task.
        metric: name of the metric.
        label: heading of the column; by default the task and the label of the metric.
        protocol: protocol of the published rows, if a task has several.
        allow: published protocols that may join the column, with a footnote and without a mark.
        unread: tasks whose published values could not be read; they are shown as a dash.
        scoring: glob over the scoring modes of records.
    """

    task: str
    metric: str
    label: str = ""
    protocol: str = ""
    allow: list[str] = []
    unread: list[str] = []
    scoring: str = "*"


class Group(_Part):
    """Rows under one heading.

    Attributes:
        title: the heading.
        published: names of published models.
        records: globs over the names, specs or recipes of records' models, or beginnings of fingerprints.
        imported: globs over the names of imported models.
    """

    title: str
    published: list[str] = []
    records: list[str] = []
    imported: list[str] = []


class Study(_Part):
    """A training study, with one file per run in ``results/FOLDER``.

    Attributes:
        folder: name of the folder.
        rows: name of each row in the files, to its name in the table, in order.
        group: group of the runs to show; empty for runs without one.
        scenes: number of drawn scenes of the runs to show; None for all runs.
        seeds: planned number of seeds per row.
        facts: properties of a run that are columns.
        command: makes the runs.
    """

    folder: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]
    rows: Annotated[dict[str, str], Field(min_length=1)]
    group: str = ""
    scenes: int | None = None
    seeds: Annotated[int, Field(ge=1)] = 3
    facts: list[Fact] = ["seeds", "images_seen", "images_per_second"]
    command: str


class Panel(_Part):
    """A part of the table with its own columns.

    Attributes:
        title: heading of the panel.
        study: training study whose runs are the rows; None for groups of models.
        columns: the columns, or ``records`` for the headlines of every task that has records.
        groups: groups of rows; by default those of the table.
    """

    title: str = ""
    study: Study | None = None
    columns: Literal["records"] | Annotated[list[Column], Field(min_length=1)]
    groups: list[Group] = []


class Marks(_Part):
    """How the best and the second value of a column are marked, where the difference is significant.

    Attributes:
        best: mark of the best value.
        second: mark of the second.
        within: rows that are compared.
    """

    best: Literal["bold", "none"] = "bold"
    second: Literal["underline", "none"] = "underline"
    within: Literal["group", "panel"] = "panel"


class Trained(_Part):
    """What a model was trained on, for models whose records do not state it.

    Attributes:
        unique_pairs: number of distinct image-text pairs; None where it is not known.
        images_seen: number of images seen, repeats included; None where it is not known.
    """

    unique_pairs: Annotated[int, Field(ge=1)] | None = None
    images_seen: Annotated[int, Field(ge=1)] | None = None


class Plot(_Part):
    """The column that is plotted against unique pairs and images seen.

    Attributes:
        task: name of the task; empty for the column with the most measured models, else the most published one.
        metric: name of the metric.
        labels: globs over names or specs of models whose labels are shown in any case.
        trained: training data by globs over names, specs or recipes of measured models.
    """

    task: str = ""
    metric: str = ""
    labels: list[str] = []
    trained: dict[str, Trained] = {}

    @model_validator(mode="after")
    def _both(self) -> Plot:
        if bool(self.task) != bool(self.metric):
            raise ValueError("task and metric belong together; without both, the column is chosen by the records.")
        return self


class TableSpec(_Part):
    """A table.

    Attributes:
        table: name of the table.
        title: caption of the table.
        panels: parts of the table.
        groups: groups of rows of every panel that does not define any.
        marks: how the best values are marked.
        digits: digits after the decimal point of a percentage.
        intervals: whether intervals are shown.
        delta: name of the row from which differences are shown; empty for none.
        made_here: whether it shows the tasks of the built-in world, which are never mixed with others.
        seeds: ``mean`` shows one row per recipe, the mean over its seeds.
        plot: the data-efficiency plot; ``{}`` chooses its column by the records, None is no plot.
        notes: lines below the table.
    """

    table: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")]
    title: str
    panels: Annotated[list[Panel], Field(min_length=1)]
    groups: list[Group] = []
    marks: Marks = Marks()
    digits: Annotated[int, Field(ge=0, le=4)] = 1
    intervals: bool = True
    delta: str = ""
    made_here: bool = False
    seeds: Literal["each", "mean"] = "each"
    plot: Plot | None = None
    notes: list[str] = []


def shipped_specs() -> list[str]:
    """Return the names of the tables that are part of the package."""
    return sorted(file.stem for file in SPECS.glob("*.yaml"))


def load_spec(name: str) -> TableSpec:
    """Read the specification of a table, by the name of a table of the package or the path of a YAML file.

    Raises:
        GoldievalError: the table does not exist, or the file is invalid; the message names file and key.
    """
    is_path = name.endswith((".yaml", ".yml")) or "/" in name
    file = Path(name) if is_path else SPECS / f"{name}.yaml"
    if not is_path and name not in shipped_specs():
        names = [*shipped_specs(), "field"]  # which the command line writes without a specification
        raise GoldievalError(
            f"no table {name!r}.{did_you_mean(name, names)} The tables are {', '.join(names)}, or give a YAML file."
        )
    try:
        return TableSpec.model_validate(read_yaml(file))
    except ValidationError as error:
        raise GoldievalError(f"{file}: {validation_line(error)}") from None
