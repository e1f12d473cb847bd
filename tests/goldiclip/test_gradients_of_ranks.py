"""Two and four ranks have the losses and gradients of one process on the joined batch, however a step is computed."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
import torch
import torch.multiprocessing as mp
from accelerate.state import AcceleratorState
from objective_passes import CASES, IN_ENCODER, OBJECTIVES, ObjectiveSteps, cloned, goldilocks, several

from goldieval.goldiclip import compilation, execution

pytestmark = pytest.mark.slow  # ranks compute every objective in several ways

EXECUTIONS: dict[str, dict[str, Any]] = {
    "as written": {},
    "in parts": {"micro_batches": 2},
    "recomputed": {"checkpointing": 0.5},
    "compiled": {"compile": True},
    "all of it": {"micro_batches": 4, "checkpointing": 1.0, "compile": True},
}
OF_FOUR = ("as written", "all of it")
STATIC = ("sigmoid", "conditioned", "distil_agnostic")  # objectives that always have data


def worker(rank: int, world: int, folder: str) -> None:
    """Write what one of several ranks computes of its share."""
    os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE=str(world), ACCELERATE_USE_CPU="true")
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT="0")
    compilation.BACKEND = "aot_eager"  # trace and differentiate, without the minutes that a C++ compiler takes
    execution.check_compiler = lambda device: None
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=world)
    names = EXECUTIONS if world == 2 else OF_FOUR
    torch.save({name: computed(rank, world, EXECUTIONS[name]) for name in names}, f"{folder}/{rank}.pt")
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()


def computed(rank: int, world: int, settings: dict[str, Any]) -> dict[str, Any]:
    """Return losses, gradients and state of every case."""
    steps = ObjectiveSteps(several(OBJECTIVES, execution=settings), rank, world)
    found = {name: cloned(steps(name)) for name in ("", *CASES)}
    if "compile" in settings:  # which takes its time
        return found
    found["goldilocks"] = cloned(ObjectiveSteps(goldilocks(execution=settings), rank, world)())
    inside = ObjectiveSteps(several(IN_ENCODER, "in_encoder", execution=settings), rank, world)
    found |= {f"{name} in_encoder": cloned(inside(name)) for name in IN_ENCODER}
    if "micro_batches" not in settings:
        static = ObjectiveSteps(several(STATIC, execution={**settings, "static_graph": True}), rank, world)
        found |= {f"static {number}": cloned(static()) for number in range(3)}
    return found


@cache
def alone() -> dict[str, Any]:
    AcceleratorState._reset_state(reset_partial_state=True)
    return computed(0, 1, {})


@pytest.fixture(scope="module", params=[2, 4])
def ranks(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[dict[str, Any]]]:
    """What each rank found, in full precision: accelerate hands its own on to child processes by the environment."""
    os.environ.pop("ACCELERATE_MIXED_PRECISION", None)
    folder = tmp_path_factory.mktemp("ranks")
    multiprocessing.get_context("forkserver").set_forkserver_preload(["objective_passes"])  # imported once
    started = mp.start_processes(
        worker, (request.param, str(folder)), nprocs=request.param, join=False, start_method="forkserver"
    )
    while not started.join(timeout=100):
        pass
    yield [torch.load(folder / f"{rank}.pt") for rank in range(request.param)]


def test_every_rank_and_execution_has_losses_and_gradients_of_one_process(ranks: list[dict[str, Any]]) -> None:
    for name in ranks[0]:
        for case, expected in alone().items():
            if case in ranks[0][name]:
                compare([rank[name][case] for rank in ranks], expected, f"{name}, {case}")


def compare(found: list[dict[str, Any]], expected: dict[str, Any], where: str) -> None:
    for name, loss in expected["losses"].items():
        mean = torch.stack([rank["losses"][name] for rank in found]).mean()
        torch.testing.assert_close(mean, loss, atol=1e-5, rtol=1e-5, msg=f"{where}: {name}")
    for rank in found:
        assert rank["gradients"].keys() == expected["gradients"].keys(), where
        for name, gradient in expected["gradients"].items():
            largest = max(1.0, float(gradient.abs().max()))
            torch.testing.assert_close(
                rank["gradients"][name], gradient, atol=1e-5 * largest, rtol=0, msg=f"{where}: {name}"
            )
        for name, buffer in expected["state"].items():
            torch.testing.assert_close(rank["state"][name], buffer, atol=1e-6, rtol=1e-4, msg=f"{where}: {name}")


def test_every_case_was_computed(ranks: list[dict[str, Any]]) -> None:
    """Else the comparison would say little; and no loss is the same in all shares."""
    cases = {"", "goldilocks", *CASES, *(f"{name} in_encoder" for name in IN_ENCODER)}
    assert all(cases <= set(rank["as written"]) and {"", *CASES} <= set(rank["all of it"]) for rank in ranks)
    assert {"static 0", "static 2"} <= set(ranks[0]["as written"])
    assert set(ranks[0]) == set(EXECUTIONS if len(ranks) == 2 else OF_FOUR)
    for case in cases:
        for loss in ranks[0]["as written"][case]["losses"]:
            shares = {float(rank["as written"][case]["losses"][loss]) for rank in ranks}
            assert len(shares) > 1 and float(alone()[case]["losses"][loss]) > 0, (case, loss)
