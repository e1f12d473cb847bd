"""Numbers of recipes and of a model's config. A switch is none: ``true`` would count as 1."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field


def _no_switch(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError(f"a number is wanted, not {str(value).lower()}")
    return value


NoSwitch = BeforeValidator(_no_switch)
Number = Annotated[float, NoSwitch]
Positive = Annotated[Number, Field(gt=0)]
Fraction = Annotated[Number, Field(ge=0, le=1)]
Beta = Annotated[Number, Field(ge=0, lt=1)]
WholeNumber = Annotated[int, NoSwitch]
NotNegative = Annotated[WholeNumber, Field(ge=0)]
Count = Annotated[WholeNumber, Field(ge=1)]
