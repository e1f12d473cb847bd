"""The estimate of a suite's cost: the work of cards, units that are never split, and what is printed."""

from __future__ import annotations

import json
import sys
from dataclasses import fields, replace
from pathlib import Path

import pytest

from goldieval.core.errors import GoldievalError

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import ranks
import suite_cost
import suite_flops
from suite_parts import Machine, Part, Phase
from suite_phases import phases
from suite_rates import Rates, read_rates
from suite_work import suite_work

RATES = Rates(
    hash_mb=1000, picture_s=0.002, megapixel_s=0.01, tokenized=10_000, images_cpu=2, texts_cpu=50, tower_share=0.9,
    global_pairs=5e7, conditioned_pairs=4e4, conditioned_share=0.5, task_s=0.02, text_s=2e-5, query_s=2e-5, row_s=3e-6,
    tally_s=1e-8, chunk_s=0.01, gathered=1e5, load_s=4, start_s=8, machine="made",
)  # fmt: skip
MACHINE = Machine(**{name: usual for name, (_, usual, _) in suite_cost.OPTIONS.items()})


@pytest.fixture
def measured(tmp_path: Path) -> Path:
    RATES.write(tmp_path / "rates.json")
    return tmp_path / "rates.json"


def test_every_task_of_the_suite_has_work_in_the_mode_of_its_card() -> None:
    work = {each.name: each for each in suite_work(["paper-goldiclip"], "conditioned", None)}
    assert len(work) == 18 and {each.mode for each in work.values()} == {"conditioned"}
    coco = work["coco-val2017"]
    assert (coco.images, coco.texts, coco.pairs, coco.queries) == (5000, 25014, 5000 * 25014, 30014)
    imagenet = work["imagenet"]
    assert (imagenet.texts, imagenet.candidates, imagenet.pairs) == (80_000, 1000, 50_000_000)
    assert work["docci-fg"].assumed and not coco.assumed


def test_a_requested_mode_replaces_that_of_the_model() -> None:
    (cifar,) = suite_work(["cifar10"], "conditioned", "global")
    names = [phase.name for phase in phases([cifar], RATES, MACHINE)]
    assert names == ["start", "reading", "texts", "pictures", "scoring", "rank 0"]


def test_a_family_that_is_not_estimated_is_an_error_that_names_it() -> None:
    with pytest.raises(GoldievalError, match="shapes-vqa: family vqa is not estimated"):
        suite_work(["shapes-vqa"], "conditioned", None)


def test_units_are_never_split() -> None:
    """1,000 pictures in batches of 64 are 16 units: further ranks have nothing to do."""
    part = Part("encoder", 160.0, units=16)
    assert [part.on(count) for count in (1, 5, 8, 15, 16, 64)] == [160, 40, 20, 20, 10, 10]


def test_ranks_of_a_node_share_its_storage() -> None:
    part = Part("storage", 80.0, units=10_000, node=8)
    assert [part.on(count) for count in (1, 8, 9, 64)] == [80, 80, 40, 10]


def test_the_slowest_of_overlapping_parts_bounds_a_phase() -> None:
    phase = Phase("task", "patches", (Part("decode", 10.0, 100), Part("encoder", 9.0)))
    assert (phase.slowest(1).bound, phase.on(1)) == ("decode", 10.0)
    assert (phase.slowest(100).bound, phase.on(100)) == ("encoder", 9.0)


def test_pictures_that_tasks_share_are_read_once_but_streamed_for_each() -> None:
    names = ["vqa-retrieval-recon-question", "vqa-retrieval-recon-question-answer"]
    found = [(phase.task, phase.name) for phase in phases(suite_work(names, "conditioned", None), RATES, MACHINE)]
    assert [task for task, name in found if name == "reading"] == names[:1]
    assert [task for task, name in found if name == "patches"] == names


def test_more_gpus_never_take_longer_except_for_gathers() -> None:
    found = list(phases(suite_work(["paper-goldiclip"], "conditioned", None), RATES, MACHINE))
    free = [replace(phase, parts=tuple(replace(part, gathered=0.0) for part in phase.parts)) for phase in found]
    times = [sum(phase.on(count) for phase in free) for count in (1, 2, 3, 8, 64, 1000)]
    assert times == sorted(times, reverse=True)
    alone = sum(phase.on(1) for phase in found if not phase.slowest(1).units)
    assert times[-1] >= alone


def test_operations_are_those_of_a_vit_b_16() -> None:
    """35.1 GFLOP of an image are 17.6 G multiply-adds, the published figure; 0.2 are the projected patches."""
    assert suite_flops.image_flop() == pytest.approx(35.1e9, rel=0.01)
    assert suite_flops.text_flop(77) == pytest.approx(5.96e9, rel=0.01)
    assert suite_flops.CONDITIONED_FLOP == 4 * 197 * 512 + 512 * 512 * 1.25


def test_rates_that_were_kept_are_used_again_and_what_is_no_rate_is_refused(measured: Path) -> None:
    assert read_rates(measured) == RATES
    assert set(suite_cost.MEANING) == {field.name for field in fields(Rates)} - {"machine"}
    measured.write_text(measured.read_text().replace('"hash_mb": 1000', '"hash_mb": 0'))
    with pytest.raises(GoldievalError, match="hash_mb: 0 is not a positive number"):
        read_rates(measured)
    measured.write_text("{}")
    with pytest.raises(GoldievalError, match="does not hold the rates of this version"):
        read_rates(measured)


@pytest.mark.parametrize("mode", ["auto", "global"])
def test_what_is_printed_fits_a_hundred_columns_and_says_what_is_assumed(
    mode: str, measured: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = "paper-goldiclip,voc20,sugarcrepe"
    assert suite_cost.main(["--measured", str(measured), "--tasks", names, "--scoring", mode]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if len(line) > 100] == []
    printed = "\n".join(lines)
    assert "measured (made)" in printed and "assumed (option)" in printed and "assumed counts: " in printed
    assert sum(line.startswith(("coco-val2017 ", "sun397 ", "voc20 ")) for line in lines) == 3


def test_a_file_that_is_missing_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert suite_cost.main(["--measured", str(tmp_path / "none.json")]) == 2
    printed = capsys.readouterr()
    assert not printed.out and printed.err.startswith("error: ") and printed.err.count("\n") == 1


def test_runs_that_differ_are_named(tmp_path: Path) -> None:
    for name, content in (("a", b"1"), ("b", b"2")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "task.parquet").write_bytes(content)
        (tmp_path / name / "task.json").write_text(json.dumps({"metrics": {"acc1": 0.5}, "run": {"seconds": name}}))
    first, other = (ranks.results(tmp_path / name) for name in ("a", "b"))
    assert ranks.differences(first, other) == ["task.parquet"]
    assert ranks.differences(first, first) == []
