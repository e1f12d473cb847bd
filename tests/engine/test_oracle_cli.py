"""One checkpoint on real pictures through our run and through clip-benchmark's own command line, sample by sample.

clip-benchmark needs an environment of its own (benchmarks/README.md); GOLDIEVAL_ORACLE_PYTHON names its python.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from goldieval.engine.run import evaluate
from goldieval.records.files import find_records, read_outcomes, read_record
from goldieval.records.schema import Record

CHECKOUT = Path(__file__).resolve().parents[2]
SHARED_DATA = CHECKOUT.parent / "shared/data"
ORACLE = os.environ.get("GOLDIEVAL_ORACLE_PYTHON", "")
ARCHITECTURE = "ViT-S-32-alt"  # the smallest of open_clip's with a plain causal text tower: 43 M parameters
PICTURES, PAIRED = 100, 40
METRIC = 1e-4
# Cosines closer than this are ties to us and noise to a float32 matrix product: only there may a prediction differ.
TIE, LOGIT_SCALE = 1e-6, 100.0

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not ORACLE, reason="set GOLDIEVAL_ORACLE_PYTHON to the oracle environment's python"),
    pytest.mark.skipif(not SHARED_DATA.is_dir(), reason="no ../shared/data with real pictures beside the checkout"),
]


@dataclass
class Both:
    """What both programs say. outcomes and theirs: by set; keys: sample keys in the order in which the peer reads."""

    records: dict[str, Record]
    outcomes: dict[str, dict[str, np.ndarray]]
    theirs: dict[str, dict[str, float]]
    logits: np.ndarray
    labels: np.ndarray
    keys: list[str]


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Both:
    work = tmp_path_factory.mktemp("oracle")
    local = _local_webdatasets()
    cifar10 = local.export_classification("cifar10", work / "data", PICTURES)
    coco = local.export_retrieval("coco_mini", work / "data", PAIRED)
    checkpoint = local.make_checkpoint(ARCHITECTURE, work / "epoch_1.pt")
    cards = [str(exported.card) for exported in (cifar10, coco)]
    evaluate(
        f"open_clip:{ARCHITECTURE}@{checkpoint}", cards, out=work / "ours", cache=False, offline=True, device="cpu"
    )
    files = {read_record(file).task.name: file for file in find_records(work / "ours")}
    records = {exported.name: read_record(files[exported.task]) for exported in (cifar10, coco)}
    outcomes = {
        exported.name: read_outcomes(files[exported.task], records[exported.name]) for exported in (cifar10, coco)
    }
    theirs = {exported.name: _peer_metrics(exported, checkpoint, work) for exported in (cifar10, coco)}
    _peer_predictions(cifar10, checkpoint, work / "peer")
    logits, labels = (np.load(work / "peer" / f"{name}.npy") for name in ("logits", "labels"))
    return Both(records, outcomes, theirs, logits, labels, cifar10.keys)


def test_labels_and_predictions_are_the_same_for_every_picture(both: Both) -> None:
    mine = both.outcomes["cifar10"]
    row_of = {id: row for row, id in enumerate(mine["sample_id"])}
    rows = [row_of[key] for key in both.keys]
    np.testing.assert_array_equal(mine["label"][rows], both.labels)
    best_two = np.sort(both.logits, axis=1)[:, -2:] / LOGIT_SCALE
    clear = best_two[:, 1] - best_two[:, 0] > 2 * TIE
    predictions = both.logits.argmax(axis=1)
    np.testing.assert_array_equal(mine["prediction"][rows][clear], predictions[clear])
    assert clear.sum() >= PICTURES - 1
    assert len(set(predictions)) > 1, "a constant prediction would prove nothing"


def test_ranks_of_the_true_class_are_the_same_for_every_picture(both: Both) -> None:
    mine = both.outcomes["cifar10"]
    row_of = {id: row for row, id in enumerate(mine["sample_id"])}
    rows = [row_of[key] for key in both.keys]
    true = np.take_along_axis(both.logits, both.labels[:, None], axis=1)
    low = 1 + (both.logits > true + 2 * TIE * LOGIT_SCALE).sum(axis=1)
    high = (both.logits >= true - 2 * TIE * LOGIT_SCALE).sum(axis=1)
    assert (mine["rank_low"][rows] >= low).all()
    assert (mine["rank_high"][rows] <= high).all()


def test_accuracy_and_mean_per_class_recall_are_the_same(both: Both) -> None:
    ours, theirs = both.records["cifar10"].values(), both.theirs["cifar10"]
    assert {name: ours[name] for name in theirs} == pytest.approx(theirs, abs=METRIC)


def test_recall_both_ways_is_the_same(both: Both) -> None:
    ours = both.records["coco_mini"].values()
    # We share the hit of a tie, the peer gives it to whichever is ahead in the last bits.
    theirs, most = both.theirs["coco_mini"], METRIC + both.records["coco_mini"].ties.gap
    for k in (1, 5, 10):
        assert ours[f"t2i_r{k}"] == pytest.approx(theirs[f"image_retrieval_recall@{k}"], abs=most)
        assert ours[f"i2t_r{k}"] == pytest.approx(theirs[f"text_retrieval_recall@{k}"], abs=most)


def _peer_metrics(exported: Any, checkpoint: Path, work: Path) -> dict[str, float]:
    output = work / f"{exported.name}.json"
    task = "zeroshot_retrieval" if exported.retrieval else "zeroshot_classification"
    command = [ORACLE, "-m", "clip_benchmark.cli", "eval", "--dataset", f"wds/{exported.name}", "--task", task]
    command += ["--dataset_root", str(exported.folder), "--no_amp", "--num_workers", "1", "--recall_k", "1", "5", "10"]
    command += ["--pretrained", str(checkpoint), "--model", ARCHITECTURE, "--output", str(output)]
    _run(command)
    metrics: dict[str, float] = json.loads(output.read_text())["metrics"]
    return metrics


def _peer_predictions(exported: Any, checkpoint: Path, output: Path) -> None:
    script = CHECKOUT / "benchmarks/clip_benchmark_predictions.py"
    command = [ORACLE, str(script), "--model", ARCHITECTURE, "--pretrained", str(checkpoint), "--name", exported.name]
    _run([*command, "--root", str(exported.folder), "--output", str(output)])


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"HF_HUB_OFFLINE": "1"})
    assert done.returncode == 0, done.stderr[-3000:]


def _local_webdatasets() -> ModuleType:
    """Import the benchmarks' helper, which is no part of the package."""
    found = importlib.util.spec_from_file_location("local_webdatasets", CHECKOUT / "benchmarks/local_webdatasets.py")
    assert found is not None and found.loader is not None
    module = importlib.util.module_from_spec(found)
    sys.modules["local_webdatasets"] = module
    found.loader.exec_module(module)
    return module
