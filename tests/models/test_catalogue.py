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
    *("iiw-long", "docci-long", "voc20", "fgovd-hard", "fgovd-medium", "fgovd-easy", "fgovd-trivial"),
}
SHARED = Path(__file__).parents[3] / "shared"
REFERENCES = [SHARED / "specs" / f"reference_numbers{end}.csv" for end in ("", "_2")]
OPEN_CLIP = SHARED / "data" / "oracles" / "open_clip"  # its tables of results, and the columns of what rows cite
COLUMNS = {
    ("cifar10", "acc1"): ("openclip_results", "CIFAR-10"),
    ("imagenet", "acc1"): ("openclip_results", "ImageNet 1k"),
    ("imagenet-v2", "acc1"): ("openclip_results", "ImageNet v2"),
    ("coco-karpathy", "i2t_r1"): ("openclip_retrieval_results", "MSCOCO text retr. R@1"),
    ("coco-karpathy", "t2i_r1"): ("openclip_retrieval_results", "MSCOCO image retr. R@1"),
}
ON_THE_HUB = ("fgclip", "fgclip2", "huggingface")  # families whose NAME is a repository


def test_rows_name_known_tasks_and_metrics_that_their_cards_have() -> None:
    cards = Catalogue().tasks
    for checkpoint in checkpoints():
        for number in checkpoint.published:
            assert number.task in TASKS, number
            if number.task in cards:
                assert number.metric in cards[number.task].card.metrics(), number


def rows_of(file: Path) -> list[dict[str, str]]:
    with file.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


@pytest.mark.skipif(not REFERENCES[1].is_file(), reason="the reference numbers do not lie beside the checkout")
def test_every_value_is_one_that_was_published() -> None:
    printed = {(row["source"], float(row["value"])) for file in REFERENCES for row in rows_of(file)}
    tables = {name: rows_of(OPEN_CLIP / f"{name}.csv") for name in {table for table, _ in COLUMNS.values()}}
    for checkpoint in checkpoints():
        for number in checkpoint.published:
            known = [value / 100 for source, value in printed if source == number.source]
            table, column = COLUMNS.get((number.task, number.metric), ("", ""))
            if f"docs/{table}.csv" in number.source:
                weights = number.source.rpartition("] ")[2].split("/")
                known += [float(row[column]) for row in tables[table] if [row["name"], row["pretrained"]] == weights]
            assert any(abs(value - number.value) < 5e-7 for value in known), number


def test_every_checkpoint_is_one_that_its_family_can_load() -> None:
    for checkpoint in checkpoints():
        spec = parse_spec(checkpoint.model)
        assert spec.family in model_families()
        if spec.name.startswith("hf-hub:"):
            assert spec.family == "open_clip" and checkpoint.hub == spec.name.removeprefix("hf-hub:")
        elif spec.family in ON_THE_HUB:
            assert checkpoint.hub == spec.name
        elif spec.family == "open_clip" and not spec.where:
            assert checkpoint.architecture in open_clip.list_models()
            architecture, _, tag = spec.name.partition("/")
            known = get_pretrained_cfg(architecture, tag)
            assert known and checkpoint.hub in (known.get("hf_hub", "").rstrip("/"), known.get("url", ""))
            assert bool(known.get("quick_gelu")) == bool(get_model_config(architecture).get("quick_gelu"))
        elif spec.name and spec.family != "open_clip":
            repository, file, revision = weights_of(spec.family, spec.name)
            assert checkpoint.hub == f"{repository}/{file}" and revision == checkpoint.revision
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
