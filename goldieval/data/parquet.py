"""Parquet files as on the Hugging Face Hub: an image column, and a label or a caption column."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from goldieval.core.errors import TaskError
from goldieval.data.image_source import EncodedImage
from goldieval.data.labels import index_of
from goldieval.data.parquet_columns import class_names, open_columns
from goldieval.data.roots import inside
from goldieval.data.samples import AnnotatedImage, Dataset, ImageSample, dataset_of
from goldieval.data.source import Source, read_names
from goldieval.data.table_files import texts_in, value_of
from goldieval.data.text_files import text_of


@dataclass(frozen=True, eq=False)
class ParquetImage(EncodedImage):
    """Row ``row`` of a memory-mapped table; its bytes are read on demand.

    A column may declare itself an image in another file or on the web; only bytes in the column itself are read.
    """

    table: Any
    column: str
    row: int

    def read(self) -> bytes:
        value = self.table.column(self.column)[self.row].as_py()
        data = value.get("bytes") if isinstance(value, dict) else value
        if not isinstance(data, bytes):
            raise OSError(f"row {self.row}: column {self.column!r} holds no image bytes")
        return data


@dataclass(frozen=True)
class LabelColumn:
    """Meaning of the labels in one file.

    Attributes:
        names: Class names, if there are any.
        numbered: Whether the file declares that a number is an index into ``names``, even if a name is a number too.
    """

    names: list[str] | None
    numbered: bool


class ParquetSource(Source):
    """Parquet files as a card's source.

    Attributes:
        files: Glob pattern below the folder.
        image: Column of the image.
        id_column: Column of the sample id; by default the id is file name and row.
        label: Column of the label.
        caption: Column of the caption, or list of captions.
        classes: File with class names, if the label column has none of its own.
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
            wanted = [self.image, self.id_column, self.label, self.caption]
            table, features = open_columns(path, [name for name in wanted if name])
            own = class_names(path, features, self.label)
            names = names or own
            rows += self._rows(table, path, LabelColumn(own, True) if own else LabelColumn(names, False))
        return dataset_of(rows, names)

    def _paths(self, folder: Path) -> list[Path]:
        inside(folder, self.files)  # the glob pattern must stay inside the folder as well
        if self.files.count("**") > 2:
            raise TaskError(f"source.files: {self.files[:60]!r} has more than two '**'.")
        try:
            found = sorted(folder.glob(self.files)) if folder.is_dir() else []
        except (ValueError, NotImplementedError) as error:
            raise TaskError(f"source.files: {self.files!r} is not a valid glob pattern: {error}.") from error
        return [inside(folder, file.relative_to(folder).as_posix()) for file in found]

    def _rows(self, table: Any, path: Path, labels: LabelColumn) -> list[AnnotatedImage]:
        rows = []
        for number, entry in enumerate(_entries(table, [self.id_column, self.label, self.caption])):
            id = f"{path.name}#{number}"
            if self.id_column:
                id = str(value_of(f"{path}#{number}", entry, self.id_column, ()))
            where = f"{path}#{number}"
            texts = texts_in(where, _decoded(where, entry), self.caption) if self.caption else []
            captions = [(f"{id}#{place}", text) for place, text in enumerate(texts)]
            image = ImageSample(id, ParquetImage(table, self.image, number), f"{path.name}#{number}")
            rows.append(AnnotatedImage(image, self._label(where, entry, labels), captions))
        return rows

    def _label(self, where: str, entry: dict[str, Any], labels: LabelColumn) -> int | None:
        if not self.label:
            return None
        value = value_of(where, _decoded(where, entry), self.label, ())
        if isinstance(value, bool):
            raise TaskError(f"{where}: label {value!r} is neither a class index nor a name in source.classes.")
        return index_of(where, value, labels.names if isinstance(value, str) or not labels.numbered else None)


def _decoded(where: str, entry: dict[str, Any]) -> dict[str, Any]:
    """Return a row with its binary columns decoded as text. Raises TaskError if they are not text."""
    return {
        name: text_of(value, f"{where}, column {name!r}") if isinstance(value, bytes) else value
        for name, value in entry.items()
    }


def _entries(table: Any, columns: list[str]) -> Iterator[dict[str, Any]]:
    """Yield each row's values in the named columns."""
    named = [column for column in columns if column]
    if not named:
        yield from ({} for _ in range(table.num_rows))
        return
    for batch in table.select(list(dict.fromkeys(named))).to_batches():
        yield from batch.to_pylist()
