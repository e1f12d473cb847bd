"""Places for the labels of points in a plot: none upon another, upon a point, or out of the frame.

Libraries that push labels apart, such as adjustText, promise neither and draw no SVG for a page. Here a label without a
free place is left out, and the caller decides by the order what matters.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

SPACE = 2.0
"""Between a label and anything else, in pixels."""

DISTANCES = (7, 11, 16, 22, 29, 37, 46)
DIRECTIONS = tuple(math.radians(angle) for angle in (0, 180, 90, 270, 30, 330, 150, 210, 60, 300, 120, 240))
NEAR = 9.0
"""A label farther than this from its point has a line to it, in pixels."""


@dataclass(frozen=True)
class Box:
    """A rectangle in pixels; y grows in either direction.

    Attributes:
        left: smallest x.
        low: smallest y.
        right: largest x.
        high: largest y.
    """

    left: float
    low: float
    right: float
    high: float

    def meets(self, other: Box, space: float = 0.0) -> bool:
        """Return whether two boxes overlap or come closer than ``space``."""
        apart_x = self.left >= other.right + space or other.left >= self.right + space
        return not (apart_x or self.low >= other.high + space or other.low >= self.high + space)

    def holds(self, other: Box) -> bool:
        """Return whether another box lies inside."""
        inside_x = self.left <= other.left and other.right <= self.right
        return inside_x and self.low <= other.low and other.high <= self.high

    def nearest(self, x: float, y: float) -> tuple[float, float]:
        """Return the point of the box that is nearest to another point."""
        return min(max(x, self.left), self.right), min(max(y, self.low), self.high)

    def crosses(self, start: tuple[float, float], end: tuple[float, float]) -> bool:
        """Return whether a line goes through the box."""
        (x, y), (dx, dy) = start, (end[0] - start[0], end[1] - start[1])
        first, last = 0.0, 1.0
        for origin, step, low, high in ((x, dx, self.left, self.right), (y, dy, self.low, self.high)):
            if abs(step) < 1e-9:
                if not low < origin < high:
                    return False
                continue
            near, far = sorted(((low - origin) / step, (high - origin) / step))
            first, last = max(first, near), min(last, far)
        return first < last


@dataclass(frozen=True)
class Label:
    """A label that wants a place.

    Attributes:
        x: place of its point.
        y: place of its point.
        width: width of the text in pixels.
        height: height of the text in pixels.
    """

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Place:
    """Where a label stands.

    Attributes:
        box: the rectangle of its text.
        line: ends of the line from the point to the text; None where the text is near enough.
    """

    box: Box
    line: tuple[tuple[float, float], tuple[float, float]] | None


def place_labels(labels: Sequence[Label], frame: Box, taken: Sequence[Box]) -> list[Place | None]:
    """Return a place for each label, in their order of importance; None for a label without a free place.

    Args:
        labels: the labels, the most important first.
        frame: inside of which they must stand.
        taken: points, intervals and other things that they must not cover.
    """
    places: list[Place | None] = []
    for label in labels:
        found = [place for place in places if place is not None]
        free = (place for place in _candidates(label) if _is_free(place, found, frame, taken))
        places.append(next(free, None))
    return places


def _candidates(label: Label) -> Iterator[Place]:
    """Yield places around a point, the nearest first."""
    for distance in DISTANCES:
        for angle in DIRECTIONS:
            x = label.x + math.cos(angle) * (distance + label.width / 2)
            y = label.y + math.sin(angle) * (distance + label.height / 2)
            box = Box(x - label.width / 2, y - label.height / 2, x + label.width / 2, y + label.height / 2)
            end = box.nearest(label.x, label.y)
            far = math.dist(end, (label.x, label.y)) > NEAR
            yield Place(box, ((label.x, label.y), end) if far else None)


def _is_free(place: Place, others: Sequence[Place], frame: Box, taken: Sequence[Box]) -> bool:
    if not frame.holds(place.box) or any(place.box.meets(other.box, SPACE) for other in others):
        return False
    if any(place.box.meets(box, SPACE) for box in taken):
        return False
    crossed = place.line is not None and any(other.box.crosses(*place.line) for other in others)
    return not crossed and not any(other.line and place.box.crosses(*other.line) for other in others)
