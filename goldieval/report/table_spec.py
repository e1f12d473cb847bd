"""What a table is: a YAML file of rows, columns, groups, marks and notes, typed and checked."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from goldieval.core.errors import GoldievalError, did_you_mean
from goldieval.core.yaml_files import read_yaml
from goldieval.tasks.validation import validation_line

SPECS = Path(__file__).parent / "specs"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Column(_Part):
    """A task and a metric. Whatever stands in it was measured under one protocol.

    protocol: of published rows, where a task has several.   allow: published protocols that may stand beside it, with a
    footnote and without a mark.   unread: task ids whose values could not be read; they stand here as a dash.
    scoring: a glob over scoring modes of records.
    """

    task: str
    metric: str
    label: str = ""
    protocol: str = ""
    allow: list[str] = []
    unread: list[str] = []
    scoring: str = "*"


class Group(_Part):
    """Rows under one heading: published models by name, records and imported results by glob over name or spec."""

    title: str
    published: list[str] = []
    records: list[str] = []
    imported: list[str] = []


class Study(_Part):
    """Trainings, one file a run in ``results/FOLDER``. rows: what files call a row, to how the table does, in order.

    scenes: only runs on so many drawn scenes.   seeds: planned a row.   facts: of a run that are columns.
    command: what makes the runs.
    """

    folder: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]
    rows: Annotated[dict[str, str], Field(min_length=1)]
    scenes: int | None = None
    seeds: Annotated[int, Field(ge=1)] = 3
    facts: list[Literal["seeds", "images_seen", "images_per_second"]] = ["seeds", "images_seen", "images_per_second"]
    command: str


class Panel(_Part):
    """A part of the table with its own columns. ``columns: records`` is the headline of every task that has records.

    study: its rows are the runs of a training study, not groups.
    """

    title: str = ""
    study: Study | None = None
    columns: Literal["records"] | Annotated[list[Column], Field(min_length=1)]
    groups: list[Group] = []


class Marks(_Part):
    """How the best and the second are marked, and among whom; only where the difference can be separated."""

    best: Literal["bold", "none"] = "bold"
    second: Literal["underline", "none"] = "underline"
    within: Literal["group", "panel"] = "panel"


class Plot(_Part):
    """The column whose score is drawn against unique pairs and images seen."""

    task: str
    metric: str


class TableSpec(_Part):
    """A table. groups: of every panel that names none.   delta: a row to show differences from.

    made_here: it shows the built-in world's tasks, which never stand beside others.   seeds: ``mean`` folds rows of one
    recipe into one.
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
    """Return the names of the tables that come along."""
    return sorted(file.stem for file in SPECS.glob("*.yaml"))


def load_spec(name: str) -> TableSpec:
    """Read a table by its shipped name or by the path of a YAML file.

    Raises:
        GoldievalError: no such table, or a fault in the file; one line naming file and key.
    """
    is_path = name.endswith((".yaml", ".yml")) or "/" in name
    file = Path(name) if is_path else SPECS / f"{name}.yaml"
    if not is_path and name not in shipped_specs():
        known = shipped_specs()
        raise GoldievalError(
            f"no table {name!r}.{did_you_mean(name, known)} There are {', '.join(known)}, or a YAML file."
        )
    try:
        return TableSpec.model_validate(read_yaml(file))
    except ValidationError as error:
        raise GoldievalError(f"{file}: {validation_line(error)}") from None
