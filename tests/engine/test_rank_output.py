"""What several processes print, and that they obey signals while they wait for each other."""

from __future__ import annotations

import json
import signal
import socket
import time
from pathlib import Path

import pytest
from helpers import card, class_folders, toy_model
from rank_commands import Ranks

from goldieval.core.processes import meeting
from goldieval.core.processes.launch import ALONE, Launch
from goldieval.engine.options import Options
from goldieval.engine.run import _common_settings
from goldieval.models.inputs import Batching


@pytest.fixture
def toy(tmp_path: Path) -> list[str]:
    """The options for a toy model and a toy task."""
    class_folders(tmp_path / "data", {"cat": 2, "dog": 2})
    (tmp_path / "run.yaml").write_text("allow_bad: 1")
    model = ["--model", toy_model(tmp_path), "--tasks", str(card(tmp_path))]
    return ["run", "--config", str(tmp_path / "run.yaml"), *model, "--out", str(tmp_path / "out")]


@pytest.mark.slow
def test_rank_0_alone_prints_the_records(toy: list[str], tmp_path: Path) -> None:
    first, second = Ranks(
        2,
        [*toy, "--json", "--quiet", "--shard", "0/1"],
        tmp_path / "text",
        {"GOLDIEVAL_STORE": str(tmp_path / "store")},
    ).end()
    assert (first.code, second.code, second.output) == (0, 0, "")
    assert [record["status"] for record in json.loads(first.output.splitlines()[-1])] == ["ok"]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_process_that_waits_for_the_others_ends_on_a_signal(
    number: signal.Signals, toy: list[str], tmp_path: Path
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    meeting = {"SLURM_STEP_NUM_TASKS": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    ranks = Ranks(1, toy, tmp_path / "text", meeting)
    while _is_free(port) and ranks.processes[0].is_alive():
        time.sleep(0.1)
    ranks.kill(0, number)
    ranks.processes[0].join(30)
    assert ranks.processes[0].exitcode == {signal.SIGTERM: 75, signal.SIGINT: 130}[number], ranks.end()


def _is_free(port: int) -> bool:
    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind(("", port))
        except OSError:
            return False
    return True


def test_rank_0_says_once_that_it_waits(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(meeting, "SILENT_S", 0.05)
    monkeypatch.setattr(meeting, "_made_process_group", lambda *arguments: time.sleep(0.5))
    for rank in (1, 0):
        meeting.meet(Launch("torchrun", rank, 3, "node1", 29500))
    (line,) = caplog.messages
    assert line.startswith("waiting for the other 2 of 3 processes (torchrun) at node1:29500.") and ALONE in line


def test_settings_of_one_machine_may_differ_and_all_others_may_not() -> None:
    first = Options(out=Path("results"), batching=Batching(64, 128, 16))
    other_machine = Options(out=None, data_dir=Path("/local"), log=("tensorboard",), batching=Batching(64, 128, 2))
    assert _common_settings(first) == _common_settings(other_machine)
    assert _common_settings(first) != _common_settings(Options(batching=Batching(32, 64, 16)))
    assert _common_settings(first) != _common_settings(Options(limit=5))
