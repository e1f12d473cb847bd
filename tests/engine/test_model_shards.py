"""The division of models and tasks among jobs."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import pytest
from helpers import card, class_folders, toy_model

from goldieval import evaluate
from goldieval.core.errors import GoldievalError
from goldieval.engine.shards import WHOLE, Shard, division_note, to_shard


def _units(models: int, tasks: int, jobs: int) -> list[list[tuple[int, str]]]:
    names = [f"task-{number}" for number in range(tasks)]
    return [
        [(model, name) for model, part in Shard(job, jobs).models(range(models)) for name in part.tasks(names)]
        for job in range(jobs)
    ]


@pytest.mark.parametrize(("models", "tasks"), product((1, 2, 3, 5, 8), (1, 2, 4, 7)))
def test_every_model_and_task_belongs_to_exactly_one_job(models: int, tasks: int) -> None:
    for jobs in (*range(1, 13), 40, 1000):
        units = _units(models, tasks, jobs)
        assert sorted(unit for job in units for unit in job) == [
            (model, f"task-{task}") for model in range(models) for task in range(tasks)
        ]
        loaded = [len({model for model, _ in job}) for job in units]
        assert max(loaded) == -(-models // min(jobs, models))  # no job loads more models than it must
        busy = [len(job) for job in units if job]
        assert jobs > models or all(length % tasks == 0 for length in busy)


def test_checkpoints_that_are_added_later_do_not_move_the_others() -> None:
    before, after = (dict(Shard(1, 3).models(range(count))) for count in (7, 11))
    assert before.items() <= after.items()


def test_the_order_of_tasks_does_not_matter() -> None:
    names = ["c", "a", "d", "b"]
    assert all(Shard(0, 2).tasks(order) == ["a", "c"] for order in (names, sorted(names), names[::-1]))


@pytest.mark.parametrize("given", ["1/4", " 1 / 4 ", (1, 4), [1, 4], ("1", "4"), Shard(1, 4)])
def test_the_forms_of_a_shard(given: Any) -> None:
    assert to_shard(given) == Shard(1, 4) and to_shard(None) is None


@pytest.mark.parametrize(
    "given",
    ["", "4/4", "1/0", "0/0", "-1/4", "1/4/2", "a/b", "1", "1.0/4", "١/٤", "0x1/4", (4, 4), (-1, 4), (0, 0), (1,), 3,
     (True, 4), (1.5, 4), ("a", 4), (None, 4), "1/99999999999", b"1/4", "Array"],
)  # fmt: skip
def test_what_is_no_shard_is_refused_with_what_to_write(given: Any) -> None:
    with pytest.raises(GoldievalError, match=r"0/|array") as caught:
        to_shard(given)
    assert "\n" not in str(caught.value)


def _array(monkeypatch: pytest.MonkeyPatch, **values: Any) -> None:
    for name in ("TASK_ID", "TASK_MIN", "TASK_MAX", "TASK_STEP", "TASK_COUNT"):
        monkeypatch.delenv(f"SLURM_ARRAY_{name}", raising=False)
    for name, value in values.items():
        monkeypatch.setenv(f"SLURM_ARRAY_TASK_{name}", str(value))


@pytest.mark.parametrize(
    ("first", "last", "step"), [(0, 7, 1), (1, 8, 1), (5, 5, 1), (0, 15, 4), (3, 11, 2), (2, 9, 3)]
)
def test_the_jobs_of_an_array_are_all_shards(first: int, last: int, step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = range(first, last + 1, step)
    found = []
    for number in numbers:  # Slurm gives the largest number that occurs
        _array(monkeypatch, ID=number, MIN=first, MAX=numbers[-1], STEP=step, COUNT=len(numbers))
        found.append(to_shard("array"))
    assert found == [Shard(index, len(numbers)) for index in range(len(numbers))]


def test_an_array_without_a_step_has_one_of_1(monkeypatch: pytest.MonkeyPatch) -> None:
    _array(monkeypatch, ID=1, MIN=0, MAX=2, COUNT=3)
    assert to_shard("array") == Shard(1, 3)


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"ID": 1},
        {"ID": 4, "MIN": 1, "MAX": 7, "STEP": 1, "COUNT": 3},  # 1,4,7 as a list
        {"ID": 0, "MIN": 0, "MAX": 7, "STEP": 1, "COUNT": 7},
        {"ID": 3, "MIN": 0, "MAX": 8, "STEP": 2, "COUNT": 5},
        {"ID": "", "MIN": 0, "MAX": 8, "STEP": 2, "COUNT": 5},
        {"ID": "4294967294", "MIN": 0, "MAX": 8, "STEP": 2, "COUNT": 5},
        {"ID": 0, "MIN": 0, "MAX": 1, "STEP": 0, "COUNT": 2},
        {"ID": 9, "MIN": 0, "MAX": 1, "STEP": 1, "COUNT": 2},
        {"ID": 0, "MIN": 1, "MAX": 2, "STEP": 1, "COUNT": 2},
    ],
)
def test_an_array_with_gaps_or_none_is_refused(values: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    _array(monkeypatch, **values)
    with pytest.raises(GoldievalError, match=r"sbatch --array=0-|--array=0-\d+, or|is counted from 0"):
        to_shard("array")


def test_an_array_whose_jobs_all_do_everything_is_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    _array(monkeypatch, COUNT=8)
    assert "8 jobs of this array evaluates all 24 models" in division_note(None, 24, 24)
    assert division_note(None, 1, 1) == "" and division_note(Shard(1, 8), 24, 3) == "shard 1/8: 3 of 24 models"
    _array(monkeypatch)
    assert division_note(None, 24, 24) == "" and division_note(WHOLE, 24, 24).startswith("shard 0/1")


def test_shards_in_python_are_disjoint_and_whole(tmp_path: Path) -> None:
    class_folders(tmp_path / "data", {"cat": 3, "dog": 2, "fish": 2})
    cards = []
    for name in ("one", "two", "three"):
        cards.append(str(card(tmp_path, name=name).rename(tmp_path / f"{name}.yaml")))
    model = toy_model(tmp_path)
    names = [
        [record.task.name for record in evaluate(model, cards, out=tmp_path / "out", shard=(part, 2))]
        for part in range(2)
    ]
    assert sorted(names[0] + names[1]) == ["one", "three", "two"] and len(names[0]) == 2
    assert list(evaluate(model, cards, out=tmp_path / "out", shard="5/6")) == []
    with pytest.raises(GoldievalError, match="is counted from 0"):
        evaluate(model, cards, shard=(2, 2))
