"""The plan of the study ``goldilocks``: what is trained, from which start, for how long, on which scenes."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import goldilocks
from goldilocks_study import plan as plans
from goldilocks_study.plan_types import Stage
from goldilocks_study.scores import BACKGROUND, columns
from trainings import Planned

from goldieval.goldiclip.recipe_files import load_recipe, recipe_names
from goldieval.report.table_spec import load_spec

PLAN = plans.load_plan()
START = Path("runs/goldilocks/start/step-001800")
STAGES: tuple[Stage, ...] = ("length", "choose", "final", "batches", "scenes")
RATES = dict.fromkeys(PLAN.rows, 0.25) | {"h": 0.5}


def planned(stage: Stage, steps: int | None = None) -> list[Planned]:
    return PLAN.of_stage(stage, RATES, START, steps)


def test_a_cut_stage_is_a_whole_one_with_fewer_seeds() -> None:
    names = [run.name for stage in STAGES for run in planned(stage)]
    assert len(set(names)) == len(names)
    for stage in STAGES:
        turns = [run.about["seed"] - PLAN.groups[run.about["group"]].first_seed for run in planned(stage)]
        assert turns == sorted(turns)


def test_a_part_of_a_stage_needs_the_rates_of_its_own_groups_alone() -> None:
    assert set(PLAN.groups_of("final")) == {"images", "time", "long"}
    assert set(PLAN.groups_of("final", "images-b")) == {"images"} and not PLAN.groups_of("final", "image-")
    found = PLAN.of_stage("final", {}, START, None, "images-b-")
    assert [run.name for run in found] == [f"images-b-seed{seed}" for seed in range(5)]


def test_there_are_five_seeds_where_a_claim_is_made() -> None:
    seeds = Counter((run.about["group"], run.about["row"]) for run in planned("final"))
    assert {row for (group, row), number in seeds.items() if group == "images" and number == 5} == set("bcefh")
    assert min(seeds.values()) >= 3 and {row for group, row in seeds if group == "images"} == set(PLAN.rows)


def test_choices_use_neither_the_scenes_nor_the_seeds_of_the_final_table() -> None:
    final = [run for stage in ("final", "batches") for run in planned(stage)]  # type: ignore[arg-type]
    chosen = [run for stage in ("length", "choose") for run in planned(stage)]  # type: ignore[arg-type]
    used = [range(recipe.data.first_scene, recipe.data.first_scene + recipe.data.scenes)
            for run in final for recipe in [run.whole()]]  # fmt: skip
    for run in chosen:
        data = run.whole().data
        assert all(data.first_scene >= each.stop for each in used) and data.first_scene + data.scenes <= 80_000
    assert not {run.about["seed"] for run in chosen} & {run.about["seed"] for run in final}
    assert not any(PLAN.groups[run.about["group"]].test for run in chosen)
    seeds = {stage: {run.about["seed"] for run in planned(stage)} for stage in STAGES}
    assert not seeds["length"] & seeds["choose"]


def test_rows_of_a_table_differ_in_their_method_alone() -> None:
    base = next(run for run in planned("final") if run.name == "images-b-seed0").whole()
    for run in planned("final"):
        recipe = run.whole()
        assert recipe.init == str(START) and recipe.data.scenes == 20_000
        steps = 2 if run.about["group"] == "time" else 1  # at half of the time per step
        assert recipe.optimiser == base.optimiser.model_copy(update={"steps": steps * PLAN.length})
        parts = {"decoder", "token_classes", "token_pooling", "cross_modal", "conditioned_scale", "distillation_head"}
        assert recipe.model.model_dump(exclude=parts) == base.model.model_dump(exclude=parts)
        assert recipe.data.sentences == (3 if run.about["group"] == "long" else 1)


def test_an_objective_counts_the_same_in_all_rows_but_those_about_weights() -> None:
    weights: dict[str, set[float]] = {}
    for name in recipe_names():
        if name.startswith("goldilocks/") and name not in ("goldilocks/equal_weights", "goldilocks/flair"):
            for objective, weight in load_recipe(name).objectives.items():
                weights.setdefault(objective, set()).add(weight)
    assert {objective: len(own) for objective, own in weights.items()} == dict.fromkeys(weights, 1)
    assert set(load_recipe("goldilocks/equal_weights").objectives.values()) == {1.0}


@pytest.mark.parametrize("group", ["batch-images", "batch-updates"])
def test_batches_differ_in_nothing_but_the_batch_and_the_method(group: str) -> None:
    found = [run for run in planned("batches") if run.about["group"] == group]
    assert Counter(run.about["row"] for run in found) == {
        f"{row}-{n}": 3 for row in ("b", "superclip") for n in (32, 128, 512)
    }
    amounts = set()
    for run in found:
        optimiser = run.whole().optimiser
        amounts.add(optimiser.steps * (optimiser.batch_size if group == "batch-images" else 1))
        assert optimiser.lr == pytest.approx(1e-3 * (optimiser.batch_size / 64) ** 0.5)
        assert optimiser.warm_up * optimiser.batch_size == pytest.approx(50 * 64, rel=0.05)
    assert len(amounts) == 1


def test_the_smallest_corpus_is_seen_ten_times() -> None:
    recipes = [run.whole() for run in planned("scenes")]
    sizes = {recipe.data.scenes for recipe in recipes} | {20_000}
    assert sizes == {2_500, 10_000, 20_000, 80_000}
    assert {recipe.optimiser.steps for recipe in recipes} == {PLAN.length}
    assert PLAN.length * 64 / min(sizes) >= 10


def test_every_run_is_evaluated_as_often_and_at_its_end(tmp_path: Path) -> None:
    for stage in STAGES:
        for run in planned(stage, steps=20):
            recipe = run.whole()
            steps = [step for step in range(1, recipe.optimiser.steps + 1)
                     if step % recipe.save_every == 0 or step == recipe.optimiser.steps]  # fmt: skip
            assert PLAN.evaluations - 1 <= len(steps) <= PLAN.evaluations <= recipe.keep
            assert recipe.optimiser.steps <= 20 and recipe.evaluation.every == 0


def test_the_tables_rows_are_the_plans() -> None:
    shown = {panel.study.group: panel.study.rows for panel in load_spec("goldilocks").panels if panel.study}
    made: dict[str, set[str]] = {}
    for stage in STAGES:
        for run in planned(stage):
            made.setdefault(run.about["group"], set()).add(run.about["row"])
    assert {group: set(rows) for group, rows in shown.items()} == {
        group: rows for group, rows in made.items() if PLAN.groups[group].test
    }
    for row, title in shown["images"].items():
        assert load_recipe(PLAN.rows[row]).title == f"goldilocks: {title}"


def test_claims_name_rows_and_columns_that_there_are() -> None:
    cells = {f"{run.about['group']}/{run.about['row']}" for stage in STAGES for run in planned(stage)}
    for claim in PLAN.claims:
        assert {*claim.plus, *claim.minus} <= cells and len(claim.plus) == len(claim.minus), claim.says
        assert set(claim.columns) <= {*columns(), BACKGROUND}
    assert PLAN.gate.row in cells and set(PLAN.gate.columns) <= set(columns())


def test_a_row_that_does_not_exist_is_one_line(tmp_path: Path) -> None:
    file = tmp_path / "plan.yaml"
    file.write_text(plans.FILE.read_text().replace("rows: {b: 5, c: 5, e: 3, f: 3}", "rows: {b: 5, x: 5}"))
    with pytest.raises(SystemExit, match=r"plan.yaml: time names row x; there are b, c, e"):
        plans.load_plan(file)


def test_a_trial_does_not_write_among_the_results(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["goldilocks.py", "--stage", "final", "--steps", "20"])
    with pytest.raises(SystemExit):
        goldilocks.main()
    assert "name another folder with --out" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--jobs", "--threads", "--steps"])
@pytest.mark.parametrize("value", ["0", "-1", "1.5"])
def test_numbers_of_options_are_whole_and_positive(
    option: str, value: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["goldilocks.py", "--out", "elsewhere", f"{option}={value}"])
    with pytest.raises(SystemExit):
        goldilocks.main()
    assert "is not a whole number of 1 or more" in capsys.readouterr().err
