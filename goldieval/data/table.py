"""Tables with one row an image: CSV, TSV, JSON Lines or a JSON list, naming picture and label or captions."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np

from goldieval.data.paths import inside
from goldieval.data.samples import (
    Dataset,
    FileImage,
    ImageSample,
    ImageSource,
    NoImage,
    Row,
    TextSample,
    dataset_of,
)
from goldieval.data.source import Source, read_lines
from goldieval.errors import TaskError, listing


class TableSource(Source):
    """Columns are named by the card: ``image`` (path), and ``label`` (name or index) or ``caption`` (text or list).

    image_id: column with the sample id; the image column by default.
    pictures: false when the rows are ids without picture files (precomputed embeddings).
    images: folder that the paths in ``image`` start from.   classes: file with class names in label order.
    A row with a single caption may name an image that another row named: its captions are joined.
    """

    reader: Literal["table"]
    file: str
    image: str = "image"
    image_id: str = ""
    label: str = ""
    caption: str = ""
    caption_id: str = ""
    classes: str = ""
    images: str = "."
    pictures: bool = True

    def needs(self) -> list[str]:
        return [self.file, self.images, *([self.classes] if self.classes else [])]

    def read(self, folder: Path) -> Dataset:
        names = read_lines(inside(folder, self.classes)) if self.classes else None
        rows: dict[str, Row] = {}
        for where, entry in read_table(inside(folder, self.file)):
            row = self._row(folder, where, entry, names)
            known = rows.setdefault(row.image.id, row)
            if known is not row:
                if not row.captions:
                    raise TaskError(f"{where}: image id {row.image.id!r} appears twice. Give every image one row.")
                rows[row.image.id] = Row(known.image, known.label, [*known.captions, *row.captions])
        return dataset_of(list(rows.values()), names)

    def _row(self, folder: Path, where: str, entry: dict[str, Any], names: list[str] | None) -> Row:
        name = str(cell(where, entry, self.image))
        id = str(cell(where, entry, self.image_id)) if self.image_id else name
        source: ImageSource = FileImage(inside(inside(folder, self.images), name)) if self.pictures else NoImage()
        label = _label(where, cell(where, entry, self.label), names) if self.label else None
        return Row(ImageSample(id, source, name if self.pictures else ""), label, self._captions(where, entry, id))

    def _captions(self, where: str, entry: dict[str, Any], image_id: str) -> list[tuple[str, str]]:
        if not self.caption:
            return []
        value = cell(where, entry, self.caption)
        texts = ["" if text is None else str(text) for text in (value if isinstance(value, list) else [value])]
        if not all(text.strip() for text in texts):
            raise TaskError(f"{where}: empty caption. Remove it or write what it should say.")
        if not self.caption_id:
            return _named(image_id, texts, in_order=isinstance(value, list))
        ids = cell(where, entry, self.caption_id)
        ids = ids if isinstance(ids, list) else [ids]
        if len(ids) != len(texts):
            raise TaskError(f"{where}: {len(ids)} entries in {self.caption_id!r} but {len(texts)} captions.")
        return [(str(id), text) for id, text in zip(ids, texts, strict=True)]


class RelevanceSource(Source):
    """Ids without pictures, for precomputed embeddings: one row a text, naming its text and all images it is true of.

    file: JSON Lines or CSV with one row a text.   image_ids: column with the id, or the list of ids, of its images.
    gallery: file with every image id, one a line.
    """

    reader: Literal["relevance"]
    file: str
    gallery: str
    text_id: str = "id"
    text: str = "text"
    image_ids: str = "image_ids"

    def needs(self) -> list[str]:
        return [self.file, self.gallery]

    def read(self, folder: Path) -> Dataset:
        images = [ImageSample(id, NoImage()) for id in read_lines(inside(folder, self.gallery))]
        row_of = {image.id: row for row, image in enumerate(images)}
        texts: list[TextSample] = []
        pairs: list[tuple[int, int]] = []
        owner: list[int] = []
        for where, entry in read_table(inside(folder, self.file)):
            named = cell(where, entry, self.image_ids)
            ids = [str(id) for id in (named if isinstance(named, list) else [named])]
            unknown = [id for id in ids if id not in row_of]
            if unknown or not ids:
                raise TaskError(f"{where}: image ids that {self.gallery} lacks: {listing(unknown) or '(none named)'}.")
            pairs += [(len(texts), row_of[id]) for id in dict.fromkeys(ids)]
            owner.append(row_of[ids[0]])
            texts.append(TextSample(str(cell(where, entry, self.text_id)), str(cell(where, entry, self.text))))
        return Dataset(images, texts=texts, positives=np.asarray(pairs).reshape(-1, 2), owner=np.asarray(owner))


def _named(image_id: str, texts: list[str], in_order: bool) -> list[tuple[str, str]]:
    """Give captions ids: their place in the row's list, or where each has a row of its own, a hash of the text.

    The order of rows is no property of the data, so it must not enter an id.
    """
    if in_order:
        return [(f"{image_id}#{number}", text) for number, text in enumerate(texts)]
    return [(f"{image_id}#{hashlib.sha256(text.encode()).hexdigest()[:8]}", text) for text in texts]


def read_table(file: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (place for error messages, row) from a .csv, .tsv, .jsonl or .json file.

    Raises:
        TaskError: an unknown ending, broken JSON (with its line), or a row that is no mapping.
    """
    readers = {".csv": _csv, ".tsv": _csv, ".jsonl": _json_lines, ".json": _json_list}
    if file.suffix.lower() not in readers:
        raise TaskError(f"{file}: unknown table format; write .csv, .tsv, .jsonl or .json.")
    try:
        for number, row in readers[file.suffix.lower()](file):
            if not isinstance(row, dict):
                raise TaskError(f"{file}:{number}: a row must map column names to values.")
            yield f"{file}:{number}", row
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise TaskError(f"cannot read {file}: {error}") from error


def _csv(file: Path) -> Iterator[tuple[int, Any]]:
    with file.open(encoding="utf-8-sig", newline="") as stream:
        reader = csv.DictReader(stream, delimiter="\t" if file.suffix.lower() == ".tsv" else ",")
        for row in reader:
            if None in row:
                raise TaskError(f"{file}:{reader.line_num}: more values than columns; quote texts that hold commas.")
            yield reader.line_num, row


def _json_lines(file: Path) -> Iterator[tuple[int, Any]]:
    with file.open(encoding="utf-8") as stream:
        for number, line in enumerate(stream, start=1):
            if line.strip():
                yield number, _parse(line, f"{file}:{number}")


def _json_list(file: Path) -> Iterator[tuple[int, Any]]:
    rows = _parse(file.read_text(encoding="utf-8"), str(file))
    if not isinstance(rows, list):
        raise TaskError(f"{file}: expected a JSON list with one entry an image.")
    yield from enumerate(rows, start=1)


def _parse(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise TaskError(f"{where}: broken JSON: {error}") from error


def cell(where: str, entry: dict[str, Any], column: str) -> Any:
    """Return a row's value in a column. Raises TaskError where it has none."""
    value = entry.get(column)
    if value is None:
        raise TaskError(f"{where}: no column {column!r}; it has {', '.join(map(str, entry))}.")
    return value


def _label(where: str, value: Any, names: list[str] | None) -> int:
    text = str(value).strip()
    if names and text in names:
        return names.index(text)
    try:
        return int(text)
    except ValueError:
        raise TaskError(f"{where}: label {text!r} is neither a class name nor an index.") from None
