"""Classification of images that may show several classes: the family, its reader, its records and their comparison."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from family_cases import compared
from helpers import toy_model
from sklearn.metrics import average_precision_score
from tiny_data import stand_in

from goldieval import compare, evaluate, load_task
from goldieval.core.errors import TaskError
from goldieval.data.image_source import NoImage
from goldieval.data.samples import AnnotatedImage, Dataset, ImageSample, dataset_of
from goldieval.data.subset import keep_images
from goldieval.engine.data_hash import data_hash
from goldieval.families.base import family_of
from goldieval.scoring.similarities import GlobalSimilarity
from goldieval.tasks.card import load_card

NAMES = ["cat", "dog", "sofa"]


def _data(count: int = 30, seed: int = 0) -> Dataset:
    shown = np.random.default_rng(seed).random((count, len(NAMES))) < 0.4
    shown[0] = True
    return Dataset([ImageSample(str(n), NoImage()) for n in range(count)], class_names=NAMES, shown=shown)


def _unit(*shape: int) -> torch.Tensor:
    return torch.nn.functional.normalize(torch.randn(*shape, generator=torch.Generator().manual_seed(1)), dim=-1)


def test_each_class_ranks_all_images_by_the_ensemble_of_its_prompts() -> None:
    task = load_task("voc2007-multilabel").override({"prompts": ["a {c}", "the {c}"]})
    prepared = family_of("multilabel").prepare(task, _data())
    images, texts = _unit(30, 8), _unit(6, 8)
    scored = compared(family_of("multilabel"), prepared, GlobalSimilarity(images, texts))
    classes = torch.nn.functional.normalize(texts.view(3, 2, 8).mean(1), dim=-1)
    scores = (images @ classes.T).numpy()
    expected = np.mean([average_precision_score(prepared.shown[:, c], scores[:, c]) for c in range(3)])
    found = scored.metrics["mean_average_precision"]
    assert found.value == pytest.approx(expected, abs=1e-6) and found.n == 30
    assert found.chance is not None and 0.3 < found.chance < 0.8
    assert scored.outcomes["text"][0] == "cat, dog, sofa"


def test_a_record_is_written_read_and_compared(tmp_path: Path) -> None:
    copy = stand_in(load_task("voc2007-multilabel"), tmp_path)
    out = tmp_path / "results"
    model = toy_model(tmp_path)
    (record,) = evaluate(model, str(copy), out=out, cache=False)
    assert record.status == "ok" and record.headline is not None and record.headline.chance is not None
    (other,) = evaluate("random", str(copy), out=out, cache=False)
    assert other.status == "ok", other.reason
    (found,) = compare("toy", "random", results=out).rows
    assert other.headline is not None and found.metric == "mean_average_precision"
    assert (found.a, found.b) == (pytest.approx(record.headline.value), pytest.approx(other.headline.value))


def test_subsets_keep_the_classes_of_their_images_and_the_hash_sees_them() -> None:
    data = _data()
    assert data.shown is not None
    part = keep_images(data, np.arange(30) % 2 == 0)
    assert part.shown is not None and (part.shown == data.shown[::2]).all()
    keys = [str(n) for n in range(30)]
    other = replace(data, shown=~data.shown)
    assert data_hash(data, keys, []) != data_hash(other, keys, [])


@pytest.mark.parametrize("shown", [[1, 0], [1, 0, 2], None])
def test_an_image_without_one_number_for_each_class_is_refused(shown: list[int] | None) -> None:
    rows = [AnnotatedImage(ImageSample(str(n), NoImage()), shown=each) for n, each in enumerate([[1, 0, 0], shown])]
    with pytest.raises(TaskError, match="1 images have not one 0 or 1 for each of 3 classes: 1"):
        dataset_of(rows, NAMES)


def test_data_without_classes_or_with_other_ones_are_refused() -> None:
    task = load_task("voc2007-multilabel")
    prepare = family_of("multilabel").prepare
    with pytest.raises(TaskError, match="multilabel: true"):
        prepare(task, replace(_data(), shown=None))
    with pytest.raises(TaskError, match="none of these 30 images shows a class"):
        prepare(task, replace(_data(), shown=np.zeros((30, 3), dtype=bool)))
    with pytest.raises(TaskError, match="2 class names for 3 classes"):
        prepare(task.override({"class_names": ["cat", "dog"]}), _data())
    with pytest.raises(TaskError, match="another order"):
        prepare(task.override({"class_names": ["dog", "cat", "sofa"]}), _data())


def test_a_missing_array_is_one_line(tmp_path: Path) -> None:
    copy = stand_in(load_task("voc2007-multilabel"), tmp_path)
    task = load_card(copy)
    content = copy.read_text().replace("multilabel: true", "label: npy.30")
    copy.write_text(content)
    with pytest.raises(TaskError, match=r"\.npy holds 4 numbers, none at position 30"):
        load_card(copy).card.source.read(tmp_path / "data")
    assert task.card.source.read(tmp_path / "data").shown is not None
