"""The plan under several ranks: how many units each rank has, who has none, and what rank 0 does alone."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from goldieval.core.display import Console
from goldieval.core.group import share
from goldieval.engine.chunks import Chunk, chunks_of
from goldieval.engine.plan import Plan, PlannedTask, TowerPlan
from goldieval.engine.space import Space
from goldieval.models.adapter import ModelInfo
from goldieval.models.inputs import Batching
from goldieval.report.console import ConsoleReporter
from goldieval.report.division import division
from goldieval.tasks.catalogue import load_task


class _Space:
    def rate(self) -> float:
        return 100.0


def _tower(total: int, missing: int, size: int) -> TowerPlan:
    contents = {f"{number:06}": "text" for number in range(total)}
    return TowerPlan(contents, cast(Space, _Space()), chunks_of(list(contents)[:missing], size))


class _DividedFamily:
    """Divides its pictures in every scoring mode."""

    def divides(self, mode: str) -> bool:
        return True

    def divided_units(self, prepared: Any, batching: Batching) -> tuple[int, str]:
        images = len(prepared.dataset.images)
        return -(-images // batching.images), f"batches of at most {batching.images:,} images"


class _DividedTask(PlannedTask):
    family = cast(Any, _DividedFamily())


def _task(name: str, images: int, kind: type[PlannedTask] = PlannedTask) -> PlannedTask:
    dataset = SimpleNamespace(images=[None] * images, texts=[])
    loaded = SimpleNamespace(prepared=SimpleNamespace(dataset=dataset, texts=[]))
    return kind(load_task(name), Path(), loaded=cast(Any, loaded))


def _plan(ranks: int, images: TowerPlan, texts: TowerPlan, *tasks: PlannedTask) -> Plan:
    info = ModelInfo("random", "random", "f" * 64, "image tower", "text tower")
    return Plan(info, list(tasks), images=images, texts=texts, group_size=ranks)


def _printed(plan: Plan, width: int = 80) -> str:
    console = Console(file=io.StringIO(), width=width)
    ConsoleReporter(console).plan(plan)
    return cast(io.StringIO, console.file).getvalue()


def test_a_single_process_has_no_division() -> None:
    assert "rank" not in _printed(_plan(1, _tower(600, 600, 256), _tower(5, 5, 1024), _task("shapes-zeroshot", 600)))


def test_each_tower_says_how_many_chunks_a_rank_has_and_who_has_none() -> None:
    plan = _plan(8, _tower(1200, 1190, 256), _tower(7000, 0, 1024), _task("shapes-zeroshot", 1200))
    assert list(division(plan)) == [
        "images: 5 chunks, 0 to 1 per rank (ranks 5-7 have nothing to encode), that is 0 to 256 images",
        "texts: nothing to encode",
        "rank 0 alone: scores of shapes-zeroshot; metrics, intervals and records of all tasks",
    ]


def test_divided_tasks_have_batches_of_the_run_and_are_not_scored_by_rank_0_alone() -> None:
    plan = _plan(4, _tower(0, 0, 256), _tower(0, 0, 1024), _task("shapes-retrieval", 640, _DividedTask))
    divided, alone = division(replace(plan, batching=Batching(images=64)))
    assert divided == "shapes-retrieval: 10 batches of at most 64 images, 2 to 3 per rank"
    assert alone == "rank 0 alone: metrics, intervals and records of all tasks"
    few, _ = division(replace(plan, batching=Batching(images=256)))
    assert few.endswith("3 batches of at most 256 images, 0 to 1 per rank (rank 3 has nothing to do)")


def test_tasks_that_cannot_be_run_are_left_out() -> None:
    failed = _task("shapes-retrieval", 10, _DividedTask)
    failed.failure = "no data"
    assert list(division(_plan(2, _tower(0, 0, 1), _tower(0, 0, 1), failed))) == []


@pytest.mark.parametrize("ranks", [2, 3, 5, 8, 64])
@pytest.mark.parametrize("missing", [1, 255, 257, 1024, 2000, 20_000])
def test_the_numbers_are_those_of_the_rule(ranks: int, missing: int) -> None:
    tower = _tower(missing, missing, 256)
    line = next(division(_plan(ranks, tower, _tower(0, 0, 1))))
    loads = [_load(tower.chunks, rank, ranks) for rank in range(ranks)]
    low, high = min(loads), max(loads)
    assert line.endswith(f"that is {low:,} images" if low == high else f"that is {low:,} to {high:,} images")
    idle = [rank for rank, load in enumerate(loads) if not load]
    assert ("nothing to encode" in line) == bool(idle)
    if len(idle) > 1:
        assert f"(ranks {idle[0]}-{idle[-1]} have nothing to encode)" in line


def _load(chunks: list[Chunk], rank: int, ranks: int) -> int:
    group = cast(Any, SimpleNamespace(rank=rank, size=ranks))
    return sum(len(chunk.keys) for _, chunk in share(chunks, group))


@pytest.mark.parametrize("width", [40, 80])
def test_no_line_of_the_division_is_wider_than_the_terminal(width: int) -> None:
    names = ["shapes-zeroshot", "shapes-retrieval", "cifar10", "cifar100", "food101", "sun397", "imagenet"]
    plan = _plan(64, _tower(5000, 5000, 256), _tower(5000, 5000, 1024), *(_task(name, 10) for name in names))
    _, division_part = _printed(plan, width).split("division among 64 ranks:\n")
    assert all(len(line) <= width and line.startswith("    ") for line in division_part.splitlines())
    assert all(name in division_part for name in names)


def test_the_time_is_that_of_the_largest_share() -> None:
    towers = _tower(2560, 2560, 256), _tower(0, 0, 1)
    assert "about 26 s" in _printed(_plan(1, *towers))
    assert "about 8 s" in _printed(_plan(4, *towers))
