"""The plan and the statistics of the ablation; the trainings are run manually."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import ablation
import ablation_table
import study_table
from synthetic_records import study_run

from goldieval.goldiclip.recipe_files import load_recipe
from goldieval.metrics.pooled import half_width, minimum_detectable_difference, pooled
from goldieval.report.table_spec import load_spec

RATES = dict.fromkeys(ablation.ROWS, 100.0) | {"h": 40.0}


def test_the_plan_is_the_one_announced() -> None:
    """Five seeds for (b) and (h), three for the others; for the curve, two seeds at two other sizes."""
    planned = list(ablation.runs(list(ablation.ROWS)))
    assert len({run.name for run in planned}) == len(planned) == 63
    at_20k = Counter(run.row for run in planned if run.scenes == 20_000)
    assert at_20k == {**dict.fromkeys(ablation.ROWS, 3), "b": 5, "h": 5}
    curve = Counter((run.row, run.scenes) for run in planned if run.scenes != 20_000)
    assert curve == dict.fromkeys([("b", 5_000), ("b", 80_000), ("h", 5_000), ("h", 80_000)], 2)
    seeds = [run.seed for run in planned]
    assert seeds == sorted(seeds)  # a cut ablation is a whole one with fewer seeds


def test_rows_train_equally_long_but_for_the_one_at_equal_compute() -> None:
    for row in set(ablation.ROWS) - {"i"}:
        changes = ablation.changes_of(ablation.Run(row, 1), RATES, 600)
        assert changes["optimiser.steps"] == (1500 if row == "j" else 600)  # (j): 600 steps at 100 / 40
        recipe = load_recipe(ablation.ROWS[row].recipe, changes)
        assert (recipe.seed, recipe.data.scenes, recipe.evaluation.every) == (1, 20_000, recipe.optimiser.steps)


def test_the_last_row_takes_the_weights_that_were_learned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ablation, "RESULTS", tmp_path)
    with pytest.raises(SystemExit, match="run row h first"):
        ablation.learned_weights()
    for seed, weight in enumerate((0.2, 0.4)):
        (tmp_path / f"h-20000-seed{seed}.json").write_text(json.dumps({"weights": {"softmax": weight, "vqa": 1.0}}))
    assert ablation.learned_weights() == {"softmax": pytest.approx(0.3), "vqa": 1.0}


def test_intervals_are_students() -> None:
    """With one row the pooled interval is the t interval; with two rows it is that of the pooled t test."""
    first, second = [10.0, 12.0, 11.5], [14.0, 13.0, 15.5, 15.0, 14.1]
    low, high = stats.t.interval(0.95, 2, np.mean(first), stats.sem(first))
    assert half_width(*pooled([first]), 1 / 3) == pytest.approx((high - low) / 2)
    deviation, freedom = pooled([first, second])
    width = half_width(deviation, freedom, 1 / 3 + 1 / 5)
    test = stats.ttest_ind(second, first).confidence_interval(0.95)
    assert freedom == 6
    assert (test.high - test.low) / 2 == pytest.approx(width)


def test_the_minimum_detectable_difference_is_found_four_times_of_five() -> None:
    """Also with few degrees of freedom, where a sum of Student's quantiles would be too small."""
    deviation, seeds, runs, freedom = 1.3, 3, 20_000, 4
    generator = np.random.default_rng(0)
    spread = deviation * np.sqrt(generator.chisquare(freedom, runs) / freedom)
    reported = np.mean([minimum_detectable_difference(each, freedom, seeds) for each in spread[:2000]])
    means = generator.normal([0, reported], deviation / np.sqrt(seeds), (runs, 2))
    found = np.abs(means[:, 1] - means[:, 0]) > half_width(1.0, freedom, 2 / seeds) * spread
    assert found.mean() == pytest.approx(0.8, abs=0.02)
    assert np.isnan(minimum_detectable_difference(float("nan"), 0, 3))


def test_tables_are_written_from_the_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for seed, value in enumerate((0.10, 0.11, 0.12)):
        for row, more in (("b", 0.0), ("h", 0.2)):
            study_run(tmp_path, f"{row}-20000", row, seed, {"shapes-retrieval": value + more}, scenes=20_000)
    study_run(tmp_path, "h-5000", "h", 0, {"shapes-retrieval": 0.05}, scenes=5_000)
    (tmp_path / "README.md").write_text(f"before\n{study_table.START}\nformer\n{study_table.END}\nafter\n")
    monkeypatch.setattr(ablation_table, "RESULTS", tmp_path)
    ablation_table.main()
    text = (tmp_path / "README.md").read_text()
    assert text.startswith("before") and text.endswith("after\n") and "former" not in text
    assert "| (b) CLIP with the same captions as all rows below | 3 | 40,000 | 50 | 11.0 ± 1.6 |" in text
    assert "| (b) to (h) | **+20.0 ± 2.3** | - |" in text
    assert "| (h) | 5,000 | 8.0 | 5.0 |" in text


def test_the_tables_rows_are_the_plans() -> None:
    study = load_spec("ablation").panels[0].study
    assert study and list(study.rows) == list(ablation.ROWS) and study.scenes == ablation.SCENES
    for row, title in study.rows.items():
        named = load_recipe(ablation.ROWS[row].recipe).title.removeprefix("ablation ")
        assert row == "j" or title == named.replace(": ", " ", 1)
