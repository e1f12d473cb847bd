"""Meaning of captions and questions, in a form that can be evaluated on a scene."""

from __future__ import annotations

from dataclasses import dataclass

from goldieval.data.shapes.world import Background, Obj

ATTRIBUTES = ("shape", "colour", "size", "fill", "place")


@dataclass(frozen=True)
class ObjectDescription:
    """Attributes mentioned of one object; None if an attribute is not mentioned."""

    shape: str | None = None
    colour: str | None = None
    size: str | None = None
    fill: str | None = None
    place: str | None = None

    def fits(self, obj: Obj) -> bool:
        return all(getattr(self, name) in (None, getattr(obj, name)) for name in ATTRIBUTES)


@dataclass(frozen=True)
class Relation:
    """A spatial relation between two objects of a query.

    Attributes:
        first: Index of the first object.
        name: Key of ``RELATIONS``.
        second: Index of the second object.
    """

    first: int
    name: str
    second: int


@dataclass(frozen=True)
class SceneQuery:
    """Meaning of a sentence: distinct objects, relations among them, and possibly the background."""

    objects: tuple[ObjectDescription, ...] = ()
    relations: tuple[Relation, ...] = ()
    background: Background | None = None


@dataclass(frozen=True)
class SceneQuestion:
    """Meaning of a question. An attribute question asks for that attribute of the one object that fits ``subject``.

    Attributes:
        type: One of ``QUESTION_TYPES``.
        subject: The object asked about.
        relation: Key of ``RELATIONS``, in a relation question.
        other: The second object, in a relation question.
    """

    type: str
    subject: ObjectDescription
    relation: str | None = None
    other: ObjectDescription | None = None


RELATIONS = ("left of", "right of", "above", "below")
QUESTION_TYPES = (*ATTRIBUTES, "count", "relation", "existence")


def holds(relation: str, first: Obj, second: Obj) -> bool:
    """Return whether ``first`` stands in the relation to ``second``, by columns and rows of the grid."""
    return {
        "left of": first.column < second.column,
        "right of": first.column > second.column,
        "above": first.row < second.row,
        "below": first.row > second.row,
    }[relation]


def describe(obj: Obj, names: tuple[str, ...] | list[str]) -> ObjectDescription:
    """Return the description that mentions the named attributes of an object."""
    return ObjectDescription(**{name: getattr(obj, name) for name in names})
