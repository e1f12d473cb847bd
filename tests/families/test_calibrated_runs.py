"""Calibration of whole evaluations: the model's own temperature, and what a record says where there is none."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import card, goldieval, picture, toy_model

from goldieval import evaluate
from goldieval.goldiclip.checkpoint import CheckpointInfo, save_weights
from goldieval.goldiclip.config import ModelConfig
from goldieval.goldiclip.model import GoldiClip
from goldieval.models.temperature import UNKNOWN, factor_of
from goldieval.records.files import find_records, read_outcomes, read_record
from goldieval.records.schema import Record

TEMPERED = ("ece", "ece_adaptive", "nll", "brier")


def drawn(folder: Path, scenes: int = 60) -> str:
    return str(
        card(
            folder, "shapes", "zeroshot", headline="acc1", params={"prompts": ["a large {c}"]},
            source={"content": "zeroshot", "scenes": scenes, "path": ""},
        )
    )  # fmt: skip


def run(folder: Path, model: str, *options: str) -> tuple[Record, dict[str, np.ndarray]]:
    ran = goldieval("run", "--model", model, "--tasks", drawn(folder), "--out", folder / "out", *options)
    assert ran.code == 0, ran.err
    (file,) = find_records(folder / "out")
    record = read_record(file)
    return record, read_outcomes(file, record)


def test_global_scores_are_calibrated_by_the_temperature_of_the_model(tmp_path: Path) -> None:
    record, columns = run(tmp_path, "goldiclip", "--scoring", "global")
    assert {*TEMPERED, "ece_classwise"} <= set(record.metrics)
    assert record.calibration is not None and record.model.logit_factor is not None
    assert f"{record.model.logit_factor:.6g} x similarity" in record.calibration.probabilities
    assert record.calibration.missing == "" and set(record.calibration.bias) == {"ece", "ece_adaptive"}
    assert sum(each.count for each in record.calibration.bins) == 60 == len(columns["confidence"])
    assert record.metrics["nll"].value == pytest.approx(columns["nll"].mean(), rel=1e-6)
    assert columns["right_score"].dtype == np.float32
    wrong = columns["place"] > 0
    lead = np.exp(record.model.logit_factor * (columns["right_score"] - columns["wrong_score"]).astype(float))
    true = np.exp(-columns["nll"].astype(float))
    np.testing.assert_allclose(true[wrong] / columns["confidence"][wrong], lead[wrong], rtol=1e-3)


def test_text_conditioned_scores_have_no_classwise_error_and_shortlists_no_probabilities(tmp_path: Path) -> None:
    record, _ = run(tmp_path, "goldiclip")
    assert record.task.scoring == "conditioned" and set(TEMPERED) <= set(record.metrics)
    assert record.calibration is not None and "computed twice" in record.calibration.missing
    (tmp_path / "short").mkdir()
    record, columns = run(tmp_path / "short", "goldiclip", "--scoring", "shortlist:8")
    assert record.calibration is not None and "shortlist" in record.calibration.missing
    assert not set(TEMPERED) & set(record.metrics) and "confidence" not in columns
    assert record.calibration.probabilities == "" and record.calibration.bins == []


def test_text_conditioned_scores_of_a_model_with_a_scale_for_them_are_calibrated_by_it(tmp_path: Path) -> None:
    sizes = ModelConfig(conditioned_scale=True, merges=300)
    module, file = GoldiClip(sizes, math.log(30), 0.0, (math.log(7), -3.0)), tmp_path / "own.safetensors"
    save_weights(module, CheckpointInfo(sizes), file)
    for mode, factor in (("global", 30), ("conditioned", 7)):
        (tmp_path / mode).mkdir()
        record, _ = run(tmp_path / mode, f"goldiclip@{file}", "--scoring", mode)
        assert record.model.logit_factor == pytest.approx(factor, rel=1e-5)
        assert record.calibration is not None and f"{factor} x similarity" in record.calibration.probabilities


def test_a_model_without_a_temperature_says_so_when_it_is_shown(tmp_path: Path) -> None:
    for label in ("cat", "dog"):
        for number in range(6):
            picture(tmp_path / "data" / label / f"{number}.png", number + 10 * (label == "dog"))
    file = card(
        tmp_path, "folder", "zeroshot", headline="acc1", params={"prompts": ["a {c}"], "class_names": ["cat", "dog"]}
    )
    ran = goldieval("run", "--model", toy_model(tmp_path), "--tasks", file, "--out", tmp_path / "out")
    assert ran.code == 0 and "calibration" not in ran.out
    shown = goldieval("show", tmp_path / "out")
    assert "no calibration: the temperature of this model is not known" in " ".join(shown.out.split())
    ((record,),) = [json.loads(goldieval("show", tmp_path / "out", "--json").out)]
    assert record["model"]["logit_factor"] is None and not set(TEMPERED) & set(record["metrics"])


class Module(torch.nn.Module):
    def __init__(self, scale: torch.Tensor | float | None) -> None:
        super().__init__()
        self.logit_scale = scale if scale is None or isinstance(scale, float) else torch.nn.Parameter(scale)
        self.map = torch.nn.Linear(3, 4)


@pytest.mark.parametrize(
    ("scale", "factor"),
    [
        (torch.tensor(math.log(100.0)), 100.0),
        (torch.tensor([math.log(10.0)]), 10.0),
        (torch.tensor(math.log(1 / 0.07)), 1 / 0.07),
        (torch.tensor(100.0), None),  # already a factor: exp(100) is none
        (torch.tensor([1.0, 2.0]), None),
        (torch.tensor(float("nan")), None),
        (100.0, None),
        (None, None),
    ],
)
def test_factor_is_the_exponential_of_one_number(scale: torch.Tensor | float | None, factor: float | None) -> None:
    found = factor_of(Module(scale))
    assert found == (None if factor is None else pytest.approx(factor, rel=1e-6))
    module = Module(torch.tensor(1.0))
    setattr(module, UNKNOWN, True)
    assert factor_of(module) is None


def test_probes_by_logistic_regression_are_calibrated_and_votes_are_not(tmp_path: Path) -> None:
    source = {"content": "probe", "scenes": 40, "train_scenes": 150, "path": ""}
    for method, has in (("logistic", True), ("knn", False)):
        file = card(tmp_path, "shapes", "probe", headline="acc1", params={"method": method}, source=source)
        (record,) = evaluate("goldiclip", str(file), out=None, cache=False)
        assert record.status == "ok", record.reason
        assert (set(TEMPERED) <= set(record.metrics)) is has
        assert (record.calibration is not None) is has
