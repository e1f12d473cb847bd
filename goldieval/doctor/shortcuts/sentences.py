"""Sentences about objects, relations and backgrounds, whose attributes are independent of each other by design."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from goldieval.data.shapes import phrases
from goldieval.data.shapes.dice import dice
from goldieval.data.shapes.language import BACKGROUND_SENTENCES, OBJECT_SENTENCES
from goldieval.data.shapes.meaning import RELATIONS, describe
from goldieval.data.shapes.world import BACKGROUNDS, COLOURS, PLACES, SHAPES, TEXTURES, Scene
from goldieval.doctor.shortcuts.design import RUNS_OF_EIGHT, RUNS_OF_THREE, eights, relabelled
from goldieval.doctor.shortcuts.scenes import DesignedScenes

COPIES = 8  # of the design of relations, each with other meanings of its levels
WORDS = "words"


@dataclass(frozen=True)
class DesignedSentences:
    """Sentences of one kind.

    Attributes:
        about: what they are about, such as ``objects``.
        texts: the sentences.
        factors: main effects of each attribute, level numbers of shape (sentences,).
    """

    about: str
    texts: list[str]
    factors: dict[str, list[np.ndarray]]


def designed_sentences(design: DesignedScenes) -> list[DesignedSentences]:
    """Return sentences about the objects of designed scenes, about relations, and about backgrounds."""
    return [_object_sentences(design), _relation_sentences(), _background_sentences()]


def _object_sentences(design: DesignedScenes) -> DesignedSentences:
    """Return one sentence for each scene. Its pattern is a factor; synonyms and the order of adjectives are drawn."""
    patterns = relabelled(np.tile(eights()[4] & 3, RUNS_OF_THREE), "pattern")
    texts = [_about_object(scene, int(pattern)) for scene, pattern in zip(design.scenes, patterns, strict=True)]
    attributes = ("shape", "colour", "place", "size", "fill")
    return DesignedSentences(
        "objects", texts, {name: [design.levels[name]] for name in attributes} | {WORDS: [patterns]}
    )


def _about_object(scene: Scene, pattern: int) -> str:
    (obj,) = scene.objects
    phrase = phrases.noun_phrase(dice("synonyms", scene.index), describe(obj, ("shape", "colour", "size", "fill")))
    return phrases.sentence(OBJECT_SENTENCES[pattern].format(a=phrases.a(phrase), place=PLACES[obj.cell]))


def _relation_sentences() -> DesignedSentences:
    """Return sentences such as "The red circle is above the blue star."; both objects may be described alike."""
    columns = [
        np.concatenate([relabelled(levels, "relation", name, copy) for copy in range(COPIES)])
        for name, levels in enumerate(eights()[:5])
    ]
    *objects, relation = columns
    which, wording = relation >> 1, relation & 1
    texts = [_about_relation(*(int(part) for part in parts)) for parts in zip(*objects, which, wording, strict=True)]
    assert len(texts) == COPIES * RUNS_OF_EIGHT
    factors = {"shape": [objects[1], objects[3]], "colour": [objects[0], objects[2]]}
    return DesignedSentences("relations", texts, {**factors, "relation": [which], WORDS: [wording]})


def _about_relation(colour: int, shape: int, other_colour: int, other_shape: int, which: int, wording: int) -> str:
    relation = phrases.RELATION_WORDS[RELATIONS[which]][wording]
    here, there = f"{COLOURS[colour]} {SHAPES[shape]}", f"{COLOURS[other_colour]} {SHAPES[other_shape]}"
    return phrases.sentence(f"the {here} is {relation} the {there}")


def _background_sentences() -> DesignedSentences:
    """Return all sentences about backgrounds that the drawn world has."""
    sizes = (len(BACKGROUNDS), len(TEXTURES), len(BACKGROUND_SENTENCES), 2)
    colour, texture, pattern, phrase = (axis.ravel() for axis in np.indices(sizes))
    texts = [
        phrases.sentence(BACKGROUND_SENTENCES[p].format(phrases.TEXTURE_PHRASES[TEXTURES[t]][w].format(BACKGROUNDS[c])))
        for c, t, p, w in zip(colour, texture, pattern, phrase, strict=True)
    ]
    factors = {"colour": [colour], "texture": [texture], WORDS: [pattern, phrase]}
    return DesignedSentences("backgrounds", texts, factors)
