"""What training sets against a true caption: false ones made of what is in the picture.

Those of two objects are the choices that tasks ask for (``composition``). Those of one object are for training alone:
every word of them is true of something there, so that telling them apart takes the look of one object.
"""

from __future__ import annotations

import random
from dataclasses import replace

from goldieval.data.shapes import phrases
from goldieval.data.shapes.composition import choices
from goldieval.data.shapes.dice import choose, dice, shuffled
from goldieval.data.shapes.language import OPENINGS, Caption
from goldieval.data.shapes.meaning import Query, Wanted, known
from goldieval.data.shapes.world import HELD_OUT, Obj, Scene

SAID = (
    ("shape", "colour"),
    ("shape", "size"),
    ("shape", "fill"),
    ("shape", "place"),
    ("colour", "place"),
    ("shape", "colour", "place"),
)
MOST_FALSE = 3


def foils(scene: Scene) -> list[tuple[Caption, ...]]:
    """Return groups of a true caption (the first) and false ones; none names a pair that training never shows.

    Such a pair would only ever be false.
    """
    groups = [_of_one_object(scene), *(choice.captions for choice in choices(scene))]
    return [group for group in groups if group and not any(_names_held_out(query) for _, query in group)]


def _names_held_out(query: Query) -> bool:
    return not HELD_OUT.isdisjoint((one.colour, one.shape) for one in query.objects)


def _of_one_object(scene: Scene) -> tuple[Caption, ...]:
    """Return up to three false captions of an object; nothing where none can be confused with another."""
    rng = dice("object foils", scene.kind, scene.seed)
    for obj in shuffled(rng, scene.objects):
        names = choose(rng, SAID)
        if wrong := _confused(rng, scene, obj, names):
            opening = choose(rng, OPENINGS)
            said = [known(obj, names), *wrong[:MOST_FALSE]]
            texts = [opening + phrases.a(phrases.noun_phrase(rng, one, synonyms=False)) for one in said]
            return tuple((text, Query((one,))) for text, one in zip(texts, said, strict=True))
    return ()


def _confused(rng: random.Random, scene: Scene, obj: Obj, names: tuple[str, ...]) -> list[Wanted]:
    """Return what is said of the object with one attribute of another one, where it is then true of none."""
    true = known(obj, names)
    swapped = [replace(true, **{name: getattr(other, name)}) for other in scene.objects for name in names]
    false = [one for one in dict.fromkeys(swapped) if not any(one.fits(other) for other in scene.objects)]
    return shuffled(rng, false)
