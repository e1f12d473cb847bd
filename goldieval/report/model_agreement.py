"""How often two real models answer the same items right, counted from published outcomes of each item."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from goldieval.tasks.catalogue import packaged


@dataclass(frozen=True)
class Agreement:
    """How two real models answered the same items.

    Attributes:
        task: name of the task.
        metric: name of the metric.
        both: items that both have right.
        only_a: items that only the first has right.
        only_b: items that only the second has right.
        neither: items that neither has right.
    """

    task: str
    metric: str
    both: int
    only_a: int
    only_b: int
    neither: int

    @property
    def n(self) -> int:
        """Number of items."""
        return self.both + self.only_a + self.only_b + self.neither

    @property
    def shares(self) -> tuple[float, float]:
        """Accuracies of the two models."""
        return (self.both + self.only_a) / self.n, (self.both + self.only_b) / self.n

    @property
    def discordant(self) -> float:
        """Share of the items that only one model has right."""
        return (self.only_a + self.only_b) / self.n

    @property
    def ratio(self) -> float:
        """Discordant items, relative to those of two models with these accuracies that err independently."""
        return self.discordant / independent_discordance(*self.shares)


def independent_discordance(first: float, second: float) -> float:
    """Return the share of items that only one of two models has right, if they err independently."""
    return first * (1 - second) + second * (1 - first)


def read_agreement(file: Path | None = None) -> list[Agreement]:
    """Return what is known of how often real models agree, from results/published/agreement.csv."""
    rows = rows_of(file or packaged("results/published") / "agreement.csv")
    counts = ("both", "only_a", "only_b", "neither")
    return [Agreement(row["task"], row["metric"], *(int(row[name]) for name in counts)) for row in rows]


def rows_of(file: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV file of results/published."""
    with file.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))
