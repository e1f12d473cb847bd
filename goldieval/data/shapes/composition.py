"""One true caption of a scene among three false ones made of its parts: choosing takes binding and order.

The four are symmetric: whichever of them were true, the others would be the same, so that no text is odd by itself.
attribute: two objects of the scene, with none, one, the other or both of two attributes exchanged. All four are the
same words in another order (but for "a" and "an"), so a bag of words is at chance.
relation: two objects in one row or column: each placed by the other, along that axis and along the other one.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from goldieval.data.shapes import phrases
from goldieval.data.shapes.dice import choose, dice, shuffled
from goldieval.data.shapes.language import OPENINGS, Caption
from goldieval.data.shapes.meaning import RELATIONS, ObjectDescription, Relation, SceneQuery, holds, known
from goldieval.data.shapes.relevance import satisfies
from goldieval.data.shapes.world import Obj, Scene

ACROSS = {"left of": ("above", "below"), "right of": ("above", "below")}
ACROSS |= {"above": ("left of", "right of"), "below": ("left of", "right of")}  # relation to those of the other axis
# Attributes of which some are said of both objects; their shapes always are.
SAID = (("colour", "size"), ("colour", "fill"), ("colour", "place"), ("colour", "size", "fill"), ("size", "place"))


@dataclass(frozen=True)
class Choice:
    """``captions`` are four, the true one first."""

    id: str
    kind: str
    captions: tuple[Caption, ...]


def choices(scene: Scene) -> list[Choice]:
    """Return at most one choice of each kind; none where the scene has no two objects that differ enough."""
    found = []
    for kind, captions_of in _KINDS.items():
        rng = dice("composition", kind, scene.kind, scene.seed)
        pairs = shuffled(rng, list(itertools.permutations(scene.objects, 2)))
        tries = (captions_of(rng, first, second) for first, second in pairs)
        if captions := next((some for some in tries if _only_the_first_is_true(some, scene)), None):
            found.append(Choice(f"{scene.id}:{kind}", kind, captions))
    return found


def _only_the_first_is_true(captions: tuple[Caption, ...], scene: Scene) -> bool:
    return [satisfies(query, scene) for _, query in captions] == [True, False, False, False]


def _attribute(rng: random.Random, first: Obj, second: Obj) -> tuple[Caption, ...]:
    """Exchange two of the attributes that differ; what stays (a third one that differs) tells the objects apart."""
    names = ("shape", *choose(rng, SAID))
    opening = choose(rng, OPENINGS)
    one, other = known(first, names), known(second, names)
    differing = shuffled(rng, [name for name in names if getattr(one, name) != getattr(other, name)])
    if len(differing) < 3:
        return ()
    p, q = differing[:2]
    return tuple(_caption(rng, opening, *_exchange(one, other, some)) for some in ((), (p,), (q,), (p, q)))


def _relation(rng: random.Random, first: Obj, second: Obj) -> tuple[Caption, ...]:
    """Place each by the other; a pair that is apart both ways has a second true caption and drops out."""
    opening, names = choose(rng, OPENINGS), ("colour", "shape")
    one, other = known(first, names), known(second, names)
    name = choose(rng, [name for name in RELATIONS if holds(name, first, second)])
    across = choose(rng, ACROSS[name])
    places = ((one, other, name), (other, one, name), (one, other, across), (other, one, across))
    return tuple(_caption(rng, opening, *place) for place in places)


_KINDS: dict[str, Callable[[random.Random, Obj, Obj], tuple[Caption, ...]]] = {
    "attribute": _attribute,
    "relation": _relation,
}


def _exchange(
    one: ObjectDescription, other: ObjectDescription, names: Sequence[str]
) -> tuple[ObjectDescription, ObjectDescription]:
    return (
        replace(one, **{name: getattr(other, name) for name in names}),
        replace(other, **{name: getattr(one, name) for name in names}),
    )


def _caption(
    rng: random.Random, opening: str, one: ObjectDescription, other: ObjectDescription, relation: str | None = None
) -> Caption:
    """Say it without synonyms, so that the words of two candidates differ in nothing but what is meant."""
    parts = [phrases.noun_phrase(rng, wanted, synonyms=False) for wanted in (one, other)]
    first, second = phrases.each_with_article((one, other), parts)
    if relation is None:
        return f"{opening}{phrases.joined([first, second])}", SceneQuery((one, other))
    text = f"{opening}{first} {phrases.RELATION_WORDS[relation][0]} {second}"
    return text, SceneQuery((one, other), (Relation(0, relation, 1),))
