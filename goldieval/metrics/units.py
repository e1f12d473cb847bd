"""Units of scores: how a stored number is scaled and rounded for people."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Unit:
    """A unit.

    Attributes:
        name: what tables and published numbers call it.
        scale: what a stored number is multiplied by before it is shown.
        stored_as: the unit of the stored number.
        more_digits: digits behind the point beyond those that a table shows.
        whole: shown without digits behind the point.
        bounds: lowest and highest possible stored number.
    """

    name: str
    scale: float = 1.0
    stored_as: str = ""
    more_digits: int = 0
    whole: bool = False
    bounds: tuple[float, float] = (-math.inf, math.inf)

    def places(self, digits: int = 1) -> int:
        """Return the number of digits behind the point, where a percentage has ``digits``."""
        return 0 if self.whole else max(0, digits + self.more_digits)

    def text(self, number: float, digits: int = 1, signed: bool = False) -> str:
        """Return a stored number as it is shown.

        Args:
            number: value in the unit in which it is stored.
            digits: digits behind the point of a percentage.
            signed: a positive number has a plus sign.

        >>> PERCENT.text(0.1234), RANK.text(1234.5), UNITS["metres"].text(0.4, signed=True)
        ('12.3', '1,234.5', '+0.400')
        """
        return f"{self.scale * number:{'+' if signed else ''},.{self.places(digits)}f}"


PERCENT = Unit("percent", scale=100.0, stored_as="fraction", bounds=(0.0, 1.0))
RANK = Unit("rank", stored_as="rank", bounds=(1.0, math.inf))
POINTS = Unit("points", stored_as="points")
SCORE = Unit("score", stored_as="score", more_digits=-1)
METRES = Unit("metres", stored_as="metres", more_digits=2)
COUNT = Unit("count", stored_as="count", whole=True)
NATS = Unit("nats", stored_as="nats", more_digits=2, bounds=(0.0, math.inf))
SQUARED_ERROR = Unit("squared error", stored_as="squared error", more_digits=2, bounds=(0.0, 2.0))
RELATIVE_ERROR = Unit("relative error", stored_as="relative error", more_digits=2, bounds=(0.0, math.inf))
LOG10_ERROR = Unit("log10 error", stored_as="log10 error", more_digits=2, bounds=(0.0, math.inf))
LOG_ERROR = Unit("log error x 100", scale=100.0, stored_as="log error", bounds=(0.0, math.inf))
UNITS = {
    unit.name: unit
    for unit in (
        *(PERCENT, RANK, POINTS, SCORE, METRES, COUNT, NATS, SQUARED_ERROR),
        *(RELATIVE_ERROR, LOG10_ERROR, LOG_ERROR),
    )
}
