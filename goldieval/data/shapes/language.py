"""Captions of scenes with their meaning: a short caption mentions few objects, a long one describes everything."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable

from goldieval.data.shapes import phrases
from goldieval.data.shapes.dice import chance, choose, dice, one_to, shuffled
from goldieval.data.shapes.meaning import RELATIONS, ObjectDescription, Relation, SceneQuery, describe, holds
from goldieval.data.shapes.world import Obj, Scene

Caption = tuple[str, SceneQuery]

MENTIONED_SHARES = (0.15, 0.50, 0.35)  # probability that a short caption mentions 1, 2, 3 objects
RELATED = 0.5  # probability that one of two or more mentioned objects is placed relative to another
MENTION_PROBABILITY = {
    "colour": 0.9,
    "size": 0.35,
    "fill": 0.35,
    "place": 0.25,
}  # probability that an attribute is mentioned
MENTION_PROBABILITY_ALONE = {"colour": 1.0, "size": 0.7, "fill": 0.7, "place": 0.6}  # the same for a single object
UNNAMED = 0.08  # probability that an object whose colour is mentioned is called "an object"
TRIES = 10  # attempts to find a caption that the scene does not have yet

OPENINGS = ("", "", "a picture of ", "a drawing of ", "a scene with ", "there is ")
OBJECT_SENTENCES = (
    "{a} is in the {place}",
    "there is {a} in the {place}",
    "in the {place} there is {a}",
    "the {place} shows {a}",
)
BACKGROUND_SENTENCES = ("the background is {}", "everything lies on a background that is {}", "behind it all is {}")


def short_captions(scene: Scene, n: int) -> list[Caption]:
    """Return ``n`` captions of 1 to 3 objects each; the first ones do not depend on ``n``."""
    rng = dice("short captions", scene.kind, scene.seed)
    captions: list[Caption] = []
    for _ in range(n):
        tries = (_short_caption(rng, scene) for _ in range(TRIES))
        captions.append(_first_new(tries, {text for text, _ in captions}))
    return captions


def long_caption(scene: Scene) -> list[Caption]:
    """Return the sentences of the long caption: every object, relations between them, and the background."""
    rng = dice("long caption", scene.kind, scene.seed)
    background = [_background_sentence(rng, scene)]
    objects = shuffled(rng, object_sentences(scene))
    first_last = shuffled(rng, [background, [*objects, *_relation_sentences(rng, scene)]])
    return [*first_last[0], *first_last[1]]


def object_sentences(scene: Scene) -> list[Caption]:
    """Return one sentence per object (in the scene's order), with all its attributes and its place."""
    rng = dice("object sentences", scene.kind, scene.seed)
    return [_object_sentence(rng, obj) for obj in scene.objects]


def unique_reference(scene: Scene, obj: Obj) -> ObjectDescription:
    """Return the object's colour and shape, and as many further attributes as needed to make it unique in the scene."""
    names = ("colour", "shape", "size", "fill", "place")
    options = [describe(obj, names[:length]) for length in range(2, len(names) + 1)]
    return next(wanted for wanted in options if sum(wanted.fits(other) for other in scene.objects) == 1)


def _first_new(tries: Iterable[Caption], taken: set[str]) -> Caption:
    """Return the first caption whose text is not in use yet, or the last one if all are."""
    for caption in tries:
        if caption[0] not in taken:
            break
    return caption


def _short_caption(rng: random.Random, scene: Scene) -> Caption:
    mentioned = shuffled(rng, scene.objects)[: one_to(rng, MENTIONED_SHARES)]
    related = len(mentioned) > 1 and chance(rng, RELATED)
    # The absolute place of an object that is placed relative to another is omitted, as in natural language.
    wanted = tuple(_some_of(rng, obj, len(mentioned) == 1, related and i < 2) for i, obj in enumerate(mentioned))
    parts = phrases.each_with_article(wanted, [phrases.noun_phrase(rng, one) for one in wanted])
    opening = choose(rng, OPENINGS)
    if not related:
        return opening + phrases.joined(parts), SceneQuery(wanted)
    name = choose(rng, [name for name in RELATIONS if holds(name, mentioned[0], mentioned[1])])
    pair = f"{parts[0]} {phrases.relation_phrase(rng, name)} {parts[1]}"
    text = ", and also ".join([pair, *parts[2:]])
    return opening + text, SceneQuery(wanted, (Relation(0, name, 1),))


def _some_of(rng: random.Random, obj: Obj, alone: bool, placed: bool) -> ObjectDescription:
    """Return some attributes of an object, including at least its shape or its colour."""
    names = [
        name
        for name, share in (MENTION_PROBABILITY_ALONE if alone else MENTION_PROBABILITY).items()
        if chance(rng, share)
    ]
    unnamed = chance(rng, UNNAMED) and "colour" in names
    return describe(obj, [name for name in names if not (placed and name == "place")] + ["shape"] * (not unnamed))


def _object_sentence(rng: random.Random, obj: Obj) -> Caption:
    phrase = phrases.noun_phrase(rng, describe(obj, ("shape", "colour", "size", "fill")))
    text = choose(rng, OBJECT_SENTENCES).format(a=phrases.a(phrase), place=obj.place)
    return phrases.sentence(text), SceneQuery((describe(obj, ("shape", "colour", "size", "fill", "place")),))


def _relation_sentences(rng: random.Random, scene: Scene) -> list[Caption]:
    """Return one sentence for each object and the next, in random order; none if there is only one object."""
    return [_relation_sentence(rng, scene, *pair) for pair in itertools.pairwise(shuffled(rng, scene.objects))]


def _relation_sentence(rng: random.Random, scene: Scene, first: Obj, second: Obj) -> Caption:
    wanted = unique_reference(scene, first), unique_reference(scene, second)
    name = choose(rng, [name for name in RELATIONS if holds(name, first, second)])
    here, there = (phrases.noun_phrase(rng, one) for one in wanted)
    text = f"the {here} is {phrases.relation_phrase(rng, name)} the {there}"
    return phrases.sentence(text), SceneQuery(wanted, (Relation(0, name, 1),))


def _background_sentence(rng: random.Random, scene: Scene) -> Caption:
    text = choose(rng, BACKGROUND_SENTENCES).format(phrases.background_phrase(rng, scene.background))
    return phrases.sentence(text), SceneQuery(background=scene.background)
