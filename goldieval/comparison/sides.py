"""What the user calls A or B, as records: a file, a folder, a model spec, a fingerprint's beginning, or a glob."""

from __future__ import annotations

import fnmatch
import glob
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from goldieval.core.errors import GoldievalError, did_you_mean, listing
from goldieval.core.text import shell_argument
from goldieval.records.files import find_records
from goldieval.records.results import Entry, LoadedRecords, read_records
from goldieval.records.schema import Record


@dataclass(frozen=True)
class Side:
    """One side of a comparison.

    Attributes:
        text: as the user wrote it.
        entries: its records, by model in natural order.
        spec: whether ``text`` is a model spec, for which ``run`` can make records.
        out: the ``--out`` of the runs that made its records.
        faults: one line for each file that was left out.
    """

    text: str
    entries: list[Entry]
    spec: bool = False
    out: Path = Path("results")
    faults: list[str] = field(default_factory=list)

    @property
    def models(self) -> list[str]:
        """Fingerprints, each once, in order."""
        return list(dict.fromkeys(entry.record.model.fingerprint for entry in self.entries))

    def of(self, fingerprint: str) -> list[Entry]:
        return [entry for entry in self.entries if entry.record.model.fingerprint == fingerprint]

    @property
    def seeds(self) -> bool:
        """Whether these models differ only in the seed of their training, according to their records."""
        models = [self.of(fingerprint)[0].record.model for fingerprint in self.models]
        same = {(model.recipe, model.images_seen, model.unique_pairs, model.precision) for model in models}
        drawn = {model.seed for model in models}
        return len(models) > 1 and len(same) == 1 and models[0].recipe != "" and len(drawn) == len(models)


class Library:
    """The records of the results folder, read once, and only if a side is not a file or a folder itself."""

    def __init__(self, results: Path) -> None:
        self.results = results
        self._found: LoadedRecords | None = None

    @property
    def found(self) -> LoadedRecords:
        if self._found is None:
            self._found = read_records([self.results]) if self.results.is_dir() else LoadedRecords()
        return self._found

    @property
    def entries(self) -> list[Entry]:
        return self.found.entries

    def side(self, text: str) -> Side:
        """Return the records that ``text`` refers to; none for a spec that has not been run.

        Raises:
            GoldievalError: a fingerprint of no record or of several models, or a file that is not a record.
        """
        if places := _places(text):
            found = read_records(places)
            return Side(text, _ordered(found.entries), out=_out(found.entries, places), faults=found.faults)
        by_spec = [entry for entry in self.entries if _is(entry.record.model.spec, text)]
        if by_spec:
            return self._looked_up(text, by_spec, spec=True)
        if re.fullmatch("[0-9a-f]{4,64}", text):
            return self._by_fingerprint(text)
        if "/" in text and not {":", "@"} & set(text):
            raise GoldievalError(f"{text}: no such record, folder or model with records in {self.results}.")
        return self._looked_up(text, [], spec=True)

    def _looked_up(self, text: str, entries: list[Entry], spec: bool = False) -> Side:
        return Side(text, _ordered(entries), spec, self.results, self.found.faults)

    def _by_fingerprint(self, text: str) -> Side:
        found = [entry for entry in self.entries if entry.record.model.fingerprint.startswith(text)]
        side = self._looked_up(text, found)
        if not found:
            known = {entry.record.model.fingerprint[:8] for entry in self.entries}
            near = did_you_mean(text, known) or f" There are: {listing(sorted(known))}." if known else ""
            raise GoldievalError(f"no record in {self.results} has a fingerprint that begins with {text}.{near}")
        if len(side.models) > 1:
            raise GoldievalError(f"{text} begins the fingerprints of {len(side.models)} models: write more of it.")
        return side


def command(specs: Iterable[str], like: Sequence[Entry], tasks: Iterable[str], out: Path) -> str:
    """Return the command that makes missing records.

    Args:
        specs: of the models.
        like: existing records of these tasks, whose precision, subset and parameters the missing ones need.
        tasks: names of the tasks.
        out: results folder.
    """
    models = " ".join(f"--model {shell_argument(spec)}" for spec in specs)
    more = _settings([entry.record for entry in like])
    return f"goldieval run {models} --tasks {','.join(sorted(set(tasks)))}{more} --out {shell_argument(str(out))}"


def _settings(records: Sequence[Record]) -> str:
    """Return the options that all runs of these records have in common."""
    found = [
        {
            "--limit": str(record.task.limit or ""),
            "--subset": record.task.subset,
            "--precision": "" if record.model.precision == "fp32" else record.model.precision,
            **{f"--set {key}": f"{key}={_plain(value)}" for key, value in record.task.overrides.items()},
        }
        for record in records
    ]
    agreed = dict(found[0]) if found else {}
    for other in found[1:]:
        agreed = {name: value for name, value in agreed.items() if other.get(name) == value}
    return "".join(f" {name.split()[0]} {shell_argument(value)}" for name, value in agreed.items() if value)


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _out(entries: Sequence[Entry], places: Sequence[Path]) -> Path:
    """Return the ``--out`` folder of the runs, in which each model has a folder."""
    if not entries:
        return places[0]
    folder = entries[0].file.parent
    return folder.parent if folder.name.endswith(entries[0].record.model.fingerprint[:8]) else folder


def _places(text: str) -> list[Path]:
    """Return the files and folders that match a name or a glob; a folder without records may be named like a model."""
    names = [text] if Path(text).exists() else sorted(glob.glob(text, recursive=True))
    places = [Path(name) for name in names if Path(name).is_file() or find_records(Path(name))]
    return [place for place in places if place.suffix != ".parquet" or len(names) == 1]


def _is(spec: str, text: str) -> bool:
    return spec == text or (glob.has_magic(text) and fnmatch.fnmatchcase(spec, text))


def _ordered(entries: list[Entry]) -> list[Entry]:
    """Sort by images seen, then by the natural order of specs (epoch_9 before epoch_10)."""

    def place(entry: Entry) -> tuple[float, list[tuple[int, int, str]], str]:
        model = entry.record.model
        parts = re.split(r"([0-9]+)", model.spec)
        digits = [part.lstrip("0") if part.isdecimal() else None for part in parts]  # longer is larger
        natural = [(1, 0, text) if d is None else (0, len(d), d) for text, d in zip(parts, digits, strict=True)]
        return model.images_seen or 0, natural, str(entry.file)

    return sorted(entries, key=place)
