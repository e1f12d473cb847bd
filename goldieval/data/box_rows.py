"""Boxes as readers find them, one after the other, and the data set that they make."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from goldieval.core.errors import TaskError
from goldieval.data.boxes import Boxes, strata_by_size
from goldieval.data.item_values import finite_number
from goldieval.data.samples import Dataset, ImageSample, TextSample, refuse_duplicates

Format = Literal["xywh", "xyxy"]
Size = tuple[int, int]  # width and height; 0 where the data do not state them


@dataclass(frozen=True)
class BoxRow:
    """One box.

    Attributes:
        image: Its picture.
        size: Width and height of the picture as the row states them.
        id: Its id.
        corners: Left, top, right and bottom in pixels.
        label: Its class, if boxes have classes.
        candidates: Its candidate texts, the true one first, if boxes have their own.
        groups: Groups of boxes that it belongs to.
    """

    image: ImageSample
    size: Size
    id: str
    corners: tuple[float, float, float, float]
    label: int | None = None
    candidates: Sequence[str] = ()
    groups: Sequence[str] = ()


@dataclass
class BoxRows:
    """Boxes read so far; every picture and every text is listed once.

    Attributes:
        rows: The boxes.
        images: Pictures by id, in the order of their first box.
        sizes: Size of each picture by id.
        texts: Index of each candidate text.
    """

    rows: list[BoxRow] = field(default_factory=list)
    images: dict[str, ImageSample] = field(default_factory=dict)
    sizes: dict[str, Size] = field(default_factory=dict)
    texts: dict[str, int] = field(default_factory=dict)

    def add(self, where: str, row: BoxRow) -> None:
        """Add a box.

        Args:
            where: Location for the error message.
            row: The box.

        Raises:
            TaskError: An earlier row states another size of the picture.
        """
        self.images.setdefault(row.image.id, row.image)
        known = self.sizes.setdefault(row.image.id, row.size)
        if known != row.size:
            raise TaskError(f"{where}: {row.image.id} is {_by(row.size)} pixels here, but {_by(known)} in another row.")
        for text in row.candidates:
            self.texts.setdefault(text, len(self.texts))
        self.rows.append(row)

    def dataset(
        self,
        class_names: list[str] | None = None,
        groups: Sequence[str] = (),
        notes: Sequence[str] = (),
        by_size: bool = True,
        where: object = "the data",
    ) -> Dataset:
        """Return the data set, whose strata are the sizes of the boxes and their groups.

        Args:
            class_names: Names of the classes, if boxes have classes.
            groups: Names of groups that exist even without a box.
            notes: Lines on what was left out.
            by_size: Whether the sizes of the boxes are groups as well, see ``boxes.strata_by_size``.
            where: The file that was read, for the error message.

        Raises:
            TaskError: There is no box, ids occur twice, or boxes are not in pixels.
        """
        if not self.rows:
            raise TaskError(f"no boxes found in {where}.")
        place = {id: number for number, id in enumerate(self.images)}
        corners = np.array([row.corners for row in self.rows])
        if corners.max() <= 1:
            raise TaskError("every coordinate of every box is 1 or less: boxes must be in pixels, not in fractions.")
        ids = [row.id for row in self.rows]
        refuse_duplicates("box", ids)
        boxes = Boxes(
            ids=ids,
            image=np.array([place[row.image.id] for row in self.rows]),
            corners=corners,
            sizes=np.array(list(self.sizes.values())),
            labels=np.array([row.label for row in self.rows]) if class_names is not None else None,
            candidates=self._candidates() if class_names is None else None,
        )
        names = list(dict.fromkeys([*groups, *(group for row in self.rows for group in row.groups)]))
        own = {name: np.array([name in row.groups for row in self.rows]) for name in names}
        return Dataset(
            images=list(self.images.values()),
            class_names=class_names,
            texts=[TextSample(text, text) for text in self.texts],
            boxes=boxes,
            strata={**(strata_by_size(corners) if by_size else {}), **own},
            notes=list(notes),
        )

    def _candidates(self) -> np.ndarray:
        found = np.full((len(self.rows), max(len(row.candidates) for row in self.rows)), -1, dtype=np.int64)
        for number, row in enumerate(self.rows):
            found[number, : len(row.candidates)] = [self.texts[text] for text in row.candidates]
        return found


def corners_of(where: str, values: Sequence[Any], form: Format) -> tuple[float, float, float, float]:
    """Return left, top, right and bottom of a box.

    Args:
        where: Location for the error message.
        values: Four numbers.
        form: ``xywh``, the left upper corner with width and height, or ``xyxy``, two corners.

    Raises:
        TaskError: They are not four finite numbers, or the width or height is negative.

    >>> corners_of("row 1", [10, 20, 5, 6], "xywh")
    (10.0, 20.0, 15.0, 26.0)
    """
    numbers = [number for value in values if (number := finite_number(value)) is not None]
    if len(values) != 4 or len(numbers) != 4:
        raise TaskError(f"{where}: a box should be four finite numbers, but is {str(list(values))[:60]}.")
    left, top, third, fourth = numbers
    right, bottom = (left + third, top + fourth) if form == "xywh" else (third, fourth)
    if right < left or bottom < top:
        raise TaskError(f"{where}: the box {str(list(values))[:60]} ({form}) has a negative width or height.")
    return left, top, right, bottom


def _by(size: Size) -> str:
    return f"{size[0]:,} x {size[1]:,}"
