"""The model-index block: huggingface_hub reads back what the records say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from helpers import goldieval, one_line
from huggingface_hub import EvalResult
from huggingface_hub.repocard_data import model_index_to_eval_results
from synthetic_records import made, share, write

from goldieval.records.parts import MeasuredMetric
from goldieval.records.schema import DataPart, Record
from goldieval.tasks.catalogue import Catalogue


def block(folder: Path, *arguments: str) -> tuple[str, list[EvalResult], str]:
    """Return the model's name and results as huggingface_hub parses them, and the warnings."""
    ran = goldieval("show", folder, "--format", "model-card", *arguments)
    assert ran.code == 0, ran.err
    content: Any = yaml.safe_load(ran.out)
    assert list(content) == ["model-index"]
    return *model_index_to_eval_results(content["model-index"]), ran.err


def fetched(record: Record, origin: str) -> Record:
    return record.model_copy(update={"data": DataPart(**(record.data.model_dump() | {"origins": [origin]}))})


def test_it_comes_back_as_results(tmp_path: Path) -> None:
    metrics = {"t2i_r1": share(0.4, 5000), "i2t_r1": share(0.6, 5000), "t2i_mean_rank": share(1.0, 3)}
    card = Catalogue().tasks["coco-karpathy"].hash
    coco = made("coco-karpathy", "mine", metrics=metrics, card_sha256=card)
    coco = fetched(coco, "clip-benchmark/wds_mscoco_captions@abc123")
    name, results, warned = block(write(tmp_path, coco, made("cifar10", "mine", 0.25, n=10_000)))
    assert (name, warned) == ("mine", "")
    found = {(result.dataset_config, result.metric_type): result for result in results}
    assert list(found) == [("cifar10", "accuracy"), ("coco-karpathy", "t2i_r1"), ("coco-karpathy", "i2t_r1")]
    recall = found["coco-karpathy", "t2i_r1"]
    assert recall.metric_value == 0.4 and recall.metric_name == "T2I R@1" and recall.verified is None
    assert recall.task_type == "image-text-retrieval" and recall.dataset_split == "test"
    assert recall.dataset_name == "MS-COCO captions, Karpathy test split"
    assert (recall.dataset_type, recall.dataset_revision) == ("clip-benchmark/wds_mscoco_captions", "abc123")
    assert recall.dataset_args and recall.dataset_args["protocol"] == coco.task.protocol
    assert recall.metric_args and recall.metric_args["n"] == 5000 and recall.metric_args["low_95"] < 0.4
    accuracy = found["cifar10", "accuracy"]
    assert accuracy.task_type == "zero-shot-image-classification" and accuracy.dataset_revision is None


def test_two_settings_of_a_task_are_two_entries(tmp_path: Path) -> None:
    write(tmp_path, made("cifar10", "mine", 0.25), made("cifar10", "mine", 0.75, scoring="conditioned"))
    _, results, _ = block(tmp_path)
    assert sorted(result.metric_value for result in results) == [0.25, 0.75]
    assert len({result.dataset_config for result in results}) == 2
    assert (
        len(yaml.safe_load(goldieval("show", tmp_path, "--format", "model-card").out)["model-index"][0]["results"]) == 2
    )


def test_subsets_and_drawn_scenes_are_named_as_such(tmp_path: Path) -> None:
    shapes = made("shapes-zeroshot", "mine")
    shapes = shapes.model_copy(update={"data": DataPart(source="shapes")})
    _, results, _ = block(write(tmp_path, made("cifar10", "mine", limit=200), shapes))
    names = [result.dataset_name for result in results]
    assert names[0].endswith(", a subset of 200 images") and "self-test on generated scenes" in names[1]


def test_incomplete_records_are_left_out_and_named(tmp_path: Path) -> None:
    partial = made("cars", "mine", status="partial", reason="3 unreadable images left out")
    failed = made("cifar100", "mine", status="failed", reason="no such file", metrics={})
    _, results, warned = block(write(tmp_path, made("cifar10", "mine"), partial, failed))
    assert [result.dataset_config for result in results] == ["cifar10"]
    assert len(warned.splitlines()) == 2 and "cars is not in the block: partial: 3 unreadable" in warned
    only = goldieval("show", write(tmp_path / "only", partial), "--format", "model-card")
    assert only.code == 2 and "no complete record of mine" in one_line(only.err)


def test_one_of_several_models_is_chosen_or_asked_for(tmp_path: Path) -> None:
    one, other = made("cifar10", "one", 0.25), made("cifar10", "other", 0.75)
    write(tmp_path, one, other)
    refused = one_line(goldieval("show", tmp_path, "--format", "model-card").err)
    assert "these are 2" in refused and "one (" in refused and "other (" in refused and "--model" in refused
    assert [result.metric_value for result in block(tmp_path, "--model", "other")[1]] == [0.75]
    assert block(tmp_path, "--model", one.model.fingerprint[:10])[0] == "one"
    assert "no records of it. There are: one, other." in one_line(
        goldieval("show", tmp_path, "--format", "model-card", "--model", "third").err
    )


def test_a_reconstruction_does_not_have_the_name_of_the_paper(tmp_path: Path) -> None:
    notice = "GoldiCLIP-R (reconstruction): tiny"
    name, _, _ = block(write(tmp_path, made("cifar10", "goldiclip", notice=notice, recipe="goldiclip-tiny")))
    assert name == "GoldiCLIP-R (reconstruction), goldiclip-tiny"


def test_hostile_text_stays_text(tmp_path: Path) -> None:
    record = made("cifar10", "a: [b]\x1b[31m\u202e\n- c", title="x\nmodel-index: []")
    name, results, _ = block(write(tmp_path, record))
    assert name == "a: [b]\\x1b[31m\\u202e\\n- c" and results[0].dataset_name == "x\\nmodel-index: []"


def test_a_folder_of_this_machine_is_not_published(tmp_path: Path) -> None:
    record = made("cifar10", "mine", card_sha256="0" * 64)
    record = record.model_copy(update={"data": DataPart(source="/home/me/secret")})
    write(tmp_path, record)
    assert (
        block(tmp_path)[1][0].dataset_type == "cifar10"
        and "secret" not in goldieval("show", tmp_path, "--format", "model-card").out
    )


def test_metrics_without_an_interval(tmp_path: Path) -> None:
    metric = MeasuredMetric(value=0.5, low=None, high=None, n=1, clusters=1, method="none", unreliable="one class")
    _, (result,), _ = block(write(tmp_path, made("cifar10", "mine", metrics={"acc1": metric})))
    assert result.metric_args == {"unit": "fraction", "n": 1, "unreliable_interval": "one class"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--format", "latex"), "there is only model-card"),
        (("--format", "model-card", "--json"), "choose one"),
        (("--model", "mine"), "--model is for --format model-card"),
    ],
)
def test_options_that_do_not_fit_are_one_line(arguments: tuple[str, ...], said: str, tmp_path: Path) -> None:
    ran = goldieval("show", write(tmp_path, made("cifar10", "mine")), *arguments)
    assert ran.code == 2 and said in one_line(ran.err)
