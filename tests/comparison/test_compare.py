"""``goldieval compare``: sides, pairing, refusals, verdicts, seeds, curves, flipped queries and output."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from comparison_records import classified, segmented
from helpers import card, class_folders, goldieval, one_line, retrieval_embeddings, toy_model
from scipy.stats import binomtest
from synthetic_records import made, write

import goldieval as library
from goldieval.core.errors import GoldievalError


def hits(rights: int, count: int = 400, shift: int = 0) -> np.ndarray:
    return np.roll(np.arange(count) < rights, shift) * 1.0


@pytest.fixture(autouse=True)
def _place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Records of two models, of which B is 20 points better."""
    classified(tmp_path / "results", "toy:a", hits(200), fingerprint="aaaa1111")
    classified(tmp_path / "results", "toy:b", hits(280), fingerprint="bbbb2222")
    return tmp_path / "results"


# Sides


@pytest.mark.parametrize("a", ["toy:a", "aaaa", "results/toy_a-aaaa1111", "results/toy_a-*", "{file}"])
def test_a_side_is_a_spec_a_fingerprint_a_folder_a_glob_or_a_file(results: Path, a: str) -> None:
    file = next(results.rglob("toy_a*/*.json"))
    found = library.compare(a.format(file=file), "toy:b", results)
    (row,) = found.rows
    assert (row.a, row.b, row.gains, row.losses, row.verdict) == (0.5, 0.7, 80, 0, "better")
    assert row.p == row.p_alone == pytest.approx(binomtest(80, 80).pvalue)
    assert found.frame().verdict.tolist() == ["better"]


def test_sides_the_other_way_round_turn_the_verdict(results: Path) -> None:
    (row,) = library.compare("toy:b", "toy:a", results).rows
    assert row.verdict == "worse" and row.high < 0 and (row.gains, row.losses) == (0, 80)


@pytest.mark.parametrize(
    ("a", "b", "line"),
    [
        ("toy:a", "toy:new", "no record of toy:new in results. Did you mean toy:b, toy:a? "
         "To make it: goldieval run --model toy:new --tasks mine --out results"),
        ("toy:x y", "toy:a", "goldieval run --model 'toy:x y' --tasks mine --out results"),
        ("random:1", "random:2", "run --model random:1 --model random:2 --tasks retrieval,zeroshot --out results"),
        ("ffff", "toy:a", "no record in results has a fingerprint that begins with ffff."),
        ("no/such", "toy:a", "no/such: no such record, folder or model"),
        ("toy.txt", "toy:a", "toy.txt is not a record"),
    ],
)  # fmt: skip
def test_a_side_without_records_is_one_line_with_the_command_that_makes_them(
    results: Path, a: str, b: str, line: str
) -> None:
    Path("toy.txt").write_text("{}")
    ran = goldieval("compare", a, b)
    assert ran.code == 2 and ran.out == "" and line in one_line(ran.err)


def test_a_fingerprint_of_two_models_must_be_longer(results: Path) -> None:
    classified(results, "toy:c", hits(9), fingerprint="aaaa3333")
    ran = goldieval("compare", "aaaa", "toy:b")
    assert ran.code == 2 and "2 models have fingerprints that begin with aaaa" in one_line(ran.err)


def test_broken_records_are_one_line(results: Path) -> None:
    file = next(results.rglob("toy_a*/*.json"))
    file.with_suffix(".parquet").write_bytes(b"other")
    ran = goldieval("compare", "toy:a", "toy:b")
    assert ran.code == 2 and "do not match" in one_line(ran.err)
    file.write_text(file.read_text()[:100])
    ran = goldieval("compare", "toy:a", "toy:b")
    assert ran.code == 2 and str(file.name) in one_line(ran.err)
    file.write_text('{"schema_version": 99}')
    ran = goldieval("compare", "toy:a", "toy:b")
    assert ran.code == 2 and "upgrade" in one_line(ran.err)


