"""What a caption or a question says, in a form that can be executed on a scene."""

from __future__ import annotations

from dataclasses import dataclass

from goldieval.data.shapes.world import Background, Obj

ATTRIBUTES = ("shape", "colour", "size", "fill", "place")


@dataclass(frozen=True)
class ObjectDescription:
    """What is said of one object; None means that nothing is said."""

    shape: str | None = None
    colour: str | None = None
    size: str | None = None
    fill: str | None = None
    place: str | None = None

    def fits(self, obj: Obj) -> bool:
        return all(getattr(self, name) in (None, getattr(obj, name)) for name in ATTRIBUTES)


@dataclass(frozen=True)
class Relation:
    """Object ``first`` of a query stands ``name`` (a key of ``RELATIONS``) object ``second``; both are indices."""

    first: int
    name: str
    second: int


@dataclass(frozen=True)
class SceneQuery:
    """What a sentence says: distinct objects, relations among them, and perhaps the background."""

    objects: tuple[ObjectDescription, ...] = ()
    relations: tuple[Relation, ...] = ()
    background: Background | None = None


@dataclass(frozen=True)
class SceneQuestion:
    """What a question asks. ``type`` is one of ``QUESTION_TYPES``; a relation question names two objects.

    Attribute questions ask for that attribute of the one object that fits ``subject``.
    """

    type: str
    subject: ObjectDescription
    relation: str | None = None
    other: ObjectDescription | None = None


RELATIONS = ("left of", "right of", "above", "below")
QUESTION_TYPES = (*ATTRIBUTES, "count", "relation", "existence")


def holds(relation: str, first: Obj, second: Obj) -> bool:
    """Say whether ``first`` stands in the relation to ``second``; only columns and rows of the grid count."""
    return {
        "left of": first.column < second.column,
        "right of": first.column > second.column,
        "above": first.row < second.row,
        "below": first.row > second.row,
    }[relation]


def known(obj: Obj, names: tuple[str, ...] | list[str]) -> ObjectDescription:
    """Return the constraint that says the named attributes of an object."""
    return ObjectDescription(**{name: getattr(obj, name) for name in names})
