"""What one run can be told, checked in one place for the command line and for Python."""

from __future__ import annotations

import operator
import os
from dataclasses import field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, StrictBool, ValidationError
from pydantic.dataclasses import dataclass

from goldieval.core.errors import GoldievalError
from goldieval.models.inputs import Batching
from goldieval.tasks.card import validation_line


def _whole(value: Any) -> int:
    try:
        if not isinstance(value, bool):
            return operator.index(value)  # whole numbers of NumPy and torch as well
    except TypeError:
        pass
    raise ValueError(f"a whole number, not {value!r}")


def _place(value: Any) -> Any:
    return Path(value).expanduser() if isinstance(value, str | os.PathLike) else value


Place = Annotated[Path, BeforeValidator(_place)]
Count = Annotated[int, Field(ge=0), BeforeValidator(_whole)]


@dataclass(frozen=True)
class Options:
    """What ``goldieval run`` and ``evaluate`` can be told; ``evaluate`` says what each means."""

    out: Place | None = Path("results")
    data_dir: Place | None = None
    tasks_dir: Place | None = None
    device: str = "auto"
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    batching: Batching = field(default_factory=Batching)
    overrides: dict[str, Any] = field(default_factory=dict)
    limit: Annotated[int, Field(ge=1), BeforeValidator(_whole)] | None = None
    allow_bad: Count = 0
    cache: StrictBool = True
    offline: StrictBool = False
    dry_run: StrictBool = False
    scoring: str | None = None
    subset: str = ""
    save_images: Count = 0


def checked(settings: dict[str, Any]) -> Options:
    """Return options of the caller's values.

    Raises:
        GoldievalError: a value of a wrong type or out of its range, by name.
    """
    try:
        return Options(**settings)
    except ValidationError as error:
        raise GoldievalError(f"evaluate: {validation_line(error)}") from None
