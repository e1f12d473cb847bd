"""The 40 sets of DataComp's evaluation: each has a card, with its counts and its main metric."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from goldieval.metrics.registry import metric_of
from goldieval.metrics.worst_group import worst_group
from goldieval.tasks.catalogue import Catalogue

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
TASKS = {
    **{"vtab/caltech101": "caltech101-102", "cifar10": "cifar10", "vtab/cifar100": "cifar100"},
    **{"vtab/clevr_count_all": "clevr-counts", "vtab/clevr_closest_object_distance": "clevr-distance"},
    **{"country211": "country211", "vtab/dtd": "dtd", "vtab/eurosat": "eurosat", "fgvc_aircraft": "fgvc-aircraft"},
    **{"food101": "food101", "gtsrb": "gtsrb", "imagenet1k": "imagenet", "imagenet_sketch": "imagenet-sketch"},
    **{"imagenetv2": "imagenet-v2", "imagenet-a": "imagenet-a", "imagenet-o": "imagenet-o", "imagenet-r": "imagenet-r"},
    **{"vtab/kitti_closest_vehicle_distance": "kitti-distance", "mnist": "mnist", "objectnet": "objectnet"},
    **{"vtab/flowers": "flowers102", "vtab/pets": "pets", "voc2007": "voc2007", "vtab/pcam": "pcam"},
    **{"renderedsst2": "rendered-sst2", "vtab/resisc45": "resisc45", "cars": "cars", "stl10": "stl10"},
    **{"sun397": "sun397", "vtab/svhn": "svhn", "misc/winogavil": "winogavil", "wilds/iwildcam": "iwildcam"},
    **{"retrieval/flickr_1k_test_image_text_retrieval": "flickr30k-test", "wilds/camelyon17": "camelyon17"},
    **{"retrieval/mscoco_2014_5k_test_image_text_retrieval": "coco-karpathy", "wilds/fmow": "fmow"},
    **{"fairness/dollar_street": "dollar-street", "fairness/geode": "geode"},
    **{"fairness/fairface": "fairface", "fairness/utkface": "utkface"},
}
# What DataComp calls its main metric, and what a card here has as its headline; top-1 where it names none.
METRICS = {
    "mean_per_class_recall": "mean_per_class_recall",
    "jaccard_score_10-12": "jaccard_10_12",
    "F1-macro_all": "macro_f1",
    "acc_worst_region": "worst_group_acc1",
    "acc_wg": "worst_group_acc1",
    "acc_top5_wg": "worst_group_acc5",
    "mean_recall@1": "t2i_r1",  # the mean of both directions is made of t2i_r1 and i2t_r1
    "": "acc1",
}


def test_every_set_has_a_card_and_every_headline_a_definition() -> None:
    cards = Catalogue().tasks
    assert len(TASKS) == 40 and set(TASKS.values()) <= set(cards)
    assert all(metric_of(cards[name].card.headline).pattern for name in TASKS.values())


@pytest.mark.skipif(not DATA.is_dir(), reason=f"no real data in {DATA}")
def test_counts_and_main_metrics_are_those_of_the_task_list() -> None:
    listed: dict[str, dict[str, Any]] = yaml.safe_load((DATA / "annotations/datacomp/tasklist.yml").read_text())
    assert set(listed) == set(TASKS)
    for key, about in listed.items():
        card = Catalogue().tasks[TASKS[key]].card
        count = card.expect.texts if card.family == "association" else card.expect.images
        assert count == about["size"], key
        if "num_classes" in about:
            assert card.expect.classes == about["num_classes"], key
        if key not in ("fairness/fairface", "fairness/utkface"):  # which have no main metric
            assert card.headline == METRICS[about.get("main_metric", "")], key


@pytest.mark.skipif(not DATA.is_dir(), reason=f"no real data in {DATA}")
@pytest.mark.parametrize("file", sorted((DATA / "oracles/mobileclip").glob("*.jsonl")), ids=lambda file: file.stem)
def test_worst_groups_are_those_of_real_models(file: Path) -> None:
    """From the number of images and of hits of each group; the six regions of FMoW include the one of four images."""
    results = {row["key"]: row["metrics"] for row in map(json.loads, file.read_text().splitlines())}
    kinds = (("wilds/fmow", "acc_region", "acc_worst_region", 6), ("fairness/geode", "acc_region", "acc_wg", 6))
    for key, name, main, count in (*kinds, ("fairness/dollar_street", "acc_top5_income_ds", "acc_top5_wg", 4)):
        found = results[key]
        sizes = [round(found[f"count_{name.removeprefix('acc_').removeprefix('top5_')}:{n}"]) for n in range(count)]
        hits = [round(found[f"{name}:{n}"] * size) for n, size in enumerate(sizes)]
        values = np.concatenate([np.arange(size) < right for size, right in zip(sizes, hits, strict=True)])
        assert worst_group(values * 1.0, np.repeat(np.arange(count), sizes)) == pytest.approx(found[main], abs=1e-6)
        card = Catalogue().tasks[TASKS[key]].card
        assert sum(sizes) == card.expect.images and len(card.params.groups) == count  # type: ignore[attr-defined]
