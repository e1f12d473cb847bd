"""Rows of results/published/sizes.csv: how many independent units a metric of a task has."""

from __future__ import annotations

from dataclasses import dataclass

from goldieval.core.errors import GoldievalError

IMAGES = "images"


@dataclass(frozen=True)
class TaskSize:
    """How many independent units a metric of a task has.

    Attributes:
        task: name of the task.
        metric: glob over names of metrics.
        n: number of units.
        of: what they are: images, or items or pairs where distinct images are not known.
        source: where the number is from.
    """

    task: str
    metric: str
    n: int
    of: str
    source: str


def size_of_row(place: str, row: dict[str, str]) -> TaskSize:
    """Return the size of a row.

    Args:
        place: file and line of the row.
        row: its cells by column.

    Raises:
        GoldievalError: a cell is missing or invalid.
    """
    try:
        size = TaskSize(row["task"], row["metric"], int(row["n"]), row["of"], row["source"])
    except (KeyError, ValueError) as error:
        raise GoldievalError(f"{place}: {error}: a size needs task, metric, a whole number n, of and source.") from None
    if size.n < 1 or not size.source:
        raise GoldievalError(f"{place}: a size needs an n of at least 1 and a source.")
    return size
