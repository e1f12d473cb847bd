"""Columns of a Parquet file, as a memory-mapped Arrow file whose rows can be read in any order.

A Parquet file is compressed in groups of many rows, and reading a single image would decompress a whole group. The
required columns are therefore written once, uncompressed, to the user's cache.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from goldieval.core.errors import TaskError, listing
from goldieval.core.files import exclusive_lock, set_default_permissions
from goldieval.core.ledger import cache_root
from goldieval.core.limits import GB, PARQUET_RATIO, PARQUET_ROWS
from goldieval.core.reading import check_regular
from goldieval.core.temporary import sweep, temporary_file

BATCH = 100  # rows decompressed at a time


def check_parquet(file: Path) -> None:
    """Raise ValueError for a file whose metadata declare a size that would exhaust memory or disk."""
    import pyarrow.parquet as pq

    about = pq.read_metadata(file)
    unpacked = sum(about.row_group(number).total_byte_size for number in range(about.num_row_groups))
    most = GB + PARQUET_RATIO * file.stat().st_size
    if about.num_rows > PARQUET_ROWS or unpacked > most:
        raise ValueError(f"{about.num_rows:,} rows, {unpacked:,} bytes unpacked: too much for a file of its size")


def open_columns(path: Path, columns: Sequence[str]) -> tuple[Any, dict[str, Any]]:
    """Return columns of a Parquet file and the Hub's features of all its columns.

    Args:
        path: The Parquet file.
        columns: Names of columns, or paths into them; each must occur exactly once.

    Returns:
        A memory-mapped ``pyarrow.Table``, and the features by column name (empty if the file has none).

    Raises:
        TaskError: The file cannot be read, is too large, or lacks a column.
    """
    schema = _schema(path)
    columns = [column_of(name, schema.names) for name in columns]
    _refuse_lacking(path, schema, columns)
    try:
        return _mapped(_unpacked(path, columns)), _features(schema.metadata or {})
    except Exception as error:
        raise _unreadable(path, error) from error


def open_rows(path: Path, column: str, rows: Sequence[int]) -> Any:
    """Return some rows of a column of a Parquet file as a memory-mapped ``pyarrow.Table``.

    Args:
        path: The Parquet file.
        column: Name of the column.
        rows: Numbers of the rows, in ascending order.

    Raises:
        TaskError: As for ``open_columns``.
    """
    _refuse_lacking(path, _schema(path), [column])
    try:
        return _mapped(_unpacked(path, [column], rows))
    except Exception as error:
        raise _unreadable(path, error) from error


def holds_text(path: Path, column: str) -> bool:
    """Return whether a column of a Parquet file holds texts. Raises TaskError if it cannot be read or lacks it."""
    import pyarrow as pa

    schema = _schema(path)
    _refuse_lacking(path, schema, [column])
    return bool(pa.types.is_string(schema.field(column).type) or pa.types.is_large_string(schema.field(column).type))


def _schema(path: Path) -> Any:
    """Return the schema of a Parquet file whose size and features are sound. Raises TaskError."""
    import pyarrow.parquet as pq

    try:
        check_regular(path)
        check_parquet(path)
        schema = pq.read_schema(path)
        _features(schema.metadata or {})
    except Exception as error:  # pyarrow's own errors and, for damaged files, many of Python's
        raise _unreadable(path, error) from error
    return schema


def _refuse_lacking(path: Path, schema: Any, columns: Sequence[str]) -> None:
    """Raise TaskError unless each column occurs exactly once."""
    if lacking := [name for name in dict.fromkeys(columns) if schema.names.count(name) != 1]:
        raise TaskError(f"{path} has no column {', '.join(sorted(lacking))}; it has {schema.names}.")


def column_of(path: str, names: Sequence[str]) -> str:
    """Return the column that a path into nested values begins with.

    >>> column_of("a.raw", ["a"]), column_of("a.raw", ["a", "a.raw"]), column_of("b.raw", ["a"])
    ('a', 'a.raw', 'b.raw')
    """
    first = path.partition(".")[0]
    return first if path not in names and first in names else path


def class_names(path: Path, features: dict[str, Any], column: str) -> list[str] | None:
    """Return the class names of a column of the Hub's type ClassLabel, whose labels are indices, else None.

    Raises:
        TaskError: The names are not a list of distinct texts.
    """
    feature = features.get(column)
    if not isinstance(feature, dict) or feature.get("_type") != "ClassLabel":
        return None
    names = feature.get("names")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise TaskError(f"{path}, column {column!r}: the names of its ClassLabel are not a list of texts.")
    if twice := {name for name in names if names.count(name) > 1}:
        raise TaskError(f"{path}, column {column!r}: its ClassLabel has {listing(sorted(twice))} twice.")
    return names


def _features(metadata: dict[bytes, bytes]) -> dict[str, Any]:
    """Return the features that the datasets library writes into a file's schema, as JSON under "huggingface"."""
    about = json.loads(metadata.get(b"huggingface", b"{}"))
    for key in ("info", "features"):
        about = about.get(key) if isinstance(about, dict) else None
    return about if isinstance(about, dict) else {}


def _unpacked(path: Path, columns: Sequence[str], rows: Sequence[int] | None = None) -> Path:
    """Return the Arrow file with these columns, written on first use and after each change of the Parquet file.

    Args:
        path: The Parquet file.
        columns: Names of columns.
        rows: Numbers of rows in ascending order; None for all.
    """
    about = path.stat()
    parts = [str(path.absolute()), about.st_size, about.st_mtime_ns, sorted(set(columns))]
    identity = json.dumps(parts if rows is None else [*parts, list(rows)])
    file = cache_root() / "parquet" / f"{hashlib.sha256(identity.encode()).hexdigest()[:32]}.arrow"
    if not file.exists():
        with exclusive_lock(file):
            if not file.exists():
                file.parent.mkdir(parents=True, exist_ok=True)
                sweep(file.parent)
                _unpack(path, sorted(set(columns)), rows, file)
    return file


def _unpack(path: Path, columns: list[str], rows: Sequence[int] | None, target: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    wanted = None if rows is None else np.asarray(rows, dtype=np.int64)
    before = 0
    with pq.ParquetFile(path) as packed, temporary_file(target) as (_, temporary):
        schema = pa.schema([packed.schema_arrow.field(name) for name in columns])
        with pa.OSFile(str(temporary), "wb") as sink, pa.ipc.new_stream(sink, schema) as stream:
            for batch in packed.iter_batches(BATCH, columns=columns):
                stream.write_batch(_taken(batch.select(columns), wanted, before))
                before += batch.num_rows
        set_default_permissions(temporary)
        temporary.replace(target)


def _taken(batch: Any, wanted: np.ndarray | None, before: int) -> Any:
    """Return those rows of a batch that are wanted; ``before`` is the number of rows in front of it."""
    if wanted is None:
        return batch
    first, end = np.searchsorted(wanted, [before, before + batch.num_rows])
    return batch.take(wanted[first:end] - before)


def _mapped(file: Path) -> Any:
    import pyarrow as pa

    with pa.memory_map(str(file)) as source:
        return pa.ipc.open_stream(source).read_all()


def _unreadable(path: Path, error: Exception) -> TaskError:
    return TaskError(f"cannot read {path} as parquet: {error}".splitlines()[0])
