"""Outlines of the eight shapes, and the same outlines moved inwards.

Coordinates are in units of the object's radius, relative to its centre, y downwards, all within [-1, 1].
"""

from __future__ import annotations

import functools
import math

Points = tuple[tuple[float, float], ...]

ARC_STEPS = 40
MOON_CUT_RADIUS, MOON_CUT_X = 0.80, 0.55
LOBE_X, LOBE_Y, LOBE_RADIUS, HEART_TIP = 0.48, -0.40, 0.50, 0.95


def _arc(x: float, y: float, radius: float, start: float, stop: float) -> Points:
    """Return points from angle ``start`` to ``stop`` (radians, clockwise in the image)."""
    angles = (start + (stop - start) * step / ARC_STEPS for step in range(ARC_STEPS + 1))
    return tuple((x + radius * math.cos(a), y + radius * math.sin(a)) for a in angles)


def _star() -> Points:
    corners = ((1.0 if i % 2 == 0 else 0.5, math.pi * (i / 5 - 0.5)) for i in range(10))
    return tuple((r * math.cos(a), r * math.sin(a) + 0.08) for r, a in corners)


def _cross() -> Points:
    w, h = 0.38, 0.95  # half the width and half the length of a bar
    return ((-w, -h), (w, -h), (w, -w), (h, -w), (h, w), (w, w), (w, h), (-w, h), (-w, w), (-h, w), (-h, -w), (-w, -w))


def _heart() -> Points:
    """Return two round lobes that continue along tangents to the tip below."""
    notch = -math.acos(-LOBE_X / LOBE_RADIUS)
    distance = math.hypot(LOBE_X, HEART_TIP - LOBE_Y)
    to_tip = math.atan2(HEART_TIP - LOBE_Y, -LOBE_X)
    tangent = to_tip - math.acos(LOBE_RADIUS / distance)
    right = _arc(LOBE_X, LOBE_Y, LOBE_RADIUS, notch, tangent)
    left = tuple((-x, y) for x, y in reversed(right[1:]))
    return (*right, (0.0, HEART_TIP), *left)


def _moon(inset: float) -> Points:
    """Return a crescent: a circle minus a second circle. Moving the outline inwards changes both radii."""
    outer, cut = 1.0 - inset, MOON_CUT_RADIUS + inset
    x = (outer**2 - cut**2 + MOON_CUT_X**2) / (2 * MOON_CUT_X)
    y = math.sqrt(outer**2 - x**2)
    on_outer, on_cut = math.atan2(y, x), math.atan2(y, x - MOON_CUT_X)
    back = _arc(0.0, 0.0, outer, on_outer, 2 * math.pi - on_outer)
    front = _arc(MOON_CUT_X, 0.0, cut, 2 * math.pi - on_cut, on_cut)
    return tuple((x + 0.2, y) for x, y in back + front[1:-1])


_OUTLINES: dict[str, Points] = {
    "circle": _arc(0.0, 0.0, 0.95, 0.0, 2 * math.pi)[:-1],
    "square": ((-0.82, -0.82), (0.82, -0.82), (0.82, 0.82), (-0.82, 0.82)),
    "triangle": ((0.0, -0.95), (1.0, 0.8), (-1.0, 0.8)),
    "diamond": ((0.0, -1.0), (0.75, 0.0), (0.0, 1.0), (-0.75, 0.0)),
    "star": _star(),
    "cross": _cross(),
    "heart": _heart(),
}


@functools.cache
def contour(shape: str, inset: float = 0.0) -> Points:
    """Return a shape's outline moved inwards by ``inset`` radii (at most 0.3), with sharp corners."""
    if shape == "moon":
        return _moon(inset)
    points = _OUTLINES[shape]
    neighbours = zip(points[-1:] + points[:-1], points, points[1:] + points[:1], strict=True)
    return tuple(_moved(before, here, after, inset) for before, here, after in neighbours)


def _moved(
    before: tuple[float, float], here: tuple[float, float], after: tuple[float, float], inset: float
) -> tuple[float, float]:
    """Move a corner so that both its edges move inwards by ``inset``."""
    (ax, ay), (bx, by) = _inward(before, here), _inward(here, after)
    stretch = inset / (1 + ax * bx + ay * by)
    return here[0] + stretch * (ax + bx), here[1] + stretch * (ay + by)


def _inward(start: tuple[float, float], stop: tuple[float, float]) -> tuple[float, float]:
    """Return an edge's inward unit normal; outlines are clockwise in the image."""
    dx, dy = stop[0] - start[0], stop[1] - start[1]
    length = math.hypot(dx, dy)
    return -dy / length, dx / length