# Pairing


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"sha256": "e" * 64}, "not the same samples: data dddddddd under A, eeeeeeee under B"),
        ({"card_sha256": "f" * 64}, "not the same samples: card cccccccc under A, ffffffff under B"),
        ({"limit": 300}, "not the same samples: subset all under A, 300 images under B"),
        ({"version": 2}, "not the same samples: version of the task 1 under A, 2 under B"),
        ({"unreadable": {"i3": "truncated"}}, "unreadable pictures none under A, i3 under B"),
        ({"status": "failed"}, "mine: B failed: it broke"),
        ({"ids": np.array([f"x{row}" for row in range(400)], dtype=object)}, "the sample ids of A and B differ"),
    ],
)
def test_other_samples_are_refused_in_one_line(tmp_path: Path, changes: dict, line: str) -> None:
    classified(tmp_path / "results", "toy:a", hits(200))
    classified(tmp_path / "results", "toy:b", hits(280), **changes)
    ran = goldieval("compare", "toy:a", "toy:b")
    assert ran.code == 2 and ran.out == "" and line in one_line(ran.err)


def test_one_task_refused_leaves_the_others_and_exits_1(results: Path) -> None:
    classified(results, "toy:a", hits(100), task="other", fingerprint="aaaa1111")
    classified(results, "toy:b", hits(100), task="other", fingerprint="bbbb2222", sha256="e" * 64)
    classified(results, "toy:b", hits(100), task="third", fingerprint="bbbb2222")
    ran = goldieval("compare", "toy:a", "toy:b")
    assert ran.code == 1 and "1 better, 0 worse" in ran.out
    assert "not compared, other: not the same samples" in ran.out
    assert "A has no record of third" in ran.out and "goldieval run --model toy:a --tasks third" in ran.out.replace(
        "\n", " "
    )
    assert goldieval("compare", "toy:a", "toy:b", "--tasks", "mine").code == 0


def test_samples_are_paired_by_id_not_by_place(tmp_path: Path) -> None:
    order = np.random.default_rng(0).permutation(400)
    ids = np.array([f"i{row}" for row in order], dtype=object)
    classified(tmp_path / "results", "toy:a", hits(200))
    classified(tmp_path / "results", "toy:b", hits(200)[order], ids=ids)
    (row,) = library.compare("toy:a", "toy:b").rows
    assert (row.gains, row.losses, row.p) == (0, 0, 1.0)


def test_another_precision_is_compared_and_said(tmp_path: Path) -> None:
    classified(tmp_path / "results", "toy:a", hits(200))
    classified(tmp_path / "results", "toy:b", hits(210), precision="bf16")
    assert "precision fp32 and bf16" in goldieval("compare", "toy:a", "toy:b").out


# Verdicts


def test_holm_counts_every_task(tmp_path: Path) -> None:
    """One task of ten differs with p 0.02: alone it would be called better."""
    for number in range(10):
        classified(tmp_path / "results", "toy:a", hits(200), task=f"t{number}")
        better = hits(200) + (np.arange(400) >= 392) - (np.arange(400) < 1) if number == 0 else hits(200)
        classified(tmp_path / "results", "toy:b", better, task=f"t{number}")
    rows = library.compare("toy:a", "toy:b").rows
    assert rows[0].p_alone == pytest.approx(binomtest(1, 9).pvalue) and rows[0].p_alone < 0.05
    assert rows[0].p == pytest.approx(10 * rows[0].p_alone) and rows[0].verdict == "not separable"
    (alone,) = library.compare("toy:a", "toy:b", tasks=["t0"]).rows
    assert alone.verdict == "better" and alone.minimum_detectable_difference < rows[0].minimum_detectable_difference


