"""True captions and false ones: the items of SugarCrepe, VALSE, ARO and What'sUp, one file per type of falsehood."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import AfterValidator, Field, model_validator

from goldieval.core.errors import TaskError
from goldieval.data.cropped import CroppedImage
from goldieval.data.image_source import EncodedImage
from goldieval.data.item_values import box_in, has_at_least, index_of, stratum_name, value_text
from goldieval.data.parquet_images import ParquetImage
from goldieval.data.picture_rows import PictureColumns, is_parquet, missing_files, rows_with_pictures
from goldieval.data.roots import inside
from goldieval.data.samples import Dataset, ImageSample, TextSample
from goldieval.data.source import Source
from goldieval.data.table_files import read_json_file, text_in
from goldieval.data.table_formats import row_as_mapping

Item = tuple[str, str, dict[str, Any]]  # location for error messages, key, and values


def _one_or_more(keys: str | list[str]) -> str | list[str]:
    if not keys:
        raise ValueError("names no caption")
    return keys


Keys = Annotated[str | list[str], AfterValidator(_one_or_more)]


class ContrastSource(Source):
    """Items of an image with true and false captions as a card's source. A query is a true caption and all false ones.

    An item is a mapping, or a list whose values have the keys ``0``, ``1`` and so on.

    Attributes:
        annotations: Folder of the files.
        files: JSON files, tables or glob patterns of Parquet files in that folder; each is a group of queries, named
            by its stem. A JSON file maps keys to items, or is a list of them.
        images: Folder of the images; if empty, their names are relative to the data's folder.
        image: Key of the image's file name, or of the image in a Parquet file.
        picture: File name pattern in ``images``, with ``{}`` for the value, or ``{:012}`` for one with leading zeros.
        base_name: Whether only the last part of a path is the file's name.
        box: Keys of left, top, width and height of the part of the image that is meant, in pixels; all of it if empty.
        true: Key of the true caption, or keys of several.
        false: Key of the false caption, or keys of several.
        options: Instead of ``true`` and ``false``, keys of captions of which one is true.
        answer: Key of the number of that caption, from 0.
        all_true: Whether an item is one query, which is right if every true caption scores above every false one;
            else every true caption is a query of its own.
        at_least: Items to use: minimum of a number, by key.
        prefix: Leading part of the image names to remove.
        stratum: Key whose values name the strata, in place of the files.
        group: Key whose values name groups, of which there may be many; the parts of a list are joined by ``_``.
    """

    reader: Literal["contrast"]
    annotations: str = "."
    files: Annotated[list[str], Field(min_length=1)]
    images: str = ""
    image: str = "filename"
    picture: str = "{}"
    base_name: bool = False
    box: Annotated[list[str], Field(max_length=4)] = []
    true: Keys = "caption"
    false: Keys = "negative_caption"
    options: list[str] = []
    answer: str = ""
    all_true: bool = False
    at_least: dict[str, float] = {}
    prefix: str = ""
    stratum: str = ""
    group: str = ""

    @model_validator(mode="after")
    def _fit(self) -> ContrastSource:
        if bool(self.options) != bool(self.answer) or len(self.options) == 1:
            raise ValueError("options and answer belong together: the keys of two or more captions, and of the number")
        if self.box and len(self.box) != 4:
            raise ValueError("box takes four keys: left, top, width and height")
        if self.all_true and (isinstance(self.true, str) or self.options):
            raise ValueError("all_true: give the keys of several true captions as `true`")
        return self

    @property
    def candidates_per_query(self) -> tuple[int, int]:
        if self.options:
            return len(self.options), 1
        trues, count = len(self._true), len(self._captions)
        return (count, trues) if self.all_true else (count - trues + 1, 1)

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
                if has_at_least(where, item, self.at_least):
                    self._add(queries, folder, where, (_group(path), key), item)
                else:
                    skipped += 1
        if not queries.strata:
            raise TaskError(f"{folder}: no items in {', '.join(self.files)}.")
        strata = np.array(queries.strata)
        minimum = ", ".join(f"{key} below {least:g}" for key, least in self.at_least.items())
        return Dataset(
            images=list(queries.images.values()),
            texts=queries.texts,
            owner=np.array(queries.owner),
            choices=np.array(queries.choices),
            trues=len(self._true) if self.all_true else 1,
            groups=np.array(queries.groups, dtype=object) if self.group else None,
            strata={name: strata == name for name in self._strata(queries)},
            notes=[f"left out: {skipped:,} items with {minimum}"] if skipped else [],
        )

    @property
    def _paths(self) -> list[str]:
        return [PurePosixPath(self.annotations, name).as_posix() for name in self.files]

    def _strata(self, queries: _Queries) -> list[str]:
        return sorted(set(queries.strata)) if self.stratum else list(map(_group, self._paths))

    @property
    def _true(self) -> list[str]:
        return [self.true] if isinstance(self.true, str) else self.true

    @property
    def _captions(self) -> list[str]:
        if self.options:
            return self.options
        return [*self._true, *([self.false] if isinstance(self.false, str) else self.false)]

    def _items(self, folder: Path, path: str) -> Iterator[Item]:
        file = inside(folder, path)
        if file.suffix.lower() != ".json":
            others = [*self.box, *filter(None, [self.answer, self.stratum, self.group])]
            rows = rows_with_pictures(folder, path, [self.image], [*self._captions, *self.at_least, *others])
            yield from ((where, str(number), item) for number, (where, item) in enumerate(rows))
            return
        items = read_json_file(file, unique=True)
        if not isinstance(items, dict | list):
            raise TaskError(f"{file} should map item numbers to items, or be a list of items.")
        for key, item in items.items() if isinstance(items, dict) else enumerate(items):
            where, item = f"{file}: item {key}", row_as_mapping(item)
            if not isinstance(item, dict):
                raise TaskError(f"{where} should map {', '.join([self.image, *self._captions])}.")
            yield where, str(key), item

    def _add(self, queries: _Queries, folder: Path, where: str, place: tuple[str, str], item: dict[str, Any]) -> None:
        """Add an item: a query for each of its true captions."""
        stem, key = place
        row = queries.row_of(self._image(folder, where, item))
        first = len(queries.texts)
        captions = [text_in(where, item, side) for side in self._captions]
        queries.texts += [TextSample(f"{stem}-{key}-{number}", text) for number, text in enumerate(captions)]
        queries.owner += [row] * len(captions)
        for candidates in self._candidates(where, item):
            queries.choices.append([(row, first + number) for number in candidates])
            queries.strata.append(stratum_name(where, item, self.stratum) if self.stratum else stem)
            queries.groups += [value_text(where, item, self.group)] if self.group else []

    def _image(self, folder: Path, where: str, item: dict[str, Any]) -> ImageSample:
        columns = PictureColumns([self.image], self.images, self.prefix, self.picture, self.base_name)
        ((source, path),) = columns.of(folder, where, item)
        given = path if isinstance(source, ParquetImage) else str(item[self.image]).removeprefix(self.prefix)
        if not self.box:
            return ImageSample(given, source, path)
        assert isinstance(source, EncodedImage)  # a file, or the bytes in a table
        box = box_in(where, item, self.box)
        return ImageSample(f"{given} {','.join(f'{edge:g}' for edge in box)}", CroppedImage(source, box), path)

    def _candidates(self, where: str, item: dict[str, Any]) -> list[list[int]]:
        """Return the captions of each query of an item by their numbers, the true ones first."""
        numbers = list(range(len(self._captions)))
        if self.options:
            true = index_of(where, item, self.answer, len(numbers))
            return [[true, *(number for number in numbers if number != true)]]
        trues, false = numbers[: len(self._true)], numbers[len(self._true) :]
        return [[*trues, *false]] if self.all_true else [[true, *false] for true in trues]


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
        choices: Candidates of each query as (image index, text index), the true ones first.
        strata: Stratum of each query.
        groups: Group of each query, if the source names them.
    """

    images: dict[str, ImageSample] = field(default_factory=dict)
    texts: list[TextSample] = field(default_factory=list)
    owner: list[int] = field(default_factory=list)
    choices: list[list[tuple[int, int]]] = field(default_factory=list)
    strata: list[str] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)
    _rows: dict[str, int] = field(default_factory=dict)

    def row_of(self, image: ImageSample) -> int:
        """Return the index of an image, which is added if it is new."""
        self.images.setdefault(image.id, image)
        return self._rows.setdefault(image.id, len(self._rows))
