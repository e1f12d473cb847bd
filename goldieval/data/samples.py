"""What every reader returns: images, texts, and which belongs to which."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from goldieval.core.errors import TaskError, listing
from goldieval.core.limits import PICTURE_BYTES
from goldieval.core.reading import read_bytes
from goldieval.data.file_names import escape_undecodable
from goldieval.data.text_files import check_encodable

if TYPE_CHECKING:
    from PIL import Image

    from goldieval.data.masks import MaskSource


class ImageSource(Protocol):
    """Where one picture comes from. Cheap to hold, read only when asked, safe to share among threads."""

    def key(self) -> str:
        """Return an identity of the content (not of the place). Raises OSError if it cannot be read."""

    def open(self) -> Image.Image:
        """Return the decoded RGB picture. Raises OSError if it cannot be read or decoded."""


class EncodedImage:
    """An image file's bytes, wherever they lie. Subclasses say how to read them."""

    def read(self) -> bytes:
        raise NotImplementedError

    def key(self) -> str:
        from goldieval.data.decode import key_of

        return key_of(self.read())

    def dimensions(self) -> tuple[int, int] | None:
        """Return width and height from the file's header, None where it is no picture."""
        from goldieval.data.decode import size_of

        try:
            return size_of(self.read())
        except OSError:  # whoever opens the picture says what is wrong with it
            return None

    def check(self) -> None:
        """Raise OSError for whatever the file's header tells of a picture that cannot be decoded."""
        from goldieval.data.decode import check_image

        check_image(self.read())

    def open(self) -> Image.Image:
        from goldieval.data.decode import decode

        return decode(self.read())


@dataclass(frozen=True)
class FileImage(EncodedImage):
    file: Path

    def read(self) -> bytes:
        try:
            return read_bytes(self.file, PICTURE_BYTES)
        except ValueError as error:  # a zero byte, or half of a surrogate pair
            raise OSError(f"no file can have this name: {error}") from error


@dataclass(frozen=True)
class NoImage:
    """A sample known by its id alone; its embedding was computed elsewhere."""

    def key(self) -> str:
        return ""

    def open(self) -> Image.Image:
        raise OSError("this task has ids but no pictures: run it with --model embeddings:FOLDER")


@dataclass(frozen=True)
class ImageSample:
    """One picture. ``id`` comes from the data; ``path`` is relative to the data's folder, for reports.

    Both are kept as ``names.printable`` writes them, whatever bytes the names have.
    """

    id: str
    source: ImageSource
    path: str = ""

    def __post_init__(self) -> None:
        for name in ("id", "path"):
            object.__setattr__(self, name, escape_undecodable(getattr(self, name)))


@dataclass(frozen=True)
class TextSample:
    """One caption, question or prompt. ``id`` comes from the data.

    Raises:
        TaskError: the text is no Unicode.
    """

    id: str
    text: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "id", escape_undecodable(self.id))
        check_encodable(self.text, f"text {self.id}")


@dataclass
class Dataset:
    """Images with labels, or images with texts; a task family checks for the parts that it needs.

    labels: class index of each image, shape (images,).
    positives: pairs (text index, image index), shape (pairs, 2); several on either side are allowed.
    owner: for each text the image that it was written for, shape (texts,); the cluster of its outcome.
    choices: for each query its candidates as pairs (image index, text index), the true one first, shape
    (queries, candidates, 2): one image with several texts, or one text with several images.
    masks: the class of every pixel of each image.
    answers, types: of each text, a question about its owner, the answer and the type of question, shape (texts,).
    agreement: how many annotators gave that answer, shape (texts,).
    sets: for each query the set of queries that counts as one, right if all are right, shape (queries,).
    notes: what was left out of the data or looks wrong in them, a line each, for the screen and the record.
    train: images to learn from and not to score, shape (images,); all others are the test images.
    strata: groups of queries that can be reported apart, name to mask, shape (queries,). A query is a row of
    ``choices``, or a text where there are none.
    """

    images: list[ImageSample]
    labels: np.ndarray | None = None
    class_names: list[str] | None = None
    texts: list[TextSample] = field(default_factory=list)
    positives: np.ndarray | None = None
    owner: np.ndarray | None = None
    choices: np.ndarray | None = None
    answers: np.ndarray | None = None
    types: np.ndarray | None = None
    agreement: np.ndarray | None = None
    sets: np.ndarray | None = None
    train: np.ndarray | None = None
    masks: list[MaskSource] | None = None
    strata: dict[str, np.ndarray] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        refuse_duplicates("image", [image.id for image in self.images])
        refuse_duplicates("text", [text.id for text in self.texts])
        empty = [text.id for text in self.texts if not text.text.strip()]
        if empty:
            raise TaskError(f"{len(empty):,} empty texts: {listing(empty)}. Remove them or write what they should say.")
        for name in self.class_names or ():
            check_encodable(name, f"class name {escape_undecodable(name)!r}")
        if not self.images:
            raise TaskError("no images found" + (f": {'; '.join(self.notes)}" if self.notes else ""))


@dataclass
class AnnotatedImage:
    """One image with what the data say of it: a label, or captions as (id, text)."""

    image: ImageSample
    label: int | None = None
    captions: Sequence[tuple[str, str]] = ()


def dataset_of(rows: list[AnnotatedImage], class_names: list[str] | None = None, notes: Sequence[str] = ()) -> Dataset:
    """Turn rows of one image each into a dataset; every caption's one positive is its own image.

    Raises:
        TaskError: a label outside the class list, labels on some rows only, duplicate ids, an empty text.
    """
    images = [row.image for row in rows]
    texts = [TextSample(id, text) for row in rows for id, text in row.captions]
    owner = np.repeat(np.arange(len(rows)), [len(row.captions) for row in rows])
    without = [row.image.id for row in rows if not row.captions]
    if texts and without:
        raise TaskError(f"{len(without):,} images without a caption: {listing(without)}.")
    return Dataset(
        images=images,
        labels=_labels(rows, class_names),
        class_names=class_names,
        texts=texts,
        positives=np.stack([np.arange(len(texts)), owner], axis=1) if texts else None,
        owner=owner if texts else None,
        notes=list(notes),
    )


def _labels(rows: list[AnnotatedImage], class_names: list[str] | None) -> np.ndarray | None:
    labels = [row.label for row in rows if row.label is not None]
    if not labels:
        return None
    if len(labels) != len(rows):
        raise TaskError(f"{len(rows) - len(labels):,} of {len(rows):,} images have no label.")
    check_labels(labels, class_names, [row.image.id for row in rows])
    return np.asarray(labels, dtype=np.int64)


def check_labels(labels: Sequence[int], class_names: list[str] | None, ids: Sequence[str]) -> None:
    """Refuse a label below 0 or beyond the class list, naming the first offending samples."""
    most = len(class_names) if class_names is not None else None
    wrong = [f"{id} ({label})" for label, id in zip(labels, ids, strict=True) if label < 0 or (most and label >= most)]
    if wrong:
        raise TaskError(f"{len(wrong):,} labels outside 0..{(most or 0) - 1 if most else '∞'}: {listing(wrong)}.")


def refuse_duplicates(kind: str, ids: Sequence[str]) -> None:
    """Raise if two samples carry the same id: outcomes could no longer be paired between models."""
    if len(set(ids)) == len(ids):
        return
    seen: set[str] = set()
    again = [id for id in ids if id in seen or seen.add(id)]  # type: ignore[func-returns-value]
    raise TaskError(f"{len(again):,} duplicate {kind} ids: {listing(dict.fromkeys(again))}.")