def test_miou_is_compared_where_the_outcomes_hold_areas(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    union = generator.integers(50, 100, (200, 4))
    inside = [np.minimum(union, generator.integers(low, 80, (200, 4))) for low in (10, 30)]
    for spec, each in zip(("toy:a", "toy:b"), inside, strict=True):
        segmented(tmp_path / "results", spec, each, union)
    (row,) = library.compare("toy:a", "toy:b").rows
    assert row.a == pytest.approx(np.mean(inside[0].sum(0) / union.sum(0)))
    assert row.verdict == "better" and "bootstrap" in row.method


def test_all_metrics_names_what_the_outcomes_do_not_hold(tmp_path: Path) -> None:
    folder = retrieval_embeddings(tmp_path / "given")
    other = retrieval_embeddings(tmp_path / "other")
    np.save(other / "text_embeddings.npy", np.load(other / "text_embeddings.npy")[::-1])
    for each in (folder, other):
        assert goldieval("run", "--model", f"embeddings:{each}", "--tasks", f"{folder}/card.yaml").code == 0
    found = library.compare(f"embeddings:{folder}", f"embeddings:{other}", all_metrics=True)
    tested = {row.metric for row in found.rows}
    assert tested == {f"{side}_{kind}" for side in ("t2i", "i2t") for kind in ("r1", "r5", "r10", "mean_rank")}
    assert any("t2i_median_rank, i2t_median_rank" in note for note in found.notes)
    for row, pair in zip(found.rows, found.pairs, strict=True):
        assert row.a == pytest.approx(pair.a.record.metrics[row.metric].value)
        assert row.b == pytest.approx(pair.b.record.metrics[row.metric].value)


def test_scores_are_those_of_the_records_for_classification_too(tmp_path: Path) -> None:
    class_folders(tmp_path / "data", {"cat": 3, "dog": 2, "fish": 2, "bird": 1, "bee": 1, "ant": 1})
    spec = toy_model(tmp_path)
    assert goldieval("run", "--model", spec, "--tasks", card(tmp_path)).code == 0
    found = library.compare("toy", "toy", all_metrics=True)
    assert [row.metric for row in found.rows] == ["acc1", "acc5", "mean_per_class_recall"]
    for row, pair in zip(found.rows, found.pairs, strict=True):
        assert row.a == row.b == pytest.approx(pair.a.record.metrics[row.metric].value)
        assert row.verdict == "not separable" and row.p == 1


# Seeds and curves


def seeds(out: Path, stem: str, share: float, spread: float, count: int = 3) -> None:
    generator = np.random.default_rng(len(stem))
    for seed in range(count):
        rights = generator.random(500) < share + spread * (seed - (count - 1) / 2)
        training = {"recipe": "r", "images_seen": 1000, "seed": seed}
        classified(out, f"toy:{stem}{seed}", rights * 1.0, fingerprint=f"{stem}{seed}" + "0" * 60, **training)


def test_seeds_that_scatter_hide_a_difference_that_one_pair_would_show(tmp_path: Path) -> None:
    seeds(tmp_path / "results", "aa", 0.45, 0.12)
    seeds(tmp_path / "results", "bb", 0.55, 0.12)
    (row,) = library.compare("toy:aa*", "toy:bb*").rows
    assert row.seeds == (3, 3) and row.verdict == "not separable"
    assert row.seed_error > 2 * row.sample_error
    assert library.compare("toy:aa0", "toy:bb2").rows[0].verdict == "better"
    said = goldieval("compare", "toy:aa*", "toy:bb*").out.replace("\n", " ")
    assert "3 and 3 seeds: scores scatter between seeds by 9.1 under A, 9.2 under B" in said


def test_seeds_of_a_recipe_that_always_wins_are_told_apart(tmp_path: Path) -> None:
    seeds(tmp_path / "results", "aa", 0.4, 0.0)
    seeds(tmp_path / "results", "bb", 0.7, 0.0)
    (row,) = library.compare("toy:aa*", "toy:bb*").rows
    assert row.verdict == "better" and row.a == pytest.approx(0.4, abs=0.05)
    assert row.seed_sd[0] < 0.05 and row.low < row.difference < row.high


def test_a_glob_over_checkpoints_gives_a_curve_and_tests_the_last(tmp_path: Path) -> None:
    for step, seen in ((9, 900), (10, 1000)):
        classified(tmp_path / "results", f"toy:c@step-{step}.pt", hits(20 * step), images_seen=seen, recipe="r")
    classified(tmp_path / "results", "toy:b", hits(300))
    found = library.compare("toy:c@step-*.pt", "toy:b")
    assert [(point.side, point.images_seen) for point in found.curve] == [("A", 900), ("A", 1000), ("B", None)]
    (row,) = found.rows
    assert row.a == 0.5 and any("the last is tested, toy:c@step-10.pt" in note for note in found.notes)
    assert "by images seen" in goldieval("compare", "toy:c@step-*.pt", "toy:b").out
    (seeded,) = library.compare("toy:c@step-*.pt", "toy:b", seeds=True).rows
    assert seeded.seeds == (2, 1) and seeded.seed_sd[1] is None


# What is printed


def test_output_fits_80_columns_and_says_what_could_be_seen(results: Path) -> None:
    ran = goldieval("compare", "toy:a", "toy:b")
    assert ran.code == 0 and ran.err == "" and "\x1b" not in ran.out
    assert max(len(line) for line in ran.out.splitlines()) <= 80
    for words in (
        "+20.0",
        "better",
        "MDD",
        "minimum detectable difference",
        "exact McNemar",
        "B gains 80 queries and loses 0",
        "1 better, 0 worse",
    ):
        assert words in ran.out.replace("\n", " ")


def test_json_is_the_comparison_and_nothing_else(results: Path) -> None:
    ran = goldieval("compare", "toy:a", "toy:b", "--json", "--samples", "2")
    said = json.loads(ran.out)
    assert said["rows"][0]["verdict"] == "better" and said["a"][0]["spec"] == "toy:a"
    assert said["rows"][0]["a_record"].endswith(".json")
    assert [len(each) for each in said["flips"]] == [2]


def test_samples_lists_what_flipped_each_way(tmp_path: Path) -> None:
    classified(tmp_path / "results", "toy:a", hits(200))
    classified(tmp_path / "results", "toy:b", hits(200, shift=5), images=np.array([f"p{n}.jpg" for n in range(400)]))
    found = goldieval("compare", "toy:a", "toy:b", "--samples", "3").out
    lines = [line.split() for line in found.splitlines() if line.strip().startswith(("gained", "lost"))]
    assert [line[0] for line in lines] == ["gained"] * 3 + ["lost"] * 3
    assert {line[1] for line in lines[:3]} <= {f"i{n}" for n in range(200, 205)}
    assert {line[1] for line in lines[3:]} <= {f"i{n}" for n in range(5)}


def test_compare_writes_nothing(results: Path, tmp_path: Path) -> None:
    before = {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*")}
    goldieval("compare", "toy:a", "toy:b", "--samples", "3")
    assert {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*")} == before


def test_nothing_in_common_is_an_error(tmp_path: Path) -> None:
    classified(tmp_path / "results", "toy:a", hits(10), task="random:1")
    classified(tmp_path / "results", "toy:b", hits(10), task="two")
    with pytest.raises(GoldievalError, match=r"nothing to compare: A has no record of two\. To make it: goldieval run"):
        library.compare("toy:a", "toy:b")


def test_tasks_that_all_failed_are_an_error_with_a_reason(tmp_path: Path) -> None:
    failed = [made("cifar10", spec, status="failed", reason="no", metrics={}) for spec in ("toy:a", "toy:b")]
    write(tmp_path / "results", *failed)
    with pytest.raises(GoldievalError, match="nothing to compare: every task of both failed"):
        library.compare("toy:a", "toy:b", tmp_path / "results")
