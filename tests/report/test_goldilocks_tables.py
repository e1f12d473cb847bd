"""Tables, verdicts and figures of the study ``goldilocks``, from made-up run files."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import goldilocks_figures
import goldilocks_table
from goldilocks_cases import HEADLINES, START, bench_run, ladder
from goldilocks_study import run_files
from goldilocks_study.claims import verdicts
from goldilocks_study.plan import load_plan
from goldilocks_study.plan_types import Claim, Gate
from goldilocks_study.scores import Scores, refusal
from study_table import START as MARK
from trainings import Planned

from goldieval.goldiclip.recipe_files import load_recipe


def claim(kind: str, target: float = 0.0, columns: tuple[str, ...] = ("zero-shot",), need: int | None = None) -> Claim:
    return Claim.model_validate(
        {"says": "", "plus": ["images/h"], "minus": ["images/b"], "columns": columns, "kind": kind, "target": target,
         "need": need}
    )  # fmt: skip


def judged(folder: Path, *claims: Claim) -> list[str]:
    return [whole for _, _, whole in verdicts(claims, Scores.read(folder))]


# Verdicts


def test_a_difference_is_tested_by_the_pooled_t_test_and_all_tests_together_by_holm(tmp_path: Path) -> None:
    first, second = [30.0, 32.0, 31.5], [34.0, 33.0, 35.5, 35.0, 34.1]
    for row, values in (("b", first), ("h", second)):
        for seed, value in enumerate(values):
            bench_run(tmp_path, "images", row, seed, {"zero-shot": value, "question": 40 + value / 10})
    oracle = stats.ttest_ind(second, first)
    low, high = oracle.confidence_interval(0.95)
    ((_, parts, _),) = verdicts([claim("at_least", 1.0, ("zero-shot", "question"))], Scores.read(tmp_path))
    test = parts[0].test
    assert test and test.difference == pytest.approx(np.mean(second) - np.mean(first))
    assert (test.p, test.half) == (pytest.approx(oracle.pvalue), pytest.approx((high - low) / 2))
    assert parts[0].p == pytest.approx(2 * oracle.pvalue)  # two tests of equal p
    ((_, parts, _),) = verdicts([claim("within", 6.0)], Scores.read(tmp_path))
    error = (high - low) / 2 / stats.t.ppf(0.975, 6)
    assert parts[0].p == pytest.approx(stats.t.sf((6 - test.difference) / error, 6))


@pytest.mark.parametrize(
    ("kind", "target", "higher", "spread", "verdict"),
    [
        ("at_least", 5, 8, 1, "met"),
        ("at_least", 5, 3, 0.1, "missed"),  # significant, and too small
        ("at_least", 5, 8, 20, "not separable"),
        ("at_least", 5, 0, 1, "missed"),  # not significant, but 5 is outside of its interval
        ("at_least", 5, -8, 1, "missed"),
        ("at_least", 0, 8, 1, "met"),
        ("at_least", 0, 0, 1, "not separable"),
        ("not_lower", 0, 0.1, 9, "met"),
        ("not_lower", 0, -0.1, 9, "not separable"),
        ("not_lower", 0, -8, 1, "missed"),
        ("within", 5, 1, 1, "met"),
        ("within", 5, -1, 1, "met"),
        ("within", 5, 4, 4, "not separable"),
        ("within", 5, -9, 1, "missed"),
        ("report", 0, 8, 1, "higher"),
        ("report", 0, -8, 1, "lower"),
        ("report", 0, 1, 9, "not separable"),
    ],
)
def test_each_kind_of_claim(
    tmp_path: Path, kind: str, target: float, higher: float, spread: float, verdict: str
) -> None:
    ladder(tmp_path, {"b": 45, "h": 45 + higher}, spread=spread)
    assert judged(tmp_path, claim(kind, target)) == [verdict]


def test_a_claim_about_several_columns_counts_them(tmp_path: Path) -> None:
    for row, changes in (("b", {}), ("h", {"zero-shot": 30.0, "question": 30.0})):
        for seed in range(3):
            bench_run(tmp_path, "images", row, seed, {**dict.fromkeys(HEADLINES, 40.0), **changes} | {"objects": seed})
    five = [claim("not_lower", columns=HEADLINES, need=need) for need in (3, 4, 5)]
    assert judged(tmp_path, *five) == ["met", "missed", "missed"]


def test_without_runs_or_with_one_seed_there_is_no_verdict(tmp_path: Path) -> None:
    bench_run(tmp_path, "images", "b", 0, {"zero-shot": 10})
    assert judged(tmp_path, claim("at_least", 5)) == ["no runs yet"]
    bench_run(tmp_path, "images", "h", 0, {"zero-shot": 90})
    assert judged(tmp_path, claim("at_least", 5)) == ["not separable"]


# Tables


def page(folder: Path) -> Path:
    results = folder / "results/goldilocks"
    results.mkdir(parents=True)
    (results / "README.md").write_text(f"before\n{MARK}\nformer\n<!-- end of tables -->\nafter\n")
    return results


def table(folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[int, str]:
    monkeypatch.setattr(sys, "argv", ["goldilocks_table.py", "--out", str(folder)])
    code = goldilocks_table.main()
    return code, (folder / "results/goldilocks/README.md").read_text()


def test_the_page_is_written_from_the_run_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    results = page(tmp_path)
    ladder(results, {"b": 40, "c": 47, "h": 52})
    ladder(results, {"b": 44}, group="time")
    ladder(results, {"b-900": 20, "c-900": 30}, seeds=3, group="length")
    code, text = table(tmp_path, monkeypatch)
    assert code == 0 and text.startswith("before") and text.endswith("after\n") and "former" not in text
    assert "| (b) CLIP | 5 | 115,200 | 500 | 40.0 ± " in text and "| (e) " in text and ": no run yet |" in text
    assert "SuperCLIP's claim" not in text  # a panel without a run
    assert "| text-conditioned contrast: (c) over (b) | zero-shot | +5 | +7.0 ± 2.0 | < 0.001 | met |" in text
    assert "|  | objects | +5 | +7.0 ± 2.0 | < 0.001 | met |\n|  | **all** |  |  |  | **met** |" in text
    assert "| distillation: (e) over (c) | question | +3 | - | - | no runs yet |" in text
    assert "| equal processor time: (h) over (b) | retrieval T2I | none | +8.0 ± " in text
    assert (
        "### length: at the end, on scenes of the validation split" in text and "| c-900 | 3 | 115,200 | 500 |" in text
    )
    assert "| after so many steps |  | 300 | 600 |" in text and "|  | (h) | 26.0 | 52.0 |" in text
    assert table(tmp_path, monkeypatch)[1] == text


def test_no_table_of_rows_where_clip_is_near_chance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    results = page(tmp_path)
    ladder(results, {"b": 12, "h": 52})
    ladder(results, {"b-900": 20}, seeds=3, group="length")
    code, text = table(tmp_path, monkeypatch)
    assert code == 1 and "(b) CLIP" not in text and "| b-900 |" in text
    assert (
        "images/b lies between 30% and 60% of the way from chance to ceiling in fewer than 3 columns (zero-shot 12%"
        in text
    )
    with pytest.raises(SystemExit, match="no table of rows"):
        list(goldilocks_figures.draw(results, tmp_path))


def test_the_gate_counts_columns(tmp_path: Path) -> None:
    gate = Gate(row="images/b", low=0.3, high=0.6, columns=list(HEADLINES), need=3)
    assert "there are no runs of images/b" in refusal(gate, Scores.read(tmp_path))
    values = dict(zip(HEADLINES, (31, 59, 61, 29, 45), strict=True))
    bench_run(tmp_path, "images", "b", 0, values)
    assert refusal(gate, Scores.read(tmp_path)) == ""
    bench_run(tmp_path, "images", "b", 0, values | {"with answer": 62})
    assert "in fewer than 3 columns" in refusal(gate, Scores.read(tmp_path))


def test_unequal_processor_times_and_files_that_are_no_runs_are_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = page(tmp_path)
    ladder(results, {"b": 40, "h": 52})
    for seed in range(3):
        bench_run(results, "time", "b", seed, dict.fromkeys(HEADLINES, 40.0), processor_seconds=600.0)
    (results / "images-c-seed0.json").write_text('{"row": "c"}')
    code, text = table(tmp_path, monkeypatch)
    assert code == 1 and "time/b took 1.20 times the processor time of (h)." in text
    assert "images-c-seed0.json is not a run of a study: " in text


def test_files_that_would_be_counted_wrongly_are_said_and_left_out(tmp_path: Path) -> None:
    first = bench_run(tmp_path, "images", "b", 0, {"zero-shot": 40})
    (tmp_path / "images-b-seed1.json").write_text(first.read_text())  # a copy, not another seed
    curves = {"step": [600], "losses/softmax": [float("nan")]}
    bench_run(tmp_path, "images", "b", 2, {"zero-shot": 40}, curves=curves)
    bench_run(tmp_path, "images", "b", 3, {"zero-shot": 41}, shares={"background": float("inf")})
    bench_run(tmp_path, "images", "b", 4, {"zero-shot": 42}, start="6" * 64)
    scores = Scores.read(tmp_path)
    assert scores.of("images/b", "zero-shot") == {0: pytest.approx(40), 4: pytest.approx(42)}
    said = "\n".join(scores.faults)
    assert len(scores.faults) == 4 and said.count("finite number") == 2
    assert "images-b-seed1.json holds run images-b-seed0; it is not used" in said
    assert "has runs with different starts: 555555555555, 666666666666" in said


def test_single_seeds_have_differences_without_intervals(tmp_path: Path) -> None:
    ladder(tmp_path, {"b": 40, "c": 47}, seeds=1)
    text = goldilocks_table.verdict_table(load_plan(), Scores.read(tmp_path))
    assert "| zero-shot | +5 | +7.0 | - | not separable |" in text and "nan" not in text


def test_a_trial_gets_the_page_of_the_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    results = tmp_path / "results/goldilocks"
    results.mkdir(parents=True)
    code, text = table(tmp_path, monkeypatch)
    assert code == 1 and "no table of rows yet" in text and text.startswith("# ")
    (results / "README.md").write_text("no markers")
    with pytest.raises(SystemExit, match="between which its tables are written"):
        table(tmp_path, monkeypatch)


# Figures


def test_figures_are_drawn_from_the_run_files_and_are_the_same_again(tmp_path: Path) -> None:
    ladder(tmp_path, {"b": 40, "c": 47, "h": 52}, seeds=2)
    ladder(tmp_path, {"b": 44}, seeds=2, group="time")
    for row in ("b-2500", "h-2500"):
        bench_run(tmp_path, "scenes", row, 0, dict.fromkeys(HEADLINES, 25.0), scenes=2_500)
    drawn = [list(goldilocks_figures.draw(tmp_path, out)) for out in (tmp_path, tmp_path)]
    assert [file.name for file in drawn[0]] == [f"goldilocks-{name}.svg" for name in goldilocks_figures.FIGURES]
    first = {file.name: file.read_bytes() for file in drawn[0]}
    assert all(file.read_bytes() == first[file.name] for file in drawn[1])
    assert (
        b"unique scenes, thousands" in first["goldilocks-data-efficiency.svg"]
        and b"softmax" in first["goldilocks-weights.svg"]
    )


def test_figures_without_runs_are_not_drawn(tmp_path: Path) -> None:
    ladder(tmp_path, {"b": 40}, seeds=2)
    names = [file.name for file in goldilocks_figures.draw(tmp_path, tmp_path)]
    assert names == [f"goldilocks-{name}.svg" for name in ("ladder", "equal-time", "strata")]


# Run files


def test_a_run_file_of_another_recipe_or_start_is_refused(tmp_path: Path) -> None:
    file = bench_run(tmp_path, "images", "b", 0, {"zero-shot": 40})
    changes = {"seed": 0, "init": "elsewhere/start", "save_every": 7}
    assert run_files.fault_of(file, Planned("x", "goldilocks/b_clip", changes), START) == ""
    assert "began with the start 555" in run_files.fault_of(file, Planned("x", "goldilocks/b_clip", changes), "6")
    for key, value, says in (
        ("data.captions", 3, "data.captions 2, not 3"),
        ("seed", 1, "seed 0, not 1"),
        ("scoring", "conditioned", "scoring global, not conditioned"),
    ):
        other = Planned("x", "goldilocks/b_clip", {**changes, key: value})
        assert f"was trained with {says}" in run_files.fault_of(file, other, START)
    file.write_text("{}")
    assert "is not a run file" in run_files.fault_of(file, Planned("x", "goldilocks/b_clip", {}), START)


def test_a_field_that_recipes_did_not_have_then_does_not_matter(tmp_path: Path) -> None:
    file = bench_run(tmp_path, "images", "b", 0, {"zero-shot": 40})
    content = json.loads(file.read_text())
    del content["recipe"]["data"]["first_scene"]
    file.write_text(json.dumps(content))
    assert run_files.fault_of(file, Planned("x", "goldilocks/b_clip", {}), START) == ""


def test_curves_are_means_of_equal_parts() -> None:
    log = [
        {
            "step": step,
            "losses": {"softmax": float(step)} | ({"vqa": 1.0} if step % 2 else {}),
            "weights": {"softmax": 2.0},
        }
        for step in range(1, 91)
    ]
    log[-1]["losses"] = {"softmax": 90.0, "vqa": 1.0}
    found = run_files.curves(log)
    assert len(found["step"]) == run_files.POINTS and found["step"][-1] == 90
    assert (
        found["losses/softmax"][0] == 2.0 and set(found["losses/vqa"]) == {1.0} and set(found["weights/softmax"]) == {2}
    )
    short = run_files.curves(log[-2:])
    assert short["step"] == [89, 90] and short["losses/softmax"] == [89.0, 90.0]
    del log[-2]["losses"]["vqa"]  # alone in its part
    with pytest.raises(ValueError, match="at least one"):
        run_files.curves(log[-2:])


def test_a_run_file_is_checked_before_it_is_written(tmp_path: Path) -> None:
    content = json.loads(bench_run(tmp_path, "images", "b", 0, {"zero-shot": 40, "question": 30}).read_text())
    run_files.write(tmp_path / "new.json", content)
    assert json.loads((tmp_path / "new.json").read_text()) == content
    with pytest.raises(ValueError, match="start"):
        run_files.write(tmp_path / "wrong.json", {**content, "start": None})
    assert not (tmp_path / "wrong.json").exists()


def test_committed_run_files_are_small_and_begin_with_the_committed_start() -> None:
    folder = goldilocks_table.Folders().results
    files = sorted(folder.glob("*-seed*.json"))
    assert all(file.stat().st_size < 100_000 for file in files)
    assert not Scores.read(folder).faults
    starts = {run.start for run in Scores.read(folder).runs}
    assert starts <= ({json.loads((folder / "start.json").read_text())["fingerprint"]} if starts else set())
    assert load_recipe(load_plan().start.recipe).objectives == {"token_classes": 1.0}
