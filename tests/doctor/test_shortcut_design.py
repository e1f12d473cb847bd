"""The designed scenes and sentences: balanced in every pair of attributes, true of what is drawn, always the same."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest

from goldieval.data.shapes import draw
from goldieval.data.shapes.language import BACKGROUND_SENTENCES
from goldieval.data.shapes.meaning import RELATIONS
from goldieval.data.shapes.world import BACKGROUNDS, COLOURS, FILLS, SHAPES, SIZES, TEXTURES
from goldieval.doctor.shortcuts.design import eights, threes
from goldieval.doctor.shortcuts.scenes import (
    CROSSED,
    background_sentence,
    crossed_scenes,
    object_sentence,
    scenes_of_one_object,
)
from goldieval.doctor.shortcuts.sentences import designed_sentences

ONE_OBJECT = scenes_of_one_object()
CROSSED_SCENES = crossed_scenes()
SENTENCES = {each.about: each for each in designed_sentences(ONE_OBJECT)}


def balanced(*columns: np.ndarray) -> bool:
    """Return whether all combinations of levels occur, equally often."""
    counts = Counter(zip(*(column.tolist() for column in columns), strict=True))
    return len(counts) == np.prod([column.max() + 1 for column in columns]) and len(set(counts.values())) == 1


@pytest.mark.parametrize("columns", [eights(), threes()], ids=["eights", "threes"])
def test_factors_of_the_arrays_are_balanced_in_pairs(columns: list[np.ndarray]) -> None:
    assert all(balanced(*pair) for pair in itertools.combinations(columns, 2))


def test_every_pair_of_attributes_of_one_object_is_balanced() -> None:
    levels = dict(ONE_OBJECT.levels)
    background = levels.pop("background")
    assert all(balanced(*pair) for pair in itertools.combinations(levels.values(), 2))
    # Colour and texture of the background as one are balanced with every attribute of the object.
    assert all(balanced(background, levels[name]) for name in ("shape", "colour", "place", "size", "fill"))


def test_levels_are_those_of_the_scenes() -> None:
    for number, scene in enumerate(ONE_OBJECT.scenes):
        (obj,) = scene.objects
        level = {name: numbers[number] for name, numbers in ONE_OBJECT.levels.items()}
        assert (obj.shape, obj.colour) == (SHAPES[level["shape"]], COLOURS[level["colour"]])
        assert (obj.size, obj.fill, obj.cell) == (SIZES[level["size"]], FILLS[level["fill"]], level["place"])
        colour, texture = BACKGROUNDS[level["background colour"]], TEXTURES[level["background texture"]]
        assert (scene.background.colour, scene.background.texture) == (colour, texture)


def test_every_scene_is_crossed_with_every_background() -> None:
    groups, scenes, colours, textures = CROSSED
    assert len(CROSSED_SCENES) == groups * scenes * colours * textures
    table = np.empty(CROSSED, dtype=object)
    table[:] = np.array(CROSSED_SCENES, dtype=object).reshape(CROSSED)
    for group, scene, colour, texture in np.ndindex(*CROSSED):
        one = table[group, scene, colour, texture]
        assert len(one.objects) == group + 1
        assert one.objects == table[group, scene, 0, 0].objects
        assert (one.background.colour, one.background.texture) == (BACKGROUNDS[colour], TEXTURES[texture])
    assert len({scene.objects for scene in CROSSED_SCENES}) == groups * scenes


def test_what_images_are_pooled_for_is_true_and_depends_on_one_thing_only() -> None:
    table = np.array(CROSSED_SCENES, dtype=object).reshape(-1, CROSSED[2] * CROSSED[3])
    for row in table:
        assert len({object_sentence(scene) for scene in row}) == 1
        sentence = object_sentence(row[0])
        said = [obj for obj in row[0].objects if f"{obj.size} {obj.fill} {obj.colour} {obj.shape} " in sentence]
        assert any(f"in the {obj.place}." in sentence for obj in said)
    for column in table.T:
        (sentence,) = {background_sentence(scene) for scene in column}
        assert column[0].background.colour in sentence


@pytest.mark.parametrize("about", SENTENCES)
def test_sentences_are_balanced_in_pairs(about: str) -> None:
    kind = SENTENCES[about]
    columns = [column for each in kind.factors.values() for column in each]
    assert all(len(column) == len(kind.texts) for column in columns)
    assert all(balanced(*pair) for pair in itertools.combinations(columns, 2))


def test_sentences_say_what_their_factors_say() -> None:
    objects, relations, backgrounds = (SENTENCES[name] for name in ("objects", "relations", "backgrounds"))
    for row, text in enumerate(objects.texts):
        scene = ONE_OBJECT.scenes[row]
        assert f"{scene.objects[0].shape}" in text and scene.objects[0].colour in text
        assert scene.objects[0].place in text.lower()
    for row, text in enumerate(relations.texts):
        shapes = [SHAPES[column[row]] for column in relations.factors["shape"]]
        colours = [COLOURS[column[row]] for column in relations.factors["colour"]]
        assert text.startswith(f"The {colours[0]} {shapes[0]} is ") and text.endswith(f"the {colours[1]} {shapes[1]}.")
        words = {"left of": "left", "right of": "right", "above": ("above", "higher"), "below": ("below", "lower")}
        expected = words[RELATIONS[relations.factors["relation"][0][row]]]
        assert any(word in text for word in ((expected,) if isinstance(expected, str) else expected))
    assert len(set(backgrounds.texts)) == len(backgrounds.texts) == 6 * 4 * 2 * len(BACKGROUND_SENTENCES)


def test_the_design_is_the_same_every_time() -> None:
    again = scenes_of_one_object()
    assert [scene.to_json() for scene in again.scenes] == [scene.to_json() for scene in ONE_OBJECT.scenes]
    assert [each.texts for each in designed_sentences(again)] == [each.texts for each in SENTENCES.values()]
    assert draw(again.scenes[5], 32).tobytes() == draw(ONE_OBJECT.scenes[5], 32).tobytes()
