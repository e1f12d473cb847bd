"""The records of a run, or of a results folder, as one object for notebooks and training loops."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, overload

from goldieval.record import Record
from goldieval.record_files import find_records, read_record

if TYPE_CHECKING:
    import pandas as pd


class Results(Sequence[Record]):
    """A sequence of records.

    models_failed: of a run of several models, those that could not be evaluated at all, with the reason.
    """

    def __init__(self, records: list[Record], models_failed: Mapping[str, str] = MappingProxyType({})) -> None:
        self._records = records
        self.models_failed = dict(models_failed)

    @overload
    def __getitem__(self, index: int) -> Record: ...
    @overload
    def __getitem__(self, index: slice) -> Results: ...
    def __getitem__(self, index: int | slice) -> Record | Results:
        return Results(self._records[index]) if isinstance(index, slice) else self._records[index]

    def __len__(self) -> int:
        return len(self._records)

    def metrics(self) -> dict[str, dict[str, float]]:
        """Return plain floats by task and metric; of several models, the last."""
        return {record.task.name: record.values() for record in self._records}

    def frame(self) -> pd.DataFrame:
        """Return one row a metric: model, task, protocol, scoring, status, value, low, high, n, chance, unreliable.

        low and high are None where there is no interval.
        """
        import pandas as pd

        return pd.DataFrame(
            [
                {
                    "model": record.model.spec,
                    "task": record.task.name,
                    "protocol": record.task.protocol,
                    "scoring": record.task.scoring,
                    "status": record.status,
                    "metric": name,
                    **metric.model_dump(include={"value", "low", "high", "n", "chance", "separable", "unreliable"}),
                }
                for record in self._records
                for name, metric in record.metrics.items()
            ]
        )


def load_results(place: str | Path = "results") -> Results:
    """Read all records in a folder, or one file.

    Raises:
        GoldievalError: no such place, or a file that is no record.
    """
    return Results([read_record(file) for file in find_records(Path(place))])
