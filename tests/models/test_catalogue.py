"""The catalogue of public checkpoints, its plan and its report."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import open_clip
import pytest
from helpers import goldieval
from open_clip.factory import get_model_config
from open_clip.pretrained import get_pretrained_cfg

from goldieval.core.errors import GoldievalError
from goldieval.models.checkpoints import checkpoints, weights_of
from goldieval.models.spec import parse_spec
from goldieval.tasks.catalogue import Catalogue
from goldieval.tasks.plugins import model_families

# What a row may name; cards that are not here yet are planned as such, and fail where they are verified.
TASKS = {
    *("coco-karpathy", "coco-val2017", "coco-val2017-first5", "flickr30k-test", "flickr30k-val"),
    *("imagenet", "imagenet-v2", "cifar10", "cifar100", "food101", "pets", "cars", "flowers102", "sun397"),
    *("fgvc-aircraft", "dtd", "caltech101-102", "docci-fg", "iiw-fg", "dci", "sv-1k", "sv-10k", "urban1k"),
    *("iiw-long", "docci-long", "voc20"),
}
REFERENCE = Path(__file__).parents[3] / "shared" / "specs" / "reference_numbers.csv"


def test_rows_name_known_tasks_and_metrics_that_their_cards_have() -> None:
    cards = Catalogue().tasks
    for checkpoint in checkpoints():
        for number in checkpoint.published:
            assert number.task in TASKS, number
            if number.task in cards:
                assert number.metric in cards[number.task].card.metrics(), number


@pytest.mark.skipif(not REFERENCE.is_file(), reason="the reference numbers do not lie beside the checkout")
def test_every_value_is_one_that_was_published() -> None:
    with REFERENCE.open(newline="", encoding="utf-8") as stream:
        printed = {(row["source"], float(row["value"])) for row in csv.DictReader(stream)}
    for checkpoint in checkpoints():
        for number in checkpoint.published:
            assert any(source == number.source and abs(value / 100 - number.value) < 5e-7 for source, value in printed)


def test_every_checkpoint_is_one_that_its_family_can_load() -> None:
    for checkpoint in checkpoints():
        spec = parse_spec(checkpoint.model)
        assert spec.family in model_families()
        if spec.family == "open_clip" and not spec.where:
            architecture, _, tag = spec.name.partition("/")
            known = get_pretrained_cfg(architecture, tag)
            assert known and checkpoint.hub in (known.get("hf_hub", "").rstrip("/"), known.get("url", ""))
            assert bool(known.get("quick_gelu")) == bool(get_model_config(architecture).get("quick_gelu"))
        elif spec.name and spec.family != "open_clip":
            repository, file, revision = weights_of(spec.family, spec.name)
            assert checkpoint.hub == f"{repository}/{file}" and revision == checkpoint.revision
        assert checkpoint.architecture in open_clip.list_models()
    with pytest.raises(GoldievalError, match="Did you mean cosmos_vitb16_cc3m"):
        weights_of("cosmos", "cosmos_vitb16_cc33m")


def test_the_plan_has_every_number_with_its_tolerance_and_runs_nothing() -> None:
    ran = goldieval("doctor", "--verify", "--all", "--plan")
    assert ran.code == 0
    total = sum(len(checkpoint.published) for checkpoint in checkpoints())
    assert ran.out.count(" ± ") == total and f"{total} numbers of" in ran.out and "hours" in ran.out
    quick = json.loads(goldieval("doctor", "--verify", "--plan", "--json").out)
    assert {line["task"] for line in quick} == {"coco-karpathy", "flickr30k-test", "pets"}
    refused = goldieval("doctor", "--plan")
    assert refused.code == 2 and "require --verify" in refused.err


def test_the_report_says_what_was_not_run(tmp_path: Path) -> None:
    file = tmp_path / "evidence.md"
    ran = goldieval("doctor", "--verify", "--offline", "--data-dir", tmp_path, "--device", "cpu", "--report", file)
    assert ran.code == 1
    text = file.read_text()
    assert "0 of 3 numbers matched, 0 did not, 3 were not run" in text and "| not run | pets mean_per_class" in text
    lost = goldieval("doctor", "--verify", "--offline", "--data-dir", tmp_path, "--report", tmp_path / "no" / "x.md")
    assert lost.code == 2 and "cannot write" in lost.err
