"""Suites: fixed lists of tasks, one YAML file each."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from goldieval.core.errors import GoldievalError
from goldieval.core.yaml_files import read_yaml
from goldieval.tasks.validation import validation_line


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
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    suite: str
    title: str
    tasks: list[str]
    home: dict[str, HomeSuite] = {}


def load_suite(file: Path) -> Suite:
    """Read and validate one suite.

    Raises:
        GoldievalError: the suite is invalid; one line names the file and each wrong key.
    """
    try:
        return Suite.model_validate(read_yaml(file))
    except ValidationError as error:
        raise GoldievalError(f"{file}: {validation_line(error)}") from None
