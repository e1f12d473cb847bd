"""Subsets of a dataset, and the hash of its data, for every field that a dataset may have."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import pytest

from goldieval.core.errors import TaskError
from goldieval.data.axes import layouts
from goldieval.data.boxes import Boxes
from goldieval.data.image_source import NoImage
from goldieval.data.places import Place
from goldieval.data.samples import Dataset, ImageSample, TextSample
from goldieval.data.subset import keep_images
from goldieval.engine.data_hash import data_hash

OWNER = np.array([0, 0, 1, 2, 2, 3])  # image of each text
KEEP = np.array([True, False, True, True])


@dataclass(frozen=True)
class NumberedMap:
    """A mask or a depth map that is only a number."""

    number: int

    def key(self) -> str:
        return str(self.number)

    def place(self) -> Place | None:
        return None

    def read(self) -> np.ndarray:
        raise NotImplementedError


def images(count: int = 4) -> list[ImageSample]:
    return [ImageSample(f"i{row}", NoImage()) for row in range(count)]


def texts(count: int = 6) -> list[TextSample]:
    return [TextSample(f"t{row}", f"text {row}") for row in range(count)]


def names(start: str, count: int) -> np.ndarray:
    return np.array([f"{start}{row}" for row in range(count)], dtype=object)


def questions() -> Dataset:
    """Six questions about four pictures, with every field that questions and pictures may have."""
    return Dataset(
        images=images(),
        labels=np.arange(4),
        class_names=["a", "b", "c", "d"],
        texts=texts(),
        positives=np.stack([np.arange(6), OWNER], axis=1),
        owner=OWNER,
        text_queries=np.arange(6) % 2 == 0,
        image_queries=np.arange(4) % 2 == 0,
        absent_positives=np.arange(4),
        alike=np.array([[0, 1], [0, 3], [2, 3]]),
        answers=names("answer", 6),
        types=names("type", 6),
        agreement=np.arange(6),
        references=[[f"a{row}", "x"] for row in range(6)],
        options=[["yes", f"no {row}"] for row in range(6)],
        hints=[f"hint {row}" for row in range(6)],
        train=np.array([False, False, True, True]),
        masks=[NumberedMap(row) for row in range(4)],
        depths=[NumberedMap(row) for row in range(4)],
        shown=np.eye(4, dtype=bool),
        prompts=["a {c}"],
        strata={"even": np.arange(6) % 2 == 0},
        notes=["a note"],
    )


def choices() -> Dataset:
    """Queries between texts and between images, in sets and groups."""
    rows = np.array([[[0, 0], [0, 1]], [[2, 3], [1, 3]], [[2, 3], [3, 3]], [[3, 5], [3, 4]]])
    return Dataset(
        images(),
        texts=texts(),
        owner=OWNER,
        choices=rows,
        sets=np.array([0, 0, 1, 1]),
        groups=names("g", 4),
        strata={"last": np.arange(4) == 3},
    )


def boxes() -> Dataset:
    """Boxes with candidates among the texts."""
    found = Boxes(
        ids=["a", "b", "c"],
        image=np.array([0, 1, 3]),
        corners=np.arange(12.0).reshape(3, 4),
        sizes=np.full((4, 2), 20),
        candidates=np.array([[0, 3, -1], [1, 2, 3], [5, 3, 4]]),
    )
    return Dataset(images(), texts=texts(), boxes=found, strata={"x": np.array([True, False, True])})


def galleries() -> Dataset:
    """Texts with their positives among candidates of their own."""
    pairs = np.array([(0, 0), (0, 1), (1, 0), (1, 2), (2, 2), (2, 3)])
    return Dataset(images(), texts=texts(3), owner=np.array([0, 0, 3]), positives=pairs[::2], candidates=pairs)


def test_a_subset_has_what_belongs_to_its_images() -> None:
    whole, part = questions(), keep_images(questions(), KEEP)
    image, text = [0, 2, 3], [0, 1, 3, 4, 5]
    for name, layout in layouts(whole).items():
        values = getattr(whole, name)
        if name in ("strata", "owner") or values is None or layout.along is None:
            continue
        rows = image if layout.along == "image" else text
        assert list(map(str, getattr(part, name))) == [str(values[row]) for row in rows], name
    assert part.owner is not None and part.owner.tolist() == [0, 0, 1, 1, 2]
    assert part.positives is not None and part.positives.tolist() == [[0, 0], [1, 0], [2, 1], [3, 1], [4, 2]]
    assert part.alike is not None and part.alike.tolist() == [[0, 2], [1, 2]]
    assert part.strata["even"].tolist() == [True, False, False, True, False]
    assert (part.class_names, part.prompts, part.notes) == (whole.class_names, whole.prompts, whole.notes)


def test_a_choice_needs_all_its_images() -> None:
    part = keep_images(choices(), KEEP)
    assert part.choices is not None and part.choices.tolist() == [
        [[0, 0], [0, 1]],
        [[1, 2], [2, 2]],
        [[2, 4], [2, 3]],
    ]
    assert part.sets is not None and part.sets.tolist() == [0, 1, 1]
    assert part.groups is not None and part.groups.tolist() == ["g0", "g2", "g3"]
    assert part.strata["last"].tolist() == [False, False, True]


def test_boxes_keep_the_texts_that_are_their_candidates() -> None:
    part = keep_images(boxes(), KEEP)
    assert part.boxes is not None and part.boxes.candidates is not None
    assert (part.boxes.ids, part.boxes.image.tolist()) == (["a", "c"], [0, 2])
    assert [text.id for text in part.texts] == ["t0", "t3", "t4", "t5"]
    assert part.boxes.candidates.tolist() == [[0, 1, -1], [3, 1, 2]]
    assert part.strata["x"].tolist() == [True, True]
    with pytest.raises(TaskError, match="none of these 1 images has a box"):
        keep_images(boxes(), np.array([False, False, True, False]))


def test_a_text_needs_all_images_that_it_is_compared_with() -> None:
    part = keep_images(galleries(), KEEP)
    assert [text.id for text in part.texts] == ["t1", "t2"]
    assert part.candidates is not None and part.candidates.tolist() == [[0, 0], [0, 1], [1, 1], [1, 2]]
    assert part.positives is not None and part.positives.tolist() == [[0, 0], [1, 1]]


# Hashes as release 0.2 computed them. They identify the data of records, so that no change of the code may change them.
BEFORE = {
    "questions": "cdafff77a5590e8e81c75a28a077b713b8702879a7530a3e8e05feef0730f102",
    "choices": "09fc3b6fc15e7fea48f32f010d88d7834446e449d7ab0a72969e869de2650ad2",
    "boxes": "cd4676796d076b360b3c24f3e7c4218457e97e3f32ecdff6baf9a1407125dafb",
    "galleries": "b475e22fc98397601381170ce918ad400e7b179eb3b8c52b8448a6a09eab4c93",
}
MADE = {"questions": questions, "choices": choices, "boxes": boxes, "galleries": galleries}
NEW: dict[str, Any] = {"references": None, "options": None, "hints": None, "depths": None}


@pytest.mark.parametrize("name", MADE)
def test_hashes_of_data_are_those_of_earlier_releases(name: str) -> None:
    dataset = replace(MADE[name](), **NEW)
    found = data_hash(dataset, [f"k{row}" for row in range(len(dataset.images))], ["m"])
    assert found == BEFORE[name]


UNHASHED = {"owner", "class_names", "types", "agreement", "prompts", "notes"}


@pytest.mark.parametrize("name", sorted({each.name for each in fields(Dataset)} - {"masks", "depths", "images"}))
def test_every_field_enters_the_hash_or_is_known_not_to(name: str) -> None:
    changed = next(made() for made in MADE.values() if _changed(made(), name) is not None)
    keys = [""] * len(changed.images)
    before, after = (
        data_hash(changed, keys, []),
        data_hash(replace(changed, **{name: _changed(changed, name)}), keys, []),
    )
    assert (before == after) == (name in UNHASHED)


def test_contents_of_images_masks_and_depths_enter_the_hash() -> None:
    dataset, keys = questions(), list("abcd")
    found = {
        data_hash(dataset, keys, ["m"], ["d"]),
        data_hash(dataset, list("abcx"), ["m"], ["d"]),
        data_hash(dataset, keys, ["n"], ["d"]),
        data_hash(dataset, keys, ["m"], ["e"]),
        data_hash(dataset, keys, ["m"]),
    }
    assert len(found) == 5


def _changed(dataset: Dataset, name: str) -> Any:
    """Return another value of a field, or None if the dataset does not have it."""
    value = getattr(dataset, name)
    if value is None or (isinstance(value, list | dict) and not value):
        return None
    if name == "trues":
        return 2
    if name == "boxes":
        return replace(value, corners=value.corners + 1)
    if name == "texts":
        return [replace(value[0], text="another"), *value[1:]]
    if name == "strata":
        return {group: ~mask for group, mask in value.items()}
    if isinstance(value, np.ndarray):
        return ~value if value.dtype == bool else value[::-1]
    return [*value[:-1], value[0]]
