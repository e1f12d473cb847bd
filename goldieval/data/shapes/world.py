"""Scenes, and the finite lists of scenes that make up the splits.

A scene is determined by its seed on every platform and Python version. The splits are disjoint in their seeds and in
their layouts (the same objects in the same places never occur in two splits, whatever the background).
"""

from __future__ import annotations

import hashlib
import json
import random
from dataclasses import asdict, dataclass
from typing import Literal, get_args

from goldieval.core.errors import TaskError
from goldieval.data.shapes.dice import below, choose, dice, one_to, shuffled

Split = Literal["train", "validation", "test"]
Kind = Literal["scene", "dominant"]

SHAPES = ("circle", "square", "triangle", "diamond", "star", "cross", "heart", "moon")
COLOURS = ("red", "green", "blue", "yellow", "purple", "orange", "white", "black")
SIZES = ("small", "large")
FILLS = ("solid", "striped", "outlined")
PLACES = (
    *("top left", "top centre", "top right"),
    *("centre left", "centre", "centre right"),
    *("bottom left", "bottom centre", "bottom right"),
)
BACKGROUNDS = ("grey", "beige", "pink", "mint", "lavender", "brown")
TEXTURES = ("plain", "gradient", "speckled", "striped")

CLASSES = tuple((colour, shape) for colour in COLOURS for shape in SHAPES)
# One per colour and one per shape, so that each word by itself is frequent in the train split.
HELD_OUT = frozenset((colour, SHAPES[(3 * i + 4) % len(SHAPES)]) for i, colour in enumerate(COLOURS))
SEEN_CLASSES = tuple(pair for pair in CLASSES if pair not in HELD_OUT)

SPLITS: dict[Split, range] = {
    "train": range(80_000),
    "validation": range(100_000, 102_000),
    "test": range(200_000, 202_000),
}
TRAIN_SIZES = (5_000, 20_000, 80_000)  # each is a prefix of the next
DEFAULT_TRAIN_SIZE = 20_000

# In thousandths of the image width. A cell is 333 wide, so an object stays inside its cell at maximum jitter.
RADIUS = {"small": 88, "large": 148}
JITTER = {"small": 60, "large": 16}

OBJECTS_SHARES = (0.10, 0.20, 0.30, 0.20, 0.20)  # probability of 1, 2, … 5 objects
DISTRACTORS_SHARES = (0.10, 0.30, 0.30, 0.30)  # probability of 0, 1, 2, 3 small objects besides the large one


@dataclass(frozen=True)
class Obj:
    """One object of a scene.

    Attributes:
        shape: One of ``SHAPES``.
        colour: One of ``COLOURS``.
        size: One of ``SIZES``.
        fill: One of ``FILLS``.
        cell: Cell of the 3 x 3 grid, counted row by row.
        dx: Horizontal offset in thousandths of the image width.
        dy: Vertical offset in thousandths of the image width.
    """

    shape: str
    colour: str
    size: str
    fill: str
    cell: int
    dx: int
    dy: int

    @property
    def place(self) -> str:
        return PLACES[self.cell]

    @property
    def column(self) -> int:
        return self.cell % 3

    @property
    def row(self) -> int:
        return self.cell // 3


@dataclass(frozen=True)
class Background:
    colour: str
    texture: str


EVERY_BACKGROUND = tuple(Background(colour, texture) for colour in BACKGROUNDS for texture in TEXTURES)


@dataclass(frozen=True)
class Scene:
    """Complete description of one image. ``objects`` are in the order of their cells, at most one per cell."""

    split: Split
    kind: Kind
    index: int
    seed: int
    objects: tuple[Obj, ...]
    background: Background

    @property
    def id(self) -> str:
        return f"{self.split}-{'dominant-' if self.kind == 'dominant' else ''}{self.index:06d}"

    @property
    def label(self) -> int:
        """Return the class (index into ``CLASSES``) of the large object of a "dominant" scene."""
        (large,) = (obj for obj in self.objects if obj.size == "large")
        return CLASSES.index((large.colour, large.shape))

    def to_json(self) -> str:
        """Return canonical JSON: equal scenes have equal text."""
        return json.dumps({"id": self.id, **asdict(self)}, sort_keys=True, separators=(",", ":"))


