"""Parquet files as the Hugging Face Hub keeps them: an image column, and a label or a caption column."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from goldieval.core.errors import TaskError
from goldieval.core.limits import GB, PARQUET_RATIO, PARQUET_ROWS
from goldieval.core.reading import check_regular
from goldieval.data.labels import index_of
from goldieval.data.roots import cache_root, inside
from goldieval.data.samples import AnnotatedImage, Dataset, EncodedImage, ImageSample, dataset_of
from goldieval.data.source import Source, read_names
from goldieval.data.table_files import texts_in, value_of
from goldieval.data.text_files import text_of

BATCH = 1_000  # rows


@dataclass(frozen=True, eq=False)
class ParquetImage(EncodedImage):
    """Row ``row`` of a memory-mapped table; bytes are fetched when asked for."""

    table: Any
    column: str
    row: int

    def read(self) -> bytes:
        value = self.table[self.row].column(self.column)[0].as_py()
        data = value.get("bytes") if isinstance(value, dict) else value
        if not isinstance(data, bytes):
            raise OSError(f"row {self.row}: column {self.column!r} holds no image bytes")
        return data


class ParquetSource(Source):
    """``files`` is a glob below the folder; ``id_column`` names the sample (file name and row where there is none).

    classes: file with class names, where the column carries none of its own.
    """

    reader: Literal["parquet"]
    files: str = "*.parquet"
    image: str = "image"
    id_column: str = ""
    label: str = ""
    caption: str = ""
    classes: str = ""

    def needs(self) -> list[str]:
        return [self.classes] if self.classes else []

    def missing(self, folder: Path) -> list[str]:
        return super().missing(folder) or ([] if self._paths(folder) else [self.files])

    def read(self, folder: Path) -> Dataset:
        rows: list[AnnotatedImage] = []
        names = read_names(inside(folder, self.classes)) if self.classes else None
        for path in self._paths(folder):
            table = _open(path)
            lacking = {self.image, self.id_column, self.label, self.caption} - {"", *table.column_names}
            if lacking:
                raise TaskError(f"{path} has no column {', '.join(sorted(lacking))}; it has {table.column_names}.")
            own = getattr(table.features.get(self.label), "names", None)  # then labels are their indices
            names = names or own
            rows += self._rows(table, path, None if own else names)
        return dataset_of(rows, names)

    def _paths(self, folder: Path) -> list[Path]:
        inside(folder, self.files)  # a glob must not leave the folder either
        if self.files.count("**") > 2:
            raise TaskError(f"source.files: {self.files[:60]!r} has more than two '**'.")
        try:
            found = sorted(folder.glob(self.files)) if folder.is_dir() else []
        except (ValueError, NotImplementedError) as error:
            raise TaskError(f"source.files: {self.files!r} is no pattern of files: {error}.") from error
        return [inside(folder, file.relative_to(folder).as_posix()) for file in found]

    def _rows(self, table: Any, path: Path, names: list[str] | None) -> list[AnnotatedImage]:
        pictures = _stored(table, [self.image])
        rows = []
        for number, entry in enumerate(_entries(table, [self.id_column, self.label, self.caption])):
            id = f"{path.name}#{number}"
            if self.id_column:
                id = str(value_of(f"{path}#{number}", entry, self.id_column, ()))
            where = f"{path}#{number}"
            texts = texts_in(where, _decoded(where, entry), self.caption) if self.caption else []
            captions = [(f"{id}#{place}", text) for place, text in enumerate(texts)]
            image = ImageSample(id, ParquetImage(pictures, self.image, number), f"{path.name}#{number}")
            rows.append(AnnotatedImage(image, self._label(where, entry, names), captions))
        return rows

    def _label(self, where: str, entry: dict[str, Any], names: list[str] | None) -> int | None:
        if not self.label:
            return None
        value = value_of(where, _decoded(where, entry), self.label, ())
        if isinstance(value, bool):
            raise TaskError(f"{where}: label {value!r} is neither a class index nor a name in source.classes.")
        return index_of(where, value, names)


def _decoded(where: str, entry: dict[str, Any]) -> dict[str, Any]:
    """Return a row with its binary columns as text. Raises TaskError where they are none."""
    return {
        name: text_of(value, f"{where}, column {name!r}") if isinstance(value, bytes) else value
        for name, value in entry.items()
    }


def check_parquet(file: Path) -> None:
    """Refuse a file that says of itself that it would fill the memory or the disk. Raises ValueError."""
    import pyarrow.parquet as pq

    about = pq.read_metadata(file)
    unpacked = sum(about.row_group(number).total_byte_size for number in range(about.num_row_groups))
    most = GB + PARQUET_RATIO * file.stat().st_size
    if about.num_rows > PARQUET_ROWS or unpacked > most:
        raise ValueError(f"{about.num_rows:,} rows, {unpacked:,} bytes unpacked: more than a file of its size may have")


def _open(path: Path) -> Any:
    from datasets import Dataset as Table
    from datasets.utils import logging

    logging.disable_progress_bar()
    try:
        check_regular(path)
        check_parquet(path)
        return Table.from_parquet(str(path), cache_dir=str(cache_root() / "parquet"))
    except Exception as error:  # the library wraps pyarrow's errors in its own
        raise TaskError(f"cannot read {path} as parquet: {error}".splitlines()[0]) from error


def _entries(table: Any, columns: list[str]) -> Iterator[dict[str, Any]]:
    """Yield each row's values in the columns that are named."""
    named = [column for column in columns if column]
    if not named:
        yield from ({} for _ in range(len(table)))
        return
    for batch in _stored(table, named).iter(BATCH):
        yield from batch.to_pylist()


def _stored(table: Any, columns: list[str]) -> Any:
    """Return columns as they lie in the file. A column may say of itself that it is a picture or a sound in another
    file or on the web, which the library would open.
    """
    return table.select_columns(list(dict.fromkeys(columns))).with_format("arrow")
