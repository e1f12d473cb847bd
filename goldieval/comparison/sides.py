"""What the user calls A or B, as records: a file, a folder, a model spec, a fingerprint's beginning, or a glob."""

from __future__ import annotations

import fnmatch
import glob
import re
import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from goldieval.errors import GoldievalError, did_you_mean, listing
from goldieval.record import Record
from goldieval.record_files import find_records, read_record


@dataclass(frozen=True)
class Entry:
    """A record and the file it came from."""

    file: Path
    record: Record


@dataclass(frozen=True)
class Side:
    """One side of a comparison.

    text: as the user wrote it.   entries: its records, by model in natural order.   spec: text is a model spec, so that
    ``run`` can make records of it.
    """

    text: str
    entries: list[Entry]
    spec: bool = False

    @property
    def models(self) -> list[str]:
        """Fingerprints, each once, in order."""
        return list(dict.fromkeys(entry.record.model.fingerprint for entry in self.entries))

    def of(self, fingerprint: str) -> list[Entry]:
        return [entry for entry in self.entries if entry.record.model.fingerprint == fingerprint]

    @property
    def seeds(self) -> bool:
        """Whether these models differ in nothing but the seed of their training, as their records say."""
        models = [self.of(fingerprint)[0].record.model for fingerprint in self.models]
        same = {(model.recipe, model.images_seen, model.unique_pairs, model.precision) for model in models}
        drawn = {model.seed for model in models}
        return len(models) > 1 and len(same) == 1 and models[0].recipe != "" and len(drawn) == len(models)


class Library:
    """Records below the results folder, read once, and only where a side is no place of its own."""

    def __init__(self, results: Path) -> None:
        self.results = results
        self._entries: list[Entry] | None = None

    @property
    def entries(self) -> list[Entry]:
        if self._entries is None:
            self._entries = _read([self.results]) if self.results.is_dir() else []
        return self._entries

    def side(self, text: str) -> Side:
        """Return the records that ``text`` names; none for a spec that has not been run.

        Raises:
            GoldievalError: a fingerprint of no record or of several models, or an unreadable record.
        """
        if places := _places(text):
            return Side(text, _ordered(_read(places)))
        by_spec = [entry for entry in self.entries if _is(entry.record.model.spec, text)]
        if by_spec:
            return Side(text, _ordered(by_spec), spec=True)
        if re.fullmatch("[0-9a-f]{4,64}", text):
            return self._by_fingerprint(text)
        if "/" in text and not {":", "@"} & set(text):
            raise GoldievalError(f"{text}: no such record, folder or model with records in {self.results}.")
        return Side(text, [], spec=True)

    def _by_fingerprint(self, text: str) -> Side:
        found = [entry for entry in self.entries if entry.record.model.fingerprint.startswith(text)]
        side = Side(text, _ordered(found))
        if not found:
            known = {entry.record.model.fingerprint[:8] for entry in self.entries}
            near = did_you_mean(text, known) or f" There are: {listing(sorted(known))}." if known else ""
            raise GoldievalError(f"no record in {self.results} has a fingerprint that begins with {text}.{near}")
        if len(side.models) > 1:
            raise GoldievalError(f"{text} begins the fingerprints of {len(side.models)} models: write more of it.")
        return side


def command(specs: Iterable[str], tasks: Iterable[str], results: Path, limit: int | None = None) -> str:
    """Return the command that makes the records that are not there."""
    models = " ".join(f"--model {shlex.quote(spec)}" for spec in specs)
    less = f" --limit {limit}" if limit else ""
    return f"goldieval run {models} --tasks {','.join(sorted(set(tasks)))}{less} --out {shlex.quote(str(results))}"


def _places(text: str) -> list[Path]:
    """Return the files and folders of records of this name or glob; a folder without any may share a model's name."""
    names = [text] if Path(text).exists() else sorted(glob.glob(text, recursive=True))
    return [Path(name) for name in names if Path(name).is_file() or find_records(Path(name))]


def _read(places: list[Path]) -> list[Entry]:
    files = dict.fromkeys(file for place in places for file in find_records(place) if file.suffix != ".parquet")
    return [Entry(file, read_record(file)) for file in files]


def _is(spec: str, text: str) -> bool:
    return spec == text or (glob.has_magic(text) and fnmatch.fnmatchcase(spec, text))


def _ordered(entries: list[Entry]) -> list[Entry]:
    """Models by images seen, then by natural order of their specs (epoch_9 before epoch_10)."""

    def place(entry: Entry) -> tuple[float, list[tuple[int, int, str]], str]:
        model = entry.record.model
        parts = re.split(r"([0-9]+)", model.spec)
        natural = [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts]
        return model.images_seen or 0, natural, str(entry.file)

    return sorted(entries, key=place)
