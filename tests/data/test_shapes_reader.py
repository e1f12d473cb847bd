"""The shapes source of a card: what it refuses, and its datasets."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import PIL
import pytest
import torch
from pydantic import ValidationError

from goldieval.core.errors import TaskError
from goldieval.data.shapes.draw import instance_mask
from goldieval.data.shapes.language import short_captions
from goldieval.data.shapes.reader import SceneImage, ShapesSource
from goldieval.data.shapes.relevance import satisfies
from goldieval.data.shapes.segments import SceneMask
from goldieval.data.shapes.world import HELD_OUT, SEEN_CLASSES, sample_scene
from goldieval.families.mmseg_parts import areas
from goldieval.metrics import miou
from goldieval.scoring.windows import SlidingLogits, spread


def source(**changes: Any) -> ShapesSource:
    return ShapesSource(**{"reader": "shapes", "content": "retrieval", "scenes": 128, "resolution": 32, **changes})


def test_zeroshot_dataset() -> None:
    data = source(content="zeroshot").read(Path("nowhere"))
    assert len(data.images) == 128 and data.class_names is not None and data.labels is not None
    assert data.class_names[:2] == ["red circle", "red square"] and len(set(data.class_names)) == 64
    assert np.bincount(data.labels, minlength=64).tolist() == [2] * 64
    assert data.images[5].source.open().size == (32, 32)
    assert (data.images[5].id, data.images[5].path) == ("test-dominant-000005", "")


def test_retrieval_dataset_has_all_positives() -> None:
    data = source(captions_per_scene=3).read(Path("nowhere"))
    assert len(data.texts) == 384 and data.positives is not None and data.owner is not None
    assert [text.id for text in data.texts[2:4]] == ["test-000000#2", "test-000001#0"]
    scenes = [sample_scene("test", index) for index in range(128)]
    captions = [caption for scene in scenes for caption in short_captions(scene, 3)]
    assert [text.text for text in data.texts] == [text for text, _ in captions]
    found = set(map(tuple, data.positives.tolist()))
    assert found == {(t, i) for t, (_, q) in enumerate(captions) for i, s in enumerate(scenes) if satisfies(q, s)}
    assert {(text, image) for text, image in enumerate(data.owner.tolist())} < found


def test_the_key_covers_everything_that_affects_the_image_and_draws_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("the key must not draw")

    image = SceneImage(sample_scene("test", 0), 64)
    keys = [image.key(), SceneImage(sample_scene("test", 1), 64).key(), SceneImage(image.scene, 65).key()]
    with monkeypatch.context() as patch:
        patch.setattr("goldieval.data.shapes.reader.draw", refuse)
        assert image.key() == keys[0] == SceneImage(sample_scene("test", 0), 64).key()
        patch.setattr("goldieval.data.shapes.reader.DRAWING_VERSION", -1)
        keys.append(image.key())
    monkeypatch.setattr(PIL, "__version__", "0.0")
    keys.append(image.key())
    assert len(set(keys)) == 5
    assert all(len(key) == len(hashlib.sha256().hexdigest()) for key in keys)


def test_more_scenes_than_the_split_has() -> None:
    with pytest.raises(TaskError, match="2,001 scenes requested, but the test split has 1 to 2,000"):
        source(scenes=2_001).read(Path())


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"scenes": 0}, "scenes"),
        ({"resolution": 15}, "resolution"),
        ({"captions_per_scene": 0}, "captions_per_scene"),
        ({"split": "exam"}, "split"),
        ({"content": "poetry"}, "content"),
        ({"size": 3}, "size"),
    ],
)
def test_wrong_fields_are_refused(changes: dict[str, Any], key: str) -> None:
    with pytest.raises(ValidationError, match=key):
        source(**changes)


def test_nothing_is_needed_on_disk() -> None:
    assert source().needs() == []


def test_dense_probe_has_the_classes_of_train_and_no_label_for_others() -> None:
    data = source(content="dense-probe", scenes=60, train_scenes=50).read(Path("nowhere"))
    assert data.train is not None and data.masks is not None and data.class_names is not None
    held_out = {f"{colour} {shape}" for colour, shape in HELD_OUT}
    assert len(data.class_names) == 56 and not held_out & set(data.class_names)
    ids = [image.id for image in data.images]
    assert data.train.sum() == 50 and [id.startswith("train") for id in ids] == data.train.tolist()
    unlabelled = 0
    for id, mask in zip(ids, data.masks, strict=True):
        split, _, index = id.partition("-")
        scene = sample_scene("train" if split == "train" else "test", int(index))
        instances, read = instance_mask(scene, 32), mask.read()
        assert read.max() >= 0, "a scene without any class of train is left out"
        for number, obj in enumerate(scene.objects, start=1):
            name = f"{obj.colour} {obj.shape}"
            label = -1 if name in held_out else data.class_names.index(name)
            unlabelled += label == -1
            assert (read[instances == number] == label).all()
        assert (read[instances == 0] == -1).all()
    assert unlabelled > 0 and len({mask.key() for mask in data.masks}) == len(data.masks)


def test_masks_of_other_classes_have_other_keys() -> None:
    """And the key of all 64 classes is the one that results of the past hold."""
    scene = sample_scene("test", 0)
    assert SceneMask(scene, 32).key() != SceneMask(scene, 32, SEEN_CLASSES).key()
    assert SceneMask(scene, 32).key() == hashlib.sha256(f"{scene.to_json()}\n32\nmask, drawing 1".encode()).hexdigest()


def test_scores_of_patches_can_label_almost_every_pixel() -> None:
    """The ceiling that the card of the dense probe states, with an 8 x 8 grid of patches: distances to each class."""
    data = source(content="dense-probe", scenes=60, train_scenes=1, resolution=128).read(Path("nowhere"))
    assert data.train is not None and data.masks is not None
    matrix, total = spread(64, 128, 8, 64, 32), np.zeros((4, 56), dtype=np.int64)
    centres = np.arange(8) * 16 + 7.5
    for mask in [mask for mask, train in zip(data.masks, data.train, strict=True) if not train]:
        truth = mask.read()
        present = np.unique(truth[truth >= 0])
        scores = [_nearness(centres, *np.nonzero(truth == label)) for label in present]
        logits = SlidingLogits(torch.tensor(np.stack(scores)), matrix, matrix).whole()
        predicted = torch.from_numpy(present[logits.argmax(0).numpy()].astype(np.int64))
        total += areas(predicted, torch.from_numpy(truth.astype(np.int64)), 56)
    assert np.nanmean(miou.per_class(total)[0]) > 0.999


def _nearness(centres: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Minus the distance from the centre of each patch to the nearest of the pixels."""
    squares = (centres[:, None, None] - rows) ** 2 + (centres[None, :, None] - columns) ** 2
    return -np.sqrt(squares.min(-1)).astype(np.float32)
