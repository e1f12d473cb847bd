"""Questions about scenes, each with its only answer and a meaning that can be evaluated on any scene.

The last phrasing of every type is held out: it occurs only in the test split.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass, replace

from goldieval.data.shapes import phrases
from goldieval.data.shapes.dice import below, chance, choose, dice, shuffled
from goldieval.data.shapes.meaning import (
    ATTRIBUTES,
    QUESTION_TYPES,
    RELATIONS,
    ObjectDescription,
    SceneQuestion,
    describe,
    holds,
)
from goldieval.data.shapes.relevance import answer
from goldieval.data.shapes.world import COLOURS, FILLS, HELD_OUT, PLACES, SHAPES, SIZES, Scene

# {the}, {a} and {many} are replaced by the subject, {relation} and {other} by the rest of a relation question. The last
# phrasing uses only words that occur in the others, in an order that does not occur in training.
TEMPLATES = {
    "colour": ("What colour is {the}?", "Which colour does {the} have?", "What is the colour of {the}?",
               "The colour of {the} is what?"),
    "shape": ("What shape is {the}?", "Which shape does {the} have?", "What is the form of {the}?",
              "The form of {the} is what?"),
    "size": ("Is {the} small or large?", "What size is {the}?", "Which size does {the} have?",
             "What is the size of {the}?"),
    "fill": ("How is {the} filled?", "Is {the} solid, striped or outlined?", "Which fill does {the} have?",
             "What is the fill of {the}?"),
    "place": ("Where is {the}?", "In which part of the picture is {the}?", "What place does {the} have?",
              "What is the place of {the}?"),
    "count": ("How many {many} are there?", "How many {many} can be seen?", "What number of {many} is there?",
              "What is the number of {many}?"),
    "relation": ("Is {the} {relation} {other}?", "Is it true that {the} is {relation} {other}?",
                 "Does the picture show that {the} is {relation} {other}?",
                 "Can it be seen that {the} is {relation} {other}?"),
    "existence": ("Is there {a}?", "Does the picture show {a}?", "Is it true that there is {a}?",
                  "Can {a} be seen in the picture?"),
}  # fmt: skip
WORDS = {"shape": SHAPES, "colour": COLOURS, "size": SIZES, "fill": FILLS, "place": PLACES}
HELD_OUT_SHARE = 0.5  # of the test split's questions
TRIES_PER_QUESTION = 10


@dataclass(frozen=True)
class Question:
    """A question with its answer.

    Attributes:
        id: Id of the question.
        type: One of ``QUESTION_TYPES``.
        template: Phrasing, for example "colour-2".
        held_out: Whether the phrasing is held out from training.
        text: The question.
        answer: One of a few words, a number, or yes / no.
        meaning: Its meaning.
    """

    id: str
    type: str
    template: str
    held_out: bool
    text: str
    answer: str
    meaning: SceneQuestion


def questions(scene: Scene, n: int) -> list[Question]:
    """Return ``n`` questions of different meaning, alternating between types; fewer if the scene allows no more."""
    rng = dice("questions", scene.kind, scene.seed)
    types = itertools.cycle(shuffled(rng, QUESTION_TYPES))
    found: list[Question] = []
    asked: set[SceneQuestion] = set()
    for type in itertools.islice(types, n * TRIES_PER_QUESTION):
        meaning = _ASKS[type](rng, scene, type)
        if meaning is None or meaning in asked or _names_held_out(meaning, scene):
            continue
        asked.add(meaning)
        found.append(_question(rng, scene, meaning, len(found)))
        if len(found) == n:
            break
    return found


def _question(rng: random.Random, scene: Scene, meaning: SceneQuestion, number: int) -> Question:
    seen = len(TEMPLATES[meaning.type]) - 1
    held_out = scene.split == "test" and chance(rng, HELD_OUT_SHARE)
    template = seen if held_out else below(rng, seen)
    reply = answer(meaning, scene)
    assert reply is not None, f"{scene.id}: the question does not apply: {meaning}"
    return Question(
        id=f"{scene.id}?{number}",
        type=meaning.type,
        template=f"{meaning.type}-{template}",
        held_out=held_out,
        text=_text(rng, TEMPLATES[meaning.type][template], meaning),
        answer=reply,
        meaning=meaning,
    )


def _text(rng: random.Random, template: str, meaning: SceneQuestion) -> str:
    subject = phrases.noun_phrase(rng, meaning.subject, synonyms=False)
    text = template.format(
        the=f"the {subject}",
        a=phrases.a(subject),
        many=phrases.plural_phrase(rng, meaning.subject),
        relation=phrases.relation_phrase(rng, meaning.relation) if meaning.relation else "",
        other=f"the {phrases.noun_phrase(rng, meaning.other, synonyms=False)}" if meaning.other else "",
    )
    return text[0].upper() + text[1:]


def _names_held_out(meaning: SceneQuestion, scene: Scene) -> bool:
    """Return whether a held-out pair is named outside test: "Is there ...?" would always have the answer no."""
    named = [(one.colour, one.shape) for one in (meaning.subject, meaning.other) if one]
    return scene.split != "test" and not HELD_OUT.isdisjoint(named)


def _unique(rng: random.Random, scene: Scene, index: int, names: list[str]) -> ObjectDescription | None:
    """Return one or two of the named attributes that identify this object uniquely."""
    obj = scene.objects[index]
    options = [describe(obj, some) for length in (1, 2) for some in itertools.combinations(names, length)]
    unique = [wanted for wanted in options if sum(wanted.fits(other) for other in scene.objects) == 1]
    return choose(rng, unique) if unique else None


def _attribute(rng: random.Random, scene: Scene, type: str) -> SceneQuestion | None:
    names = [name for name in ATTRIBUTES if name != type]
    subject = _unique(rng, scene, below(rng, len(scene.objects)), names)
    return SceneQuestion(type, subject) if subject else None


def _count(rng: random.Random, scene: Scene, type: str) -> SceneQuestion:
    names = choose(rng, (["shape"], ["colour"], ["size"], ["fill"], ["colour", "shape"], ["size", "shape"]))
    wanted = describe(choose(rng, scene.objects), names)
    return SceneQuestion(type, _changed(rng, wanted) if chance(rng, 0.25) else wanted)


def _relation(rng: random.Random, scene: Scene, type: str) -> SceneQuestion | None:
    """Ask about two objects; the relation is chosen so that yes and no are equally frequent."""
    if len(scene.objects) < 2:
        return None
    first, second = shuffled(rng, range(len(scene.objects)))[:2]
    names = ["colour", "shape", "size", "fill"]
    subject, other = _unique(rng, scene, first, names), _unique(rng, scene, second, names)
    if subject is None or other is None:
        return None
    yes = chance(rng, 0.5)
    fitting = [name for name in RELATIONS if holds(name, scene.objects[first], scene.objects[second]) == yes]
    return SceneQuestion(type, subject, choose(rng, fitting), other)


def _existence(rng: random.Random, scene: Scene, type: str) -> SceneQuestion | None:
    """Ask for an object that exists, or for one with an attribute changed that does not."""
    names = choose(rng, (["shape"], ["colour", "shape"], ["fill", "shape"], ["size", "colour"], ["shape", "place"]))
    wanted = describe(choose(rng, scene.objects), names)
    if chance(rng, 0.5):
        return SceneQuestion(type, wanted)
    absent = _changed(rng, wanted)
    return None if any(absent.fits(obj) for obj in scene.objects) else SceneQuestion(type, absent)


def _changed(rng: random.Random, wanted: ObjectDescription) -> ObjectDescription:
    """Return the description with one attribute changed."""
    name = choose(rng, [name for name in ATTRIBUTES if getattr(wanted, name)])
    word = choose(rng, [word for word in WORDS[name] if word != getattr(wanted, name)])
    return replace(wanted, **{name: word})


_ASKS: dict[str, Callable[[random.Random, Scene, str], SceneQuestion | None]] = {
    **dict.fromkeys(ATTRIBUTES, _attribute),
    "count": _count,
    "relation": _relation,
    "existence": _existence,
}
