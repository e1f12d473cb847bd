"""The environment of launchers, and the place of a process on its machine."""

from __future__ import annotations

import pytest

from goldieval.core.errors import GoldievalError
from goldieval.core.processes.join import Place, _place
from goldieval.core.processes.launch import Launch, first_host, launch_of, local_place

TORCHRUN = {
    "RANK": "5",
    "WORLD_SIZE": "8",
    "LOCAL_RANK": "1",
    "LOCAL_WORLD_SIZE": "4",
    "MASTER_ADDR": "node1",
    "MASTER_PORT": "29400",
}
SRUN = {
    "SLURM_JOB_ID": "123456",
    "SLURM_STEP_ID": "2",
    "SLURM_PROCID": "9",
    "SLURM_LOCALID": "1",
    "SLURM_STEP_NUM_TASKS": "16",
    "SLURM_STEP_NODELIST": "gpu[07-08]",
    "SLURM_NTASKS": "16",
}


def test_torchrun_and_accelerate() -> None:
    assert launch_of(TORCHRUN) == Launch("torchrun", 5, 8, "node1", 29400)
    assert local_place(TORCHRUN) == (1, 4)


def test_srun_meets_on_the_first_node_of_the_step_at_a_port_of_its_own() -> None:
    launch = launch_of(SRUN)
    assert launch is not None and (launch.by, launch.rank, launch.size) == ("srun", 9, 16)
    assert launch.address == "gpu07" and 20_000 <= launch.port < 30_000
    other = launch_of(SRUN | {"SLURM_STEP_ID": "3"})
    assert other is not None and other.port != launch.port
    assert local_place(SRUN) == (1, 0)
    given = launch_of(SRUN | {"MASTER_ADDR": "10.0.0.1", "MASTER_PORT": "4000"})
    assert given is not None and (given.address, given.port) == ("10.0.0.1", 4000)


def test_torchrun_that_srun_started_once_on_each_node() -> None:
    launch = launch_of(SRUN | TORCHRUN)
    assert launch is not None and launch.by == "torchrun" and launch.rank == 5


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"WORLD_SIZE": "8"},
        TORCHRUN | {"WORLD_SIZE": "1", "RANK": "0"},
        {"SLURM_JOB_ID": "1", "SLURM_NTASKS": "8", "SLURM_PROCID": "0"},  # a batch script, or salloc
        SRUN | {"SLURM_STEP_NUM_TASKS": "1", "SLURM_PROCID": "0"},  # a shell of srun --pty
    ],
)
def test_one_process(environment: dict[str, str]) -> None:
    assert launch_of(environment) is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"MASTER_ADDR": ""}, "MASTER_ADDR"),
        ({"MASTER_PORT": "x"}, "MASTER_PORT"),
        ({"MASTER_PORT": "70000"}, "MASTER_PORT"),
        ({"RANK": "8"}, "RANK=8"),
        ({"RANK": "-1"}, "RANK"),
        ({"WORLD_SIZE": "two"}, "WORLD_SIZE"),
    ],
)
def test_variables_that_make_no_sense_are_named(change: dict[str, str], said: str) -> None:
    with pytest.raises(GoldievalError, match=said) as caught:
        launch_of(TORCHRUN | change)
    assert "--no-distributed" in str(caught.value)


@pytest.mark.parametrize(
    ("nodes", "host"),
    [("a", "a"), ("a,b", "a"), ("a[1-2],b", "a1"), ("a[01,03-05]", "a01"), ("a[1-2]b[3,4]-ib,c", "a1b3-ib")],
)
def test_the_first_host_of_a_node_list(nodes: str, host: str) -> None:
    assert first_host(nodes) == host


def test_cores_are_divided_among_the_ranks_that_share_them() -> None:
    shared, own = [("a", set(range(16)))] * 8, [("a", {2 * rank, 2 * rank + 1}) for rank in range(8)]
    assert _place(shared, 3, (3, 8)) == Place(3, 8, 2)
    assert _place(own, 3, (3, 8)) == Place(3, 8, 2)
    two_machines = [("a", set(range(4))), ("a", set(range(4))), ("b", set(range(64)))]
    assert _place(two_machines, 2, None) == Place(0, 1, 64)
    assert _place(two_machines, 1, None) == Place(1, 2, 2)
    assert _place([("a", {0, 1})] * 5, 4, (4, 0)) == Place(4, 5, 1)


def test_mpirun_needs_the_address_of_rank_0() -> None:
    mpirun = {
        "OMPI_COMM_WORLD_RANK": "3",
        "OMPI_COMM_WORLD_SIZE": "4",
        "OMPI_COMM_WORLD_LOCAL_RANK": "1",
        "OMPI_COMM_WORLD_LOCAL_SIZE": "2",
    }
    with pytest.raises(GoldievalError, match="MASTER_ADDR"):
        launch_of(mpirun)
    assert launch_of(mpirun | {"MASTER_ADDR": "node1", "MASTER_PORT": "29500"}) == Launch(
        "mpirun", 3, 4, "node1", 29500
    )
    assert local_place(mpirun) == (1, 2)
