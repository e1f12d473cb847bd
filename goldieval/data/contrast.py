"""True captions and false ones: the items of SugarCrepe and VALSE, one file per type of falsehood."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import AfterValidator, Field

from goldieval.core.errors import TaskError
from goldieval.data.parquet_images import ParquetImage
from goldieval.data.picture_rows import PictureColumns, is_parquet, missing_files, rows_with_pictures
from goldieval.data.roots import inside
from goldieval.data.samples import Dataset, ImageSample, TextSample
from goldieval.data.source import Source
from goldieval.data.table_files import raw_value, read_json_file, text_in

Item = tuple[str, str, dict[str, Any]]  # location for error messages, key, and values


def _one_or_more(keys: str | list[str]) -> str | list[str]:
    if not keys:
        raise ValueError("names no caption")
    return keys


Keys = Annotated[str | list[str], AfterValidator(_one_or_more)]


class ContrastSource(Source):
    """Items of an image with true and false captions as a card's source. A query is a true caption and all false ones.

    Attributes:
        annotations: Folder of the files.
        files: JSON files, tables or glob patterns of Parquet files in that folder; each is a group of queries, named
            by its stem. A JSON file maps keys to items, or is a list of them.
        images: Folder of the images; if empty, their names are relative to the data's folder.
        image: Key of the image's file name, or of the image in a Parquet file.
        true: Key of the true caption, or keys of several.
        false: Key of the false caption, or keys of several.
        at_least: Items to use: minimum of a number, by key.
        prefix: Leading part of the image names to remove.
    """

    reader: Literal["contrast"]
    annotations: str = "."
    files: Annotated[list[str], Field(min_length=1)]
    images: str = ""
    image: str = "filename"
    true: Keys = "caption"
    false: Keys = "negative_caption"
    at_least: dict[str, float] = {}
    prefix: str = ""

    def needs(self) -> list[str]:
        return [*(file for file in self._paths if not is_parquet(file)), self.images or "."]

    def missing(self, folder: Path) -> list[str]:
        lacking = (name for file in self._paths for name in missing_files(folder, file, "source.files"))
        return super().missing(folder) or list(lacking)

    def read(self, folder: Path) -> Dataset:
        queries = _Queries()
        skipped = 0
        for path in self._paths:
            for where, key, item in self._items(folder, path):
                if self._is_used(where, item):
                    self._add(queries, folder, where, (_group(path), key), item)
                else:
                    skipped += 1
        if not queries.groups:
            raise TaskError(f"{folder}: no items in {', '.join(self.files)}.")
        groups = np.array(queries.groups)
        minimum = ", ".join(f"{key} below {least:g}" for key, least in self.at_least.items())
        return Dataset(
            images=list(queries.images.values()),
            texts=queries.texts,
            owner=np.array(queries.owner),
            choices=np.array(queries.choices),
            strata={group: groups == group for group in map(_group, self._paths)},
            notes=[f"left out: {skipped:,} items with {minimum}"] if skipped else [],
        )

    @property
    def _paths(self) -> list[str]:
        return [PurePosixPath(self.annotations, name).as_posix() for name in self.files]

    @property
    def _true(self) -> list[str]:
        return [self.true] if isinstance(self.true, str) else self.true

    @property
    def _captions(self) -> list[str]:
        return [*self._true, *([self.false] if isinstance(self.false, str) else self.false)]

    def _items(self, folder: Path, path: str) -> Iterator[Item]:
        file = inside(folder, path)
        if file.suffix.lower() != ".json":
            rows = rows_with_pictures(folder, path, [self.image], [*self._captions, *self.at_least])
            yield from ((where, str(number), item) for number, (where, item) in enumerate(rows))
            return
        items = read_json_file(file)
        if not isinstance(items, dict | list):
            raise TaskError(f"{file} should map item numbers to items, or be a list of items.")
        for key, item in items.items() if isinstance(items, dict) else enumerate(items):
            where = f"{file}: item {key}"
            if not isinstance(item, dict):
                raise TaskError(f"{where} should map {', '.join([self.image, *self._captions])}.")
            yield where, str(key), item

    def _is_used(self, where: str, item: dict[str, Any]) -> bool:
        values = [(key, raw_value(where, item, key), least) for key, least in self.at_least.items()]
        for key, value, _ in values:
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise TaskError(f"{where}: {key!r} should be a number, but is {str(value)[:40]!r}.")
        return all(value >= least for _, value, least in values)

    def _add(self, queries: _Queries, folder: Path, where: str, place: tuple[str, str], item: dict[str, Any]) -> None:
        """Add an item: a query for each of its true captions."""
        stem, key = place
        ((source, path),) = PictureColumns([self.image], self.images, self.prefix).of(folder, where, item)
        id = path if isinstance(source, ParquetImage) else str(item[self.image]).removeprefix(self.prefix)
        row = queries.row_of(ImageSample(id, source, path))
        first = len(queries.texts)
        captions = [text_in(where, item, side) for side in self._captions]
        queries.texts += [TextSample(f"{stem}-{key}-{number}", text) for number, text in enumerate(captions)]
        queries.owner += [row] * len(captions)
        false = range(first + len(self._true), first + len(captions))
        for true in range(first, first + len(self._true)):
            queries.choices.append([(row, text) for text in (true, *false)])
            queries.groups.append(stem)


def _group(path: str) -> str:
    """Return the name of a file's group of queries.

    >>> _group("sugarcrepe/swap_obj.json"), _group("data/test-*.parquet")
    ('swap_obj', 'test')
    """
    return PurePosixPath(path).stem.rstrip("-*")


@dataclass
class _Queries:
    """Queries read so far.

    Attributes:
        images: Images by id.
        texts: Captions.
        owner: Index of each text's image.
        choices: Candidates of each query as (image index, text index), the true one first.
        groups: Group of each query.
    """

    images: dict[str, ImageSample] = field(default_factory=dict)
    texts: list[TextSample] = field(default_factory=list)
    owner: list[int] = field(default_factory=list)
    choices: list[list[tuple[int, int]]] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)
    _rows: dict[str, int] = field(default_factory=dict)

    def row_of(self, image: ImageSample) -> int:
        """Return the index of an image, which is added if it is new."""
        self.images.setdefault(image.id, image)
        return self._rows.setdefault(image.id, len(self._rows))
