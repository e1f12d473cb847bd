"""A cue and several images, some of which are associated with it: WinoGAViL's examples."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, field_validator

from goldieval.core.errors import TaskError, listing
from goldieval.data.file_names import file_name, picture_file, relative_name
from goldieval.data.image_source import FileImage
from goldieval.data.roots import inside
from goldieval.data.samples import Dataset, ImageSample, TextSample
from goldieval.data.source import Source
from goldieval.data.table_files import raw_value, read_table, text_in
from goldieval.data.text_files import check_encodable

Size = Annotated[int, Field(ge=2)]


class AssociationSource(Source):
    """Examples of a cue and its candidate images as a card's source, one row per example.

    Attributes:
        file: Table with one row per example. Lists are lists or, in a CSV, JSON texts.
        images: Folder of the images.
        picture: File name pattern in ``images``, with ``{}`` for the name of a candidate.
        example: Column of the example's id.
        cue: Column of the cue.
        among: Column of the names of all images.
        associations: Column of the names of those that belong to the cue.
        sizes: Groups of examples by their number of candidates.
    """

    reader: Literal["association"]
    file: str
    images: str = "."
    picture: str = "{}"
    example: str = "ID"
    cue: str = "cue"
    among: str = "candidates"
    associations: str = "associations"
    sizes: dict[Annotated[str, Field(pattern="^[a-z0-9_]+$")], Annotated[list[Size], Field(min_length=1)]] = {}

    @field_validator("picture")
    @classmethod
    def _has_one_place_for_the_name(cls, picture: str) -> str:
        if picture.count("{}") != 1:
            raise ValueError(f"{picture!r} needs one {{}} in the place of a candidate's name")
        return picture

    def needs(self) -> list[str]:
        return [self.file, self.images]

    def read(self, folder: Path) -> Dataset:
        examples = _Examples()
        for where, entry in read_table(inside(folder, self.file)):
            self._add(examples, folder, where, entry)
        if not examples.texts:
            raise TaskError(f"{inside(folder, self.file)} holds no examples.")
        counts = np.bincount([text for text, _ in examples.candidates])
        left_out = examples.left_out
        return Dataset(
            images=list(examples.images.values()),
            texts=examples.texts,
            owner=np.array(examples.owner),
            positives=np.array(examples.positives),
            candidates=np.array(examples.candidates),
            strata={name: np.isin(counts, sizes) for name, sizes in self.sizes.items()},
            notes=[f"left out: {len(left_out):,} associations without a candidate: {listing(left_out)}"]
            * bool(left_out),
        )

    def _add(self, examples: _Examples, folder: Path, where: str, entry: dict[str, Any]) -> None:
        names, wanted = (_names(where, entry, column) for column in (self.among, self.associations))
        text = len(examples.texts)
        rows = [examples.row_of(self._image(folder, where, name)) for name in names]
        positives = [row for row, name in zip(rows, names, strict=True) if name in wanted]
        if len(names) < 2 or not positives:
            raise TaskError(f"{where}: needs two {self.among} or more, and one of them in {self.associations}.")
        examples.left_out += [f"{where}: {name}" for name in wanted if name not in names]
        examples.texts.append(TextSample(text_in(where, entry, self.example), text_in(where, entry, self.cue, ())))
        examples.owner.append(positives[0])
        examples.candidates += [(text, row) for row in rows]
        examples.positives += [(text, row) for row in dict.fromkeys(positives)]

    def _image(self, folder: Path, where: str, candidate: str) -> ImageSample:
        top = inside(folder, self.images)
        name = self.picture.replace("{}", file_name(where, candidate, self.among))
        path = relative_name(top, name)
        return ImageSample(candidate, FileImage(picture_file(where, top, name, self.among)), path)


@dataclass
class _Examples:
    """Examples read so far.

    Attributes:
        images: Images by name.
        texts: Cues.
        owner: Index of the first image that belongs to each cue.
        candidates: Pairs (text index, image index).
        positives: The same of the images that belong to the text, each once.
        left_out: Associations that are no candidates.
    """

    images: dict[str, ImageSample] = field(default_factory=dict)
    texts: list[TextSample] = field(default_factory=list)
    owner: list[int] = field(default_factory=list)
    candidates: list[tuple[int, int]] = field(default_factory=list)
    positives: list[tuple[int, int]] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    _rows: dict[str, int] = field(default_factory=dict)

    def row_of(self, image: ImageSample) -> int:
        """Return the index of an image, which is added if it is new."""
        self.images.setdefault(image.id, image)
        return self._rows.setdefault(image.id, len(self._rows))


def _names(where: str, entry: dict[str, Any], column: str) -> list[str]:
    """Return the names in a column. Raises TaskError if it holds no list of them."""
    value = raw_value(where, entry, column)
    try:
        names = json.loads(value) if isinstance(value, str) else value
    except (ValueError, RecursionError):
        names = None
    if not isinstance(names, list) or not names or not all(isinstance(name, str) and name.strip() for name in names):
        raise TaskError(f'{where}: {column!r} should hold a list of names, such as ["cat", "dog"].')
    return [check_encodable(name, f"{where}, {column}") for name in names]
