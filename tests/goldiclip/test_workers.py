"""How many workers load data: what cores, memory and shards allow, said in one line."""

from __future__ import annotations

import shutil
from collections import namedtuple
from pathlib import Path
from typing import Any

import pytest
from training_samples import recipe

from goldieval.goldiclip.data import processes, workers
from goldieval.goldiclip.data.workers import MOST, batch_bytes, worker_plan
from goldieval.goldiclip.recipe_files import load_recipe

GB = 10**9
Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that sets cores, memory and shared memory."""

    def of(cores: int, memory: float = 1_000, shared: float = 1_000) -> None:
        monkeypatch.setattr(workers, "cores", lambda: cores)
        monkeypatch.setattr(workers, "usable_bytes", lambda: int(memory * GB))
        monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(0, 0, int(shared * GB)))

    monkeypatch.delenv("LOCAL_WORLD_SIZE", raising=False)
    return of


def files(**changes: Any) -> Any:
    return recipe("x", data={"workers": None}, **changes)


def test_workers_are_as_many_as_the_recipe_says_or_the_source_needs(machine: Any, monkeypatch: Any) -> None:
    assert worker_plan(recipe("x", data={"workers": 3}), 1).workers == 3
    drawn = recipe("", "shapes", data={"workers": None, "scenes": 8})
    for cores, count, expected in ((1, 1, 1), (4, 1, 3), (24, 1, 23), (256, 1, MOST), (64, 8, 7), (8, 8, 1)):
        machine(cores)
        assert (worker_plan(drawn, count).workers, worker_plan(files(), count).workers) == (0, expected)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "8")  # four machines of 64 cores: each is shared by its own processes
    machine(64)
    assert worker_plan(files(), 32).workers == 7


def test_memory_bounds_what_workers_hold(machine: Any) -> None:
    """512 samples of the large recipe are 245 MB; a container often has 64 MB of shared memory."""
    chosen = load_recipe("goldiclip-b16", {"data.path": "x"})
    batch = batch_bytes(chosen, 8)
    assert 512 * 474_000 < batch < 512 * 500_000
    machine(128)
    assert (worker_plan(chosen, 8).workers, worker_plan(chosen, 8).ahead) == (15, 2)
    machine(128, memory=8 * 2 * 8)
    tight = worker_plan(chosen, 8)
    assert tight.workers * ((tight.ahead + 1) * batch) * 8 <= 64 * GB and 1 < tight.workers < 15
    assert "what memory allows" in tight.line
    machine(128, shared=0.064)
    assert (worker_plan(chosen, 8).workers, worker_plan(chosen, 8).ahead) == (1, 2)


def test_a_line_says_what_was_chosen(machine: Any) -> None:
    machine(8)
    assert worker_plan(files(), 1).line.startswith("7 data workers load 2 batches of 34 kB ahead (8 cores; ")
    machine(8)
    assert (
        "1 data worker loads" in worker_plan(files(), 4).line and "for 4 processes here" in worker_plan(files(), 4).line
    )
    assert worker_plan(recipe("x"), 1).line == "" and len(worker_plan(files(), 4).line) < 120


def test_no_worker_of_a_stream_is_without_a_shard(machine: Any) -> None:
    machine(64)
    assert [worker_plan(files(), 4, shards).workers for shards in (400, 16, 7, 4)] == [15, 4, 1, 1]
    assert worker_plan(recipe("x", data={"workers": 8}), 2, 6).workers == 3


@pytest.mark.parametrize(
    ("lines", "file", "content", "expected"),
    [
        ("0::/job\n", "job/cpu.max", "250000 100000\n", [3]),
        ("0::/job/step\n", "job/cpu.max", "max 100000\n", []),
        ("0::/job/step\n", "job/cpu.max", "400000 100000\n", [4]),
        ("3:cpu,cpuacct:/job\n", "cpu/job/cpu.cfs_quota_us", "200000\n", [2]),
        ("3:cpu,cpuacct:/job\n", "cpu/job/cpu.cfs_quota_us", "-1\n", []),
        ("", "job/cpu.max", "250000 100000\n", []),
    ],
)
def test_cores_are_those_of_the_control_group(
    lines: str, file: str, content: str, expected: list[int], tmp_path: Path
) -> None:
    groups, mounted = tmp_path / "cgroup", tmp_path / "mounted"
    groups.write_text(lines)
    (mounted / file).parent.mkdir(parents=True)
    (mounted / file).write_text(content)
    (mounted / file).with_name("cpu.cfs_period_us").write_text("100000\n")
    assert list(processes._quotas(groups, mounted)) == expected
