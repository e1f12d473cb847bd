"""The records that the user names as A or B, by file, folder, model spec, beginning of a fingerprint, or glob."""

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
from goldieval.core.text import natural_order, shell_argument
from goldieval.records.files import find_records
from goldieval.records.results import Entry, LoadedRecords, read_records
from goldieval.records.schema import IMPORTED, Record


@dataclass(frozen=True)
class Side:
    """One side of a comparison.

    Attributes:
        text: the argument of the user.
        entries: its records, sorted by model in natural order.
        spec: whether ``text`` is a model spec, for which ``run`` can make records.
        out: value of ``--out`` of the runs that wrote its records.
        faults: one line for each file that was left out.
    """

    text: str
    entries: list[Entry]
    spec: bool = False
    out: Path = Path("results")
    faults: list[str] = field(default_factory=list)

    @property
    def models(self) -> list[str]:
        """Distinct fingerprints, in order."""
        return list(dict.fromkeys(entry.record.model.fingerprint for entry in self.entries))

    def entries_of(self, fingerprint: str) -> list[Entry]:
        """Return the records of one model."""
        return [entry for entry in self.entries if entry.record.model.fingerprint == fingerprint]

    @property
    def seeds(self) -> bool:
        """Whether these models differ only in the seed of their training, according to their records."""
        models = [self.entries_of(fingerprint)[0].record.model for fingerprint in self.models]
        same = {(model.recipe, model.images_seen, model.unique_pairs, model.precision) for model in models}
        distinct_seeds = {model.seed for model in models}
        return len(models) > 1 and len(same) == 1 and models[0].recipe != "" and len(distinct_seeds) == len(models)


class RecordIndex:
    """The records of the results folder; they are read once, and only if a side is not a file or a folder itself."""

    def __init__(self, results: Path) -> None:
        self.results = results
        self._records: LoadedRecords | None = None

    @property
    def records(self) -> LoadedRecords:
        if self._records is None:
            self._records = read_records([self.results]) if self.results.is_dir() else LoadedRecords()
        return self._records

    @property
    def entries(self) -> list[Entry]:
        return self.records.entries

    def side(self, text: str) -> Side:
        """Return the records that a text refers to; a spec that was not run has none.

        Raises:
            GoldievalError: no record or several models have the fingerprint, or a file is not a record.
        """
        if places := _matching_paths(text):
            records = read_records(places)
            out = out_folder(records.entries, places)
            return Side(text, _ordered(records.entries), out=out, faults=records.faults)
        by_spec = [entry for entry in self.entries if _matches(entry.record.model.spec, text)]
        if by_spec:
            return self._side_of(text, by_spec, spec=True)
        if re.fullmatch("[0-9a-f]{4,64}", text):
            return self._by_fingerprint(text)
        if "/" in text and not {":", "@"} & set(text):
            raise GoldievalError(f"{text}: no such record, folder or model with records in {self.results}.")
        return self._side_of(text, [], spec=True)

    def _side_of(self, text: str, entries: list[Entry], spec: bool = False) -> Side:
        return Side(text, _ordered(entries), spec, self.results, self.records.faults)

    def _by_fingerprint(self, text: str) -> Side:
        entries = [entry for entry in self.entries if entry.record.model.fingerprint.startswith(text)]
        side = self._side_of(text, entries)
        if not entries:
            fingerprints = {entry.record.model.fingerprint[:8] for entry in self.entries}
            near = did_you_mean(text, fingerprints)
            if fingerprints and not near:
                near = f" There are: {listing(sorted(fingerprints))}."
            raise GoldievalError(f"no record in {self.results} has a fingerprint that begins with {text}.{near}")
        if len(side.models) > 1:
            raise GoldievalError(
                f"{len(side.models)} models have fingerprints that begin with {text}: give more digits."
            )
        return side


def command(specs: Iterable[str], like: Sequence[Entry], tasks: Iterable[str], out: Path) -> str:
    """Return the command that makes missing records.

    Args:
        specs: specs of the models.
        like: existing records of these tasks; the missing ones need the same precision, subset and parameters.
        tasks: names of the tasks.
        out: results folder.
    """
    if any(spec.startswith(f"{IMPORTED}:") for spec in specs):
        return f"goldieval data outcomes FILE --task {','.join(sorted(tasks))} --model NAME"
    models = " ".join(f"--model {shell_argument(spec)}" for spec in specs)
    more = _settings([entry.record for entry in like if not entry.record.model.is_imported])
    cards = {entry.record.task.name: entry.record.run.card for entry in like}
    names = ",".join(sorted({cards.get(task) or task for task in tasks}))
    return f"goldieval run {models} --tasks {shell_argument(names)}{more} --out {shell_argument(str(out))}"


def _settings(records: Sequence[Record]) -> str:
    """Return the options that are common to the runs of all these records."""
    options = [
        {
            "--limit": str(record.task.limit or ""),
            "--subset": record.task.subset,
            "--precision": "" if record.model.precision == "fp32" else record.model.precision,
            **{f"--set {key}": f"{key}={_plain(value)}" for key, value in record.task.overrides.items()},
        }
        for record in records
    ]
    agreed = dict(options[0]) if options else {}
    for other in options[1:]:
        agreed = {name: value for name, value in agreed.items() if other.get(name) == value}
    return "".join(f" {name.split()[0]} {shell_argument(value)}" for name, value in agreed.items() if value)


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def out_folder(entries: Sequence[Entry], places: Sequence[Path]) -> Path:
    """Return the value of ``--out`` of the runs: the parent of the folder of a model."""
    if not entries:
        return places[0]
    folder = entries[0].file.parent
    return folder.parent if folder.name.endswith(entries[0].record.model.fingerprint[:8]) else folder


def _matching_paths(text: str) -> list[Path]:
    """Return the files and folders that match a name or a glob, except folders without records."""
    names = [text] if Path(text).exists() else sorted(glob.glob(text, recursive=True))
    places = [Path(name) for name in names if Path(name).is_file() or find_records(Path(name))]
    return [place for place in places if place.suffix != ".parquet" or len(names) == 1]


def _matches(spec: str, text: str) -> bool:
    return spec == text or (glob.has_magic(text) and fnmatch.fnmatchcase(spec, text))


def _ordered(entries: list[Entry]) -> list[Entry]:
    """Sort by images seen, then by the natural order of specs (epoch_9 before epoch_10)."""

    def position(entry: Entry) -> tuple[float, list[tuple[str, int, str]], str]:
        model = entry.record.model
        return model.images_seen or 0, natural_order(model.spec), str(entry.file)

    return sorted(entries, key=position)
