"""The scenes of the built-in world: equal everywhere, disjoint splits, held-out pairs only in test."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter

import pytest

from goldieval.core.errors import TaskError
from goldieval.data.shapes.language import long_caption, short_captions
from goldieval.data.shapes.questions import questions
from goldieval.data.shapes.world import (
    CLASSES,
    COLOURS,
    HELD_OUT,
    PLACES,
    SHAPES,
    SPLITS,
    TRAIN_SIZES,
    Obj,
    Scene,
    layout_split,
    sample_scene,
    split_seeds,
)

# Scenes and texts are part of the shapes tasks' identity. If this changes, results before and after do not compare.
# The names that the classes of meanings had when the hash was taken.
HASHED_NAMES = {"ObjectDescription": "Wanted", "SceneQuery": "Query", "SceneQuestion": "Ask"}
WORLD_SHA256 = "6fb5340fe9156848fefe7c8a0d0d214417a435c2d594305c03a5d42443099071"


def layout(scene: Scene) -> tuple[tuple[object, ...], ...]:
    return tuple((o.cell, o.shape, o.colour, o.size, o.fill) for o in scene.objects)


def pairs(scene: Scene) -> set[tuple[str, str]]:
    return {(o.colour, o.shape) for o in scene.objects}


def hashed(meaning: object) -> str:
    return re.sub("|".join(HASHED_NAMES), lambda found: HASHED_NAMES[found[0]], repr(meaning))


def test_scenes_and_texts_are_the_same_on_every_platform() -> None:
    digest = hashlib.sha256()
    for kind in ("scene", "dominant"):
        for split in SPLITS:
            for scene in (sample_scene(split, index, kind) for index in range(40)):
                captions = [(text, hashed(query)) for text, query in short_captions(scene, 3) + long_caption(scene)]
                asked = [hashed(q) for q in questions(scene, 9)]
                digest.update(json.dumps([scene.to_json(), captions, asked]).encode())
    assert digest.hexdigest() == WORLD_SHA256


def test_a_seed_gives_one_scene_and_another_seed_another() -> None:
    assert sample_scene("test", 7) == sample_scene("test", 7)
    texts = [sample_scene(split, index).to_json() for split in SPLITS for index in range(300)]
    assert len(set(texts)) == len(texts)
    assert sample_scene("test", 7).id == "test-000007"
    assert json.loads(sample_scene("test", 7).to_json())["id"] == "test-000007"


def test_splits_share_neither_seed_nor_layout() -> None:
    seeds = [seed for split in SPLITS for seed in split_seeds(split, len(SPLITS[split]))]
    assert len(set(seeds)) == len(seeds) == 84_000
    layouts = {split: {layout(sample_scene(split, i)) for i in range(1_500)} for split in SPLITS}
    assert not layouts["train"] & layouts["test"]
    assert not layouts["train"] & layouts["validation"]
    assert not layouts["validation"] & layouts["test"]
    # The same rule holds for the other kind of scene, so neither can leak into the other.
    for split in SPLITS:
        assert {layout_split(sample_scene(split, i, "dominant").objects) for i in range(200)} == {split}


def test_train_sizes_are_beginnings_of_each_other() -> None:
    assert [len(split_seeds("train", size)) for size in TRAIN_SIZES] == list(TRAIN_SIZES)
    assert len({split_seeds("train", size)[0] for size in TRAIN_SIZES}) == 1
    assert len(split_seeds("train")) == 20_000
    assert (len(split_seeds("validation")), len(split_seeds("test"))) == (2_000, 2_000)


def test_held_out_pairs_occur_in_test_only() -> None:
    assert len(HELD_OUT) == 8
    assert {colour for colour, _ in HELD_OUT} == set(COLOURS)
    assert {shape for _, shape in HELD_OUT} == set(SHAPES)
    seen = {
        split: set().union(*(pairs(sample_scene(split, i, kind)) for i in range(700) for kind in ("scene", "dominant")))
        for split in SPLITS
    }
    assert seen["train"] == seen["validation"] == set(CLASSES) - HELD_OUT
    assert seen["test"] == set(CLASSES)


def test_scenes_have_the_promised_objects() -> None:
    scenes = [sample_scene("test", i) for i in range(500)]
    counts = Counter(len(scene.objects) for scene in scenes)
    assert sorted(counts) == [1, 2, 3, 4, 5]
    assert min(counts.values()) >= 25
    for scene in scenes:
        cells = [obj.cell for obj in scene.objects]
        assert cells == sorted(set(cells))
    assert {obj.cell for scene in scenes for obj in scene.objects} == set(range(len(PLACES)))


def test_dominant_scenes_have_one_large_object_and_balanced_labels() -> None:
    scenes = [sample_scene("test", i, "dominant") for i in range(640)]
    assert all([obj.size for obj in scene.objects].count("large") == 1 for scene in scenes)
    assert {len(scene.objects) for scene in scenes} == {1, 2, 3, 4}
    assert set(Counter(scene.label for scene in scenes).values()) == {10}
    large = [next(obj for obj in scene.objects if obj.size == "large") for scene in scenes]
    assert [CLASSES[scene.label] for scene in scenes] == [(obj.colour, obj.shape) for obj in large]
    others = Counter(CLASSES[sample_scene("train", i, "dominant").label] for i in range(560))
    assert set(others.values()) == {10} and not HELD_OUT & set(others)


def test_place_comes_from_the_grid() -> None:
    obj = Obj("star", "red", "small", "solid", 5, 0, 0)
    assert (obj.place, obj.column, obj.row) == ("centre right", 2, 1)


@pytest.mark.parametrize(
    ("split", "index", "kind", "message"),
    [
        ("test", 2_000, "scene", "2,001 scenes requested, but the test split has 1 to 2,000"),
        ("test", -1, "scene", "0 scenes requested"),
        ("exam", 0, "scene", "unknown split 'exam'"),
        ("test", 0, "scenery", "unknown kind 'scenery'"),
    ],
)
def test_invalid_requests_are_a_clear_error(split: str, index: int, kind: str, message: str) -> None:
    with pytest.raises(TaskError, match=message):
        sample_scene(split, index, kind)  # type: ignore[arg-type]
