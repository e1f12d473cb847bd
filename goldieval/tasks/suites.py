"""Suites: fixed lists of tasks, one YAML file each."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from goldieval.core.errors import GoldievalError, listing
from goldieval.core.yaml_files import read_yaml
from goldieval.tasks.averages import Average
from goldieval.tasks.validation import validation_line

MOST_AVERAGES = 100  # of one suite: each may be a row or a line for every model


class HomeSuite(BaseModel):
    """The tasks of a suite for models that were trained for a built-in world.

    Attributes:
        heading: line that is shown above the results of these tasks.
        tasks: ids of the tasks.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    heading: str
    tasks: list[str]


class Suite(BaseModel):
    """A fixed list of tasks under one name, the same on every machine.

    Attributes:
        suite: name of the suite.
        title: a line for lists.
        tasks: ids of the tasks.
        home: by built-in world, the tasks that replace ``tasks`` for models that were trained for that world.
        averages: named averages of metrics of these tasks.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    suite: Annotated[str, Field(pattern=r"^\w[\w.+-]*$")]
    title: str
    tasks: list[str]
    home: dict[str, HomeSuite] = {}
    averages: Annotated[list[Average], Field(max_length=MOST_AVERAGES)] = []

    @model_validator(mode="after")
    def _own_members(self) -> Suite:
        for average in self.averages:
            if others := [task for task in average.tasks if task not in self.tasks]:
                raise ValueError(f"average {average.name}: {listing(others)} is not a task of this suite.")
        return self


def load_suite(file: Path) -> Suite:
    """Read and validate one suite.

    Raises:
        GoldievalError: the suite is invalid; one line names the file and each wrong key.
    """
    try:
        return Suite.model_validate(read_yaml(file))
    except ValidationError as error:
        raise GoldievalError(f"{file}: {validation_line(error)}") from None