def split_seeds(split: Split, scenes: int | None = None) -> range:
    """Return the seeds of a split's first ``scenes`` scenes; by default 20,000 for train and all for the others.

    Raises:
        TaskError: The split does not exist, or has fewer scenes.
    """
    if split not in SPLITS:
        raise TaskError(f"shapes: unknown split {split!r}; the splits are {', '.join(SPLITS)}.")
    seeds = SPLITS[split]
    if scenes is None:
        scenes = DEFAULT_TRAIN_SIZE if split == "train" else len(seeds)
    if not 1 <= scenes <= len(seeds):
        raise TaskError(f"shapes: {scenes:,} scenes requested, but the {split} split has 1 to {len(seeds):,}.")
    return seeds[:scenes]


def layout_split(objects: tuple[Obj, ...]) -> Split:
    """Return the only split in which this layout may occur: 6 of 8 are in train, 1 in validation and 1 in test."""
    layout = ";".join(f"{o.cell} {o.size} {o.fill} {o.colour} {o.shape}" for o in objects)
    eighth = hashlib.sha256(layout.encode()).digest()[0] // 32
    return "test" if eighth == 7 else "validation" if eighth == 6 else "train"


def sample_scene(split: Split, index: int, kind: Kind = "scene") -> Scene:
    """Return scene ``index`` (from 0) of a split.

    "scene" has 1 to 5 objects; "dominant" has one large object, whose (colour, shape) is the label and cycles through
    the classes with ``index``, and 0 to 3 small ones.

    Raises:
        TaskError: The split or kind does not exist, or the index is outside the split.
    """
    if kind not in get_args(Kind):
        raise TaskError(f"shapes: unknown kind {kind!r}; the kinds are {', '.join(get_args(Kind))}.")
    seed = split_seeds(split, index + 1)[index]
    rng = dice("scene", kind, seed)
    while True:
        objects = _dominant(rng, split, index) if kind == "dominant" else _several(rng, split)
        if layout_split(objects) == split:
            break
    return Scene(split, kind, index, seed, objects, Background(choose(rng, BACKGROUNDS), choose(rng, TEXTURES)))


def classes_of(split: Split) -> tuple[tuple[str, str], ...]:
    """Return the (colour, shape) pairs that may occur in a split: all 64 in test, 56 elsewhere."""
    return CLASSES if split == "test" else SEEN_CLASSES


def _several(rng: random.Random, split: Split) -> tuple[Obj, ...]:
    cells = shuffled(rng, range(len(PLACES)))[: one_to(rng, OBJECTS_SHARES)]
    classes = classes_of(split)
    return tuple(_object(rng, cell, choose(rng, classes), choose(rng, SIZES)) for cell in sorted(cells))


def _dominant(rng: random.Random, split: Split, index: int) -> tuple[Obj, ...]:
    classes = classes_of(split)
    cells = shuffled(rng, range(len(PLACES)))[: one_to(rng, DISTRACTORS_SHARES)]
    large = _object(rng, cells[0], classes[index % len(classes)], "large")
    small = [_object(rng, cell, choose(rng, classes), "small") for cell in cells[1:]]
    return tuple(sorted([large, *small], key=lambda obj: obj.cell))


def _object(rng: random.Random, cell: int, pair: tuple[str, str], size: str) -> Obj:
    colour, shape = pair
    most = JITTER[size]
    dx, dy = (below(rng, 2 * most + 1) - most for _ in range(2))
    return Obj(shape, colour, size, choose(rng, FILLS), cell, dx, dy)
