"""Results of other harnesses for tables, marked as imported and without intervals.

``importing`` has a reader for each harness. Its file names.yaml maps their names to ours; numbers whose name is not in
it are left out and reported.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from goldieval.core.errors import GoldievalError, listing
from goldieval.metrics.registry import metric_of
from goldieval.report.importing import SUFFIXES, mieb, numbers_of
from goldieval.report.importing.number import ImportedNumber
from goldieval.report.score import Score

LONGEST_NAME = 500  # characters of the name of a model


@dataclass
class Imported:
    """Imported results.

    Attributes:
        scores: the numbers.
        faults: one line for each file that could not be read, and for the names that were left out of a place.
    """

    scores: list[Score] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


def read_imports(places: Iterable[Path]) -> Imported:
    """Read files, and every .json, .jsonl and .csv below folders.

    Raises:
        GoldievalError: a place does not exist, or a file has none of the formats.
    """
    imported = Imported()
    for place in places:
        if not place.exists():
            raise GoldievalError(f"--import {place}: no such file or folder.")
        unknown: list[str] = []
        for file in _files(place):
            try:
                unknown += _add(file, imported)
            except GoldievalError as error:
                if not place.is_dir():
                    raise
                imported.faults.append(str(error))
        if unknown:
            names = listing(dict.fromkeys(unknown))
            what = "number" if len(unknown) == 1 else "numbers"
            imported.faults.append(f"{place}: {len(unknown):,} {what} left out, with unknown names: {names}")
    return imported


def _files(place: Path) -> list[Path]:
    if not place.is_dir():
        return [place]
    found = [file for suffix in SUFFIXES for file in place.rglob(f"*{suffix}") if file.name != mieb.ABOUT]
    return sorted(found)


def _add(file: Path, imported: Imported) -> list[str]:
    """Add the scores of a file as a whole, or none; return the names that are not known."""
    numbers = list(numbers_of(file))
    if not numbers:
        raise GoldievalError(f"{file} holds no results.")
    if longest := max((number.model for number in numbers if len(number.model) > LONGEST_NAME), default=""):
        raise GoldievalError(f"{file}: the name of a model has {len(longest):,} characters: {longest[:40]!r}…")
    _refuse_contradictions(file, numbers)
    imported.scores += [_score(file, number) for number in numbers if not number.unknown]
    return [number.unknown for number in numbers if number.unknown]


def _refuse_contradictions(file: Path, numbers: Iterable[ImportedNumber]) -> None:
    """Raise GoldievalError if a file has two different numbers of the same thing, of which only one can be shown."""
    found: dict[tuple[str, ...], float] = {}
    for number in numbers:
        thing = (number.model, number.task, number.metric, number.protocol)
        if not number.unknown and found.setdefault(thing, number.value) != number.value:
            what = f"{number.task} {number.metric} of {number.model}"
            raise GoldievalError(f"{file}: {what} is there twice, as {found[thing]:g} and as {number.value:g}.")


def _score(file: Path, number: ImportedNumber) -> Score:
    unit = metric_of(number.metric).unit
    if not unit.bounds[0] - 1e-9 <= number.value <= unit.bounds[1] + 1e-9:
        what = f"{number.task} {number.metric} of {number.model}"
        raise GoldievalError(f"{file}: {what}: {number.value:g} is not a possible {unit.stored_as}.")
    note = f"imported from {file.name}" + (f"; {number.note}" if number.note else "")
    return Score(
        number.model, "imported", number.task, number.metric, number.value, unit.name, protocol=number.protocol,
        note=note, source=str(file), file=file,
    )  # fmt: skip
