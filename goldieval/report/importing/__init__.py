"""Readers of other harnesses' results, one module per harness, and the choice of the reader of a file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from goldieval.core.errors import GoldievalError
from goldieval.core.limits import RECORD_BYTES
from goldieval.core.reading import parse_json, read_text
from goldieval.data.table_files import read_table
from goldieval.report.importing import clip_benchmark, datacomp, lmms_eval, mieb, open_clip, vl_compo
from goldieval.report.importing.number import Fields, ImportedNumber

SUFFIXES = (".json", ".jsonl", ".csv")
KNOWN = ", ".join(
    ("clip-benchmark's JSON or CSV", "open_clip's CSV", "DataComp's JSON Lines", "MIEB's JSON", "vl_compo's CSV")
)
Reader = Callable[[Path, Fields], Iterator[ImportedNumber]]

JSON_READERS: list[tuple[dict[str, type], Reader]] = [  # keys with the types of their values
    ({"metrics": dict, "dataset": object}, clip_benchmark.from_json),
    ({"task_name": str, "scores": dict}, mieb.from_json),
    ({"results": dict}, lmms_eval.from_json),
]
CSV_READERS: list[tuple[set[str], Reader]] = [  # columns, of one row each
    ({"dataset", "model", "pretrained"}, clip_benchmark.from_row),
    ({"arch", "pretrained", "family"}, vl_compo.from_row),
    ({"name", "pretrained"}, open_clip.from_row),
    ({"model", "version", "avg"}, open_clip.from_languages),
]


def numbers_of(file: Path) -> Iterator[ImportedNumber]:
    """Yield the numbers of a file.

    Raises:
        GoldievalError: the file cannot be read, or has none of the formats.
    """
    try:
        if file.suffix == ".jsonl":
            yield from datacomp.from_lines(file, read_text(file, RECORD_BYTES))
        elif file.suffix == ".json":
            yield from _from_json(file, parse_json(read_text(file, RECORD_BYTES), unique=True))
        else:
            yield from _from_csv(file, _rows(file))
    except (OSError, ValueError) as error:
        raise GoldievalError(f"cannot read {file}: {error}") from error
    except KeyError as error:
        raise GoldievalError(f"{file} is not as its harness writes it: it lacks {error}.") from error
    except (TypeError, AttributeError) as error:
        raise GoldievalError(f"{file} is not as its harness writes it: {error}.") from error


def _from_json(file: Path, content: Any) -> Iterator[ImportedNumber]:
    for keys, reader in JSON_READERS:
        if isinstance(content, dict) and all(isinstance(content.get(key), kind) for key, kind in keys.items()):
            return reader(file, content)
    raise _unknown(file)


def _rows(file: Path) -> list[Fields]:
    """Return the rows of a table. Raises GoldievalError for one that ends before its last column."""
    if file.stat().st_size > RECORD_BYTES:
        raise GoldievalError(f"cannot read {file}: larger than {RECORD_BYTES:,} bytes")
    rows = []
    for where, row in read_table(file):
        if None in row.values():
            missing = next(name for name, value in row.items() if value is None)
            raise GoldievalError(f"{where}: the row ends before the column {missing!r}; the file may be truncated.")
        rows.append(row)
    return rows


def _from_csv(file: Path, rows: list[Fields]) -> Iterator[ImportedNumber]:
    columns = set(rows[0]) if rows else set()
    for needed, reader in CSV_READERS:
        if needed <= columns:
            return (number for row in rows for number in reader(file, row))
    raise _unknown(file)


def _unknown(file: Path) -> GoldievalError:
    return GoldievalError(f"{file} is not a supported result file: use {KNOWN} or lmms-eval's JSON.")
