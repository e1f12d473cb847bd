"""The parameters by which a classification runs on corrupted pictures."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field, model_validator

from goldieval.data.corruptions.names import Kind

Severity = Annotated[int, Field(ge=1, le=5)]


class CorruptionParams(BaseModel):
    """Parameters of corrupted pictures; without ``corruptions`` the pictures are as they are.

    Attributes:
        corruptions: kinds of corruptions. Every picture is scored once for each kind and severity.
        severities: their strengths, from 1 to 5.
        corruption_seed: seed of their random numbers.
        corruption_side: short side in pixels to which a picture is resized before; strengths are tuned for 224.
    """

    corruptions: list[Kind] = []
    severities: Annotated[list[Severity], Field(min_length=1)] = [1, 2, 3, 4, 5]
    corruption_seed: Annotated[int, Field(ge=0)] = 0
    corruption_side: Annotated[int, Field(ge=16, le=1024)] = 224

    @model_validator(mode="after")
    def _corruptions_are_distinct(self) -> CorruptionParams:
        for name in ("corruptions", "severities"):
            given = getattr(self, name)
            if repeated := [each for place, each in enumerate(given) if each in given[:place]]:
                raise ValueError(f"{name}: {repeated[0]} is named twice")
        return self
