"""The result of every reader: images, texts, and the relations between them."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from goldieval.core.errors import TaskError, listing
from goldieval.core.paths import GIVEN
from goldieval.data.axes import along
from goldieval.data.file_names import escape_undecodable
from goldieval.data.image_source import ImageSource
from goldieval.data.text_files import check_encodable
from goldieval.data.walk import LINK

if TYPE_CHECKING:
    from goldieval.data.boxes import Boxes
    from goldieval.data.depth import DepthSource
    from goldieval.data.masks import MaskSource


@dataclass(frozen=True)
class ImageSample:
    """One image.

    Both names are escaped by ``file_names.escape_undecodable``, whatever bytes they contain.

    Attributes:
        id: Id from the data.
        source: Source of the image.
        path: Path relative to the data's folder, for reports.
    """

    id: str
    source: ImageSource
    path: str = ""

    def __post_init__(self) -> None:
        for name in ("id", "path"):
            object.__setattr__(self, name, escape_undecodable(getattr(self, name)))

    @property
    def shown_name(self) -> str:
        """Its path without ``./``, or its id if it has none."""
        return posixpath.normpath(self.path) if self.path else self.id


@dataclass(frozen=True)
class TextSample:
    """One caption, question or prompt.

    Attributes:
        id: Id from the data.
        text: The text.

    Raises:
        TaskError: The text is not valid Unicode.
    """

    id: str
    text: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "id", escape_undecodable(self.id))
        check_encodable(self.text, f"text {self.id}")


@dataclass
class Dataset:
    """Images with labels, or images with texts; a task family checks for the parts that it requires.

    A query is a box or, without boxes, a row of ``choices`` or, without choices, a text or, without texts, an image.
    The ``axes.Layout`` of each field says what its entries belong to, from which ``data.subset`` selects them.

    Attributes:
        images: The images.
        labels: Class index of each image, shape (images,).
        class_names: Names of the classes.
        shown: Whether an image shows a class, of images that may show several, shape (images, classes).
        texts: Captions, questions or prompts.
        positives: Pairs (text index, image index), shape (pairs, 2); each may occur in several pairs.
        owner: Index of the image that each text was written for, shape (texts,); the cluster of its outcome.
        text_queries: Whether a text is a query and not only in the gallery, shape (texts,); all are by default.
        image_queries: The same of the images, shape (images,).
        absent_positives: Number of the positives of each image that are not among the texts, shape (images,).
        alike: Pairs (image index, image index) of images that retrieve each other, shape (pairs, 2), each once.
        choices: Candidates of each query as pairs (image index, text index), the correct one first, shape (queries,
            candidates, 2): one image with several texts, or one text with several images.
        trues: Number of candidates of each query that are correct, all of which come first and must score highest.
        groups: Name of the group of each query, of which there may be many, shape (queries,).
        answers: Answer to each text, a question about its owner, shape (texts,).
        types: Type of each question, shape (texts,).
        agreement: Number of annotators who gave that answer, shape (texts,).
        references: All true answers to each question, one per annotator, of data that have several.
        options: Answers that each question offers, in the order of their letters.
        hints: What is told beside each question, such as texts in the picture; may be empty.
        sets: Set that each query belongs to, shape (queries,); a set is correct if all its queries are.
        train: Whether an image is for training and not for testing, shape (images,).
        masks: Class of every pixel of each image.
        depths: Depth of every pixel of each image.
        boxes: Boxes in the images, each with a class or with candidates among ``texts``.
        candidates: Images among which those of each text are looked for, as pairs (text index, image index), shape
            (pairs, 2); by default all images.
        prompts: Prompts that come with the data, with ``{c}`` in the place of a class name.
        strata: Groups of queries that can be reported separately: name to mask, shape (queries,).
        notes: Lines on what was left out or looks wrong, for the terminal and the record.
    """

    images: list[ImageSample] = field(metadata=along("image"))
    labels: np.ndarray | None = field(default=None, metadata=along("image"))
    class_names: list[str] | None = None
    texts: list[TextSample] = field(default_factory=list, metadata=along("text"))
    positives: np.ndarray | None = field(default=None, metadata=along(refers_to=("text", "image")))
    owner: np.ndarray | None = field(default=None, metadata=along("text", ("image",)))
    text_queries: np.ndarray | None = field(default=None, metadata=along("text"))
    image_queries: np.ndarray | None = field(default=None, metadata=along("image"))
    absent_positives: np.ndarray | None = field(default=None, metadata=along("image"))
    alike: np.ndarray | None = field(default=None, metadata=along(refers_to=("image", "image")))
    choices: np.ndarray | None = field(default=None, metadata=along("query", ("image", "text")))
    trues: int = 1
    groups: np.ndarray | None = field(default=None, metadata=along("query"))
    answers: np.ndarray | None = field(default=None, metadata=along("text"))
    types: np.ndarray | None = field(default=None, metadata=along("text"))
    agreement: np.ndarray | None = field(default=None, metadata=along("text"))
    references: list[list[str]] | None = field(default=None, metadata=along("text"))
    options: list[list[str]] | None = field(default=None, metadata=along("text"))
    hints: list[str] | None = field(default=None, metadata=along("text"))
    sets: np.ndarray | None = field(default=None, metadata=along("query"))
    train: np.ndarray | None = field(default=None, metadata=along("image"))
    masks: list[MaskSource] | None = field(default=None, metadata=along("image"))
    depths: list[DepthSource] | None = field(default=None, metadata=along("image"))
    boxes: Boxes | None = None
    shown: np.ndarray | None = field(default=None, metadata=along("image"))
    candidates: np.ndarray | None = field(default=None, metadata=along(refers_to=("text", "image")))
    prompts: list[str] = field(default_factory=list)
    strata: dict[str, np.ndarray] = field(default_factory=dict, metadata=along("query"))
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        refuse_duplicates("image", [image.id for image in self.images])
        refuse_duplicates("text", [text.id for text in self.texts])
        empty = [text.id for text in self.texts if not text.text.strip()]
        if empty:
            raise TaskError(f"{len(empty):,} empty texts: {listing(empty)}. Remove them or fill them in.")
        for name in self.class_names or ():
            check_encodable(name, f"class name {escape_undecodable(name)!r}")
        if not self.images:
            allow = (
                f" (${GIVEN} lists folders that links may lead to)" if any(LINK in note for note in self.notes) else ""
            )
            raise TaskError("no images found" + (f": {'; '.join(self.notes)}{allow}" if self.notes else ""))


@dataclass
class AnnotatedImage:
    """One image with its annotation.

    Attributes:
        image: The image.
        label: Class index, if the image has one.
        shown: For each class 1 if the image shows it and 0 if not, of an image that may show several.
        captions: Captions as pairs (id, text).
        group: Name of the group of images that it belongs to; empty for none.
    """

    image: ImageSample
    label: int | None = None
    captions: Sequence[tuple[str, str]] = ()
    group: str = ""
    shown: Sequence[int] | None = None


def dataset_of(
    rows: list[AnnotatedImage],
    class_names: list[str] | None = None,
    notes: Sequence[str] = (),
    gallery: bool = False,
) -> Dataset:
    """Convert annotated images into a dataset; the only positive of a caption is its own image.

    Args:
        rows: The images.
        class_names: Names of the classes.
        notes: Lines on what was left out.
        gallery: Whether images may have no caption, although others have one.

    Raises:
        TaskError: A label is outside the class list, only some images have labels, ids are duplicate, or a text is
            empty.
    """
    images = [row.image for row in rows]
    texts = [TextSample(id, text) for row in rows for id, text in row.captions]
    owner = np.repeat(np.arange(len(rows)), [len(row.captions) for row in rows])
    without = [row.image.id for row in rows if not row.captions]
    if texts and without and not gallery:
        raise TaskError(
            f"{len(without):,} images without a caption: {listing(without)}. `uncaptioned: leave out` in the card's "
            "source leaves them out, `keep` keeps them in the gallery."
        )
    return Dataset(
        images=images,
        labels=_labels(rows, class_names),
        class_names=class_names,
        shown=_shown(rows, class_names),
        texts=texts,
        positives=np.stack([np.arange(len(texts)), owner], axis=1) if texts else None,
        owner=owner if texts else None,
        strata=_strata(rows, owner if texts else np.arange(len(rows))),
        notes=list(notes),
    )


def _strata(rows: list[AnnotatedImage], image_of: np.ndarray) -> dict[str, np.ndarray]:
    """Return the mask of each group, (queries,).

    Args:
        rows: The images.
        image_of: Index of the image of each query, (queries,).
    """
    groups = np.array([row.group for row in rows], dtype=object)
    return {name: (groups == name)[image_of] for name in sorted(set(groups.tolist()) - {""})}


def _labels(rows: list[AnnotatedImage], class_names: list[str] | None) -> np.ndarray | None:
    labels = [row.label for row in rows if row.label is not None]
    if not labels:
        return None
    if len(labels) != len(rows):
        raise TaskError(f"{len(rows) - len(labels):,} of {len(rows):,} images have no label.")
    check_labels(labels, class_names, [row.image.id for row in rows])
    return np.asarray(labels, dtype=np.int64)


def _shown(rows: list[AnnotatedImage], class_names: list[str] | None) -> np.ndarray | None:
    """Return whether each image shows each class, (images, classes); None if that is not known.

    Raises:
        TaskError: An image has not one 0 or 1 for each class.
    """
    if not any(row.shown is not None for row in rows):
        return None
    count = len(class_names or ())
    wrong = [row.image.id for row in rows if row.shown is None or len(row.shown) != count or {*row.shown} - {0, 1}]
    if wrong:
        raise TaskError(f"{len(wrong):,} images have not one 0 or 1 for each of {count:,} classes: {listing(wrong)}.")
    return np.array([row.shown for row in rows], dtype=bool)


def check_labels(labels: Sequence[int], class_names: list[str] | None, ids: Sequence[str]) -> None:
    """Raise TaskError for labels below 0 or beyond the class list, naming the first samples."""
    most = len(class_names) if class_names is not None else None
    wrong = [f"{id} ({label})" for label, id in zip(labels, ids, strict=True) if label < 0 or (most and label >= most)]
    if wrong:
        raise TaskError(f"{len(wrong):,} labels outside 0..{(most or 0) - 1 if most else '∞'}: {listing(wrong)}.")


def refuse_duplicates(kind: str, ids: Sequence[str]) -> None:
    """Raise TaskError if two samples have the same id: outcomes could not be paired between models."""
    if len(set(ids)) == len(ids):
        return
    seen: set[str] = set()
    again = [id for id in ids if id in seen or seen.add(id)]  # type: ignore[func-returns-value]
    raise TaskError(f"{len(again):,} duplicate {kind} ids: {listing(dict.fromkeys(again))}.")
