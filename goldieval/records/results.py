"""The reader of a results folder, and records as one object for notebooks and training loops."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, overload

from goldieval.core.errors import GoldievalError
from goldieval.records.files import find_records, read_record
from goldieval.records.schema import Record

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from goldieval.tasks.catalogue import Catalogue


@dataclass(frozen=True)
class Entry:
    """A record with its file.

    Attributes:
        file: path of the record.
        record: its content.
    """

    file: Path
    record: Record


@dataclass(frozen=True)
class LoadedRecords:
    """The records of some files and folders.

    Attributes:
        entries: the records with their files.
        faults: one line for each file that is not a record or cannot be read.
    """

    entries: list[Entry] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


def read_records(places: Iterable[Path]) -> LoadedRecords:
    """Read every record in files and folders, each file once. An invalid file in a folder does not affect the others.

    Args:
        places: files and folders.

    Raises:
        GoldievalError: a place does not exist, or one of the files in ``places`` is not a record.
    """
    loaded = LoadedRecords()
    read: set[Path] = set()
    for place in places:
        for file in find_records(place):
            if file in read:
                continue
            read.add(file)
            try:
                loaded.entries.append(Entry(file, read_record(file)))
            except GoldievalError as error:
                if file == place:
                    raise
                loaded.faults.append(str(error))
    return loaded


class Results(Sequence[Record]):
    """A sequence of records.

    Attributes:
        faults: one line for each file of the folder that could not be read.
        models_failed: model to reason, of models of a run that could not be evaluated at all.
    """

    def __init__(
        self,
        records: list[Record],
        faults: Sequence[str] = (),
        models_failed: Mapping[str, str] = MappingProxyType({}),
        averages: Callable[[], Sequence[Record]] = tuple,
    ) -> None:
        """Take records together.

        Args:
            records: the records of tasks.
            faults: see the class.
            models_failed: see the class.
            averages: returns the averages of suites over these records; called when they are first needed.
        """
        self._records = records
        self.faults = list(faults)
        self.models_failed = dict(models_failed)
        self._find_averages = averages

    @cached_property
    def averages(self) -> list[Record]:
        """Averages of suites over these records, as records; a refused one has failed, and says what is missing."""
        return list(self._find_averages())

    @overload
    def __getitem__(self, index: int) -> Record: ...
    @overload
    def __getitem__(self, index: slice) -> Results: ...
    def __getitem__(self, index: int | slice) -> Record | Results:
        return Results(self._records[index]) if isinstance(index, slice) else self._records[index]

    def __len__(self) -> int:
        return len(self._records)

    def metrics(self) -> dict[str, dict[str, float]]:
        """Return plain floats by task and metric; with several models, those of the last one."""
        return {record.task.name: record.values() for record in self._records}

    def frame(self) -> pd.DataFrame:
        """Return a table with one row per metric, those of averages last; tasks that failed have none.

        The columns are model, fingerprint, precision, images_seen, unique_pairs, task, protocol, scoring, subset (text,
        empty for the whole task), limit, status, metric, value, low, high, n, chance, blind (score on the texts alone),
        ceiling, separable (minimum detectable difference) and unreliable. ``low`` and ``high`` are missing if there is
        no interval.
        """
        from goldieval.records.frame import frame_of

        return frame_of([*self._records, *self.averages])

    def plot(self, metric: str | None = None) -> Figure:
        """Return a matplotlib figure with one panel per task and setting.

        If checkpoints of one training are among the models, the scores are shown over the number of images seen; else
        by model. Bars are 95 % intervals; the dashed line is the chance level.

        Args:
            metric: name of the metric; by default the headline of each task.

        Raises:
            GoldievalError: no record has the metric.
        """
        from goldieval.records.figure import figure_of

        return figure_of(self._records, metric)

    def __repr__(self) -> str:
        from goldieval.records.summary import text_of

        return text_of(self._records, self.faults, self.models_failed, self.averages)

    def _repr_html_(self) -> str:
        from goldieval.records.summary import html_of

        return html_of(self._records, self.faults, self.models_failed, self.averages)


def read_folder(place: Path) -> LoadedRecords:
    """Read all records in a folder, or one file.

    Raises:
        GoldievalError: the place does not exist, is a file that is not a record, or is a folder in which no record can
            be read.
    """
    loaded = read_records([place])
    if loaded.faults and not loaded.entries:
        more = f" ({len(loaded.faults) - 1:,} more like it)" if len(loaded.faults) > 1 else ""
        raise GoldievalError(loaded.faults[0] + more)
    return loaded


def load_results(place: str | Path = "results", tasks_dir: str | Path | None = None) -> Results:
    """Read all records in a folder, or one file; files that cannot be read are listed in ``faults``.

    Args:
        place: the folder or file.
        tasks_dir: folder with your own task cards and suites, whose averages are computed as well.

    Raises:
        GoldievalError: as ``read_folder``.
    """
    loaded = read_folder(Path(place))

    @cache
    def catalogue() -> Catalogue:  # of 120 cards, which takes a moment
        from goldieval.tasks.catalogue import Catalogue

        return Catalogue(tasks_dir)

    def averages() -> list[Record]:
        from goldieval.records.averages import averages_of

        found = averages_of(loaded.entries, catalogue().averages.values(), catalogue().tasks, likely=True)
        return [entry.record for entry in found]

    faults = [*loaded.faults, *(catalogue().faults if tasks_dir else [])]
    return Results([entry.record for entry in loaded.entries], faults, averages=averages)
