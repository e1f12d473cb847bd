"""The shapes source of a card: what it refuses, and its datasets."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import PIL
import pytest
from pydantic import ValidationError

from goldieval.core.errors import TaskError
from goldieval.data.shapes.language import short_captions
from goldieval.data.shapes.reader import SceneImage, ShapesSource
from goldieval.data.shapes.relevance import satisfies
from goldieval.data.shapes.world import sample_scene


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
