"""Drawn scenes whose attributes are independent of each other by design."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace

import numpy as np

from goldieval.data.shapes import phrases
from goldieval.data.shapes.dice import below, dice
from goldieval.data.shapes.world import (
    BACKGROUNDS,
    COLOURS,
    EVERY_BACKGROUND,
    FILLS,
    JITTER,
    OBJECTS_SHARES,
    SHAPES,
    SIZES,
    TEXTURES,
    Background,
    Obj,
    Scene,
    sample_scene,
)
from goldieval.doctor.shortcuts.design import RUNS_OF_EIGHT, RUNS_OF_THREE, eights, relabelled, threes

SCENES_OF_A_NUMBER = 8
GROUPS = len(OBJECTS_SHARES)  # 1 to 5 objects
CROSSED = (GROUPS, SCENES_OF_A_NUMBER, len(BACKGROUNDS), len(TEXTURES))


@dataclass(frozen=True)
class DesignedScenes:
    """Scenes of one object, every pair of attributes balanced.

    Attributes:
        scenes: the scenes.
        levels: number of the level of each attribute, (scenes,); ``background`` is colour and texture as one.
    """

    scenes: list[Scene]
    levels: dict[str, np.ndarray]


def scenes_of_one_object() -> DesignedScenes:
    """Return 1,728 scenes of one object, in which shape, colour, place, size, fill and background are independent."""
    bits = [np.tile(levels, RUNS_OF_THREE) for levels in eights()]
    trits = [np.repeat(levels, RUNS_OF_EIGHT) for levels in threes()]
    levels = {
        "shape": relabelled(bits[0], "shape"),
        "colour": relabelled(bits[1], "colour"),
        "place": relabelled(trits[0], "place"),
        "size": relabelled(bits[3] & 1, "size"),
        "fill": relabelled(trits[1], "fill"),
        "background colour": relabelled((bits[2] >> 2) + 2 * trits[2], "background colour"),
        "background texture": relabelled(bits[2] & 3, "background texture"),
    }
    levels["background"] = levels["background colour"] * len(TEXTURES) + levels["background texture"]
    return DesignedScenes([_scene(number, levels) for number in range(len(bits[0]))], levels)


def crossed_scenes() -> list[Scene]:
    """Return 40 scenes of the validation split, eight with each number of objects, each on all 24 backgrounds.

    The scenes come in the order of ``CROSSED``: number of objects, scene, colour and texture of the background.
    """
    chosen = [_with_number(number) for number in range(1, GROUPS + 1)]
    return [replace(scene, background=each) for scenes in chosen for scene in scenes for each in EVERY_BACKGROUND]


def object_sentence(scene: Scene) -> str:
    """Return a sentence about one object of a scene with all its attributes; which object depends on the objects."""
    obj = scene.objects[scene.index % len(scene.objects)]
    phrase = phrases.a(f"{obj.size} {obj.fill} {obj.colour} {obj.shape}")
    return phrases.sentence(f"{phrase} is in the {obj.place}")


def background_sentence(scene: Scene) -> str:
    """Return a sentence about the background of a scene."""
    look = phrases.TEXTURE_PHRASES[scene.background.texture][0].format(scene.background.colour)
    return phrases.sentence(f"the background is {look}")


def _with_number(objects: int) -> list[Scene]:
    scenes = (sample_scene("validation", index) for index in itertools.count())
    return list(itertools.islice((scene for scene in scenes if len(scene.objects) == objects), SCENES_OF_A_NUMBER))


def _scene(number: int, levels: dict[str, np.ndarray]) -> Scene:
    """Return one scene of the design. Its split and seed are only those of a container: it is drawn from no split."""
    level = {name: int(numbers[number]) for name, numbers in levels.items()}
    rng, most = dice("scene of one object", number), JITTER[SIZES[level["size"]]]
    dx, dy = (below(rng, 2 * most + 1) - most for _ in range(2))
    obj = Obj(
        *(SHAPES[level["shape"]], COLOURS[level["colour"]], SIZES[level["size"]], FILLS[level["fill"]]),
        *(level["place"], dx, dy),
    )
    background = Background(BACKGROUNDS[level["background colour"]], TEXTURES[level["background texture"]])
    return Scene("validation", "scene", number, number, (obj,), background)
