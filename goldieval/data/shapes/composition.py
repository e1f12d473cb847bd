"""One true caption of a scene and three false ones made of its parts: choosing requires binding and word order.

The four are symmetric: whichever of them were true, the other three would be the same, so no text is conspicuous alone.

attribute: two objects of the scene, with none, one, the other or both of two attributes exchanged. All four captions
contain the same words in another order (except "a" and "an"), so a bag of words is at chance.

relation: two objects in one row or column: each placed relative to the other, along that axis and along the other axis.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from goldieval.data.shapes import phrases
from goldieval.data.shapes.dice import choose, dice, shuffled
from goldieval.data.shapes.language import OPENINGS, Caption
from goldieval.data.shapes.meaning import RELATIONS, ObjectDescription, Relation, SceneQuery, describe, holds
from goldieval.data.shapes.relevance import satisfies
from goldieval.data.shapes.world import Obj, Scene

ACROSS = {"left of": ("above", "below"), "right of": ("above", "below")}
ACROSS |= {"above": ("left of", "right of"), "below": ("left of", "right of")}  # relations along the other axis
# Attributes of which some are mentioned for both objects, in addition to their shapes.
ATTRIBUTE_SETS = (
    ("colour", "size"),
    ("colour", "fill"),
    ("colour", "place"),
    ("colour", "size", "fill"),
    ("size", "place"),
)


@dataclass(frozen=True)
class CaptionChoice:
    """One multiple-choice query.

    Attributes:
        id: Id of the query.
        kind: ``attribute`` or ``relation``.
        captions: Four captions, the true one first.
    """

    id: str
    kind: str
    captions: tuple[Caption, ...]


def choices(scene: Scene) -> list[CaptionChoice]:
    """Return at most one choice of each kind; none if the scene has no two objects that differ sufficiently."""
    found = []
    for kind, captions_of in _KINDS.items():
        rng = dice("composition", kind, scene.kind, scene.seed)
        pairs = shuffled(rng, list(itertools.permutations(scene.objects, 2)))
        tries = (captions_of(rng, first, second) for first, second in pairs)
        if captions := next((some for some in tries if _only_the_first_is_true(some, scene)), None):
            found.append(CaptionChoice(f"{scene.id}:{kind}", kind, captions))
    return found


def _only_the_first_is_true(captions: tuple[Caption, ...], scene: Scene) -> bool:
    return [satisfies(query, scene) for _, query in captions] == [True, False, False, False]


def _attribute(rng: random.Random, first: Obj, second: Obj) -> tuple[Caption, ...]:
    """Exchange two attributes that differ; a third one that differs identifies the objects."""
    names = ("shape", *choose(rng, ATTRIBUTE_SETS))
    opening = choose(rng, OPENINGS)
    one, other = describe(first, names), describe(second, names)
    differing = shuffled(rng, [name for name in names if getattr(one, name) != getattr(other, name)])
    if len(differing) < 3:
        return ()
    p, q = differing[:2]
    return tuple(_caption(rng, opening, *_exchange(one, other, some)) for some in ((), (p,), (q,), (p, q)))


def _relation(rng: random.Random, first: Obj, second: Obj) -> tuple[Caption, ...]:
    """Place each object relative to the other; pairs that differ along both axes are skipped."""
    opening, names = choose(rng, OPENINGS), ("colour", "shape")
    one, other = describe(first, names), describe(second, names)
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
    """Return a caption without synonyms, so that candidates differ only in meaning."""
    parts = [phrases.noun_phrase(rng, wanted, synonyms=False) for wanted in (one, other)]
    first, second = phrases.each_with_article((one, other), parts)
    if relation is None:
        return f"{opening}{phrases.joined([first, second])}", SceneQuery((one, other))
    text = f"{opening}{first} {phrases.RELATION_WORDS[relation][0]} {second}"
    return text, SceneQuery((one, other), (Relation(0, relation, 1),))
