"""``goldieval run --watch``: records of each checkpoint of the built-in trainer's format, exit codes and summary."""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from helpers import goldieval, one_line, records

from goldieval.engine import watch as module
from goldieval.goldiclip.shipped import shipped_weights

pytestmark = pytest.mark.usefixtures("plain")


@pytest.fixture
def watched(tmp_path: Path) -> Path:
    made = tmp_path / "my run"
    made.mkdir()
    return made


def _command(folder: Path, *more: str) -> list[str]:
    return [
        *("run", "--model", "goldiclip", "--tasks", "shapes-zeroshot", "--limit", "4", "--no-cache"),
        *("--watch", str(folder), "--watch-every", "0.1", *more),
    ]


def _checkpoint(folder: Path, name: str) -> Path:
    """Write a checkpoint as another program does: under a temporary name that is not read, then renamed."""
    partial = folder / f"{name}.part"
    shutil.copy(shipped_weights(), partial)
    partial.rename(folder / name)
    return folder / name


def _age(path: Path) -> None:
    os.utime(path, (time.time() - 100,) * 2)


def test_each_new_checkpoint_has_records_and_is_not_run_again(watched: Path, tmp_path: Path) -> None:
    _age(_checkpoint(watched, "a.safetensors"))

    def write() -> None:
        time.sleep(0.5)
        _checkpoint(watched, "b.safetensors")

    writer = threading.Thread(target=write)
    writer.start()
    ran = goldieval(*_command(watched, "--watch-until", "2"))
    writer.join()
    assert ran.code == 0, ran.err
    assert "checkpoints 2 evaluated" in ran.out and ran.out.count("goldieval show") == 1
    specs = {f"goldiclip@{watched}/{name}.safetensors" for name in "ab"}
    assert {record["model"]["spec"] for record in records(tmp_path / "results")} == specs
    _age(watched / "b.safetensors")
    again = goldieval(*_command(watched, "--watch-idle", "0.3"))
    assert again.code == 0 and "0 evaluated, 2 with records already" in again.out
    other = goldieval(*_command(watched, "--watch-idle", "0.3", "--limit", "5", "--dry-run"))
    assert "2 evaluated" in other.out  # another setting


def test_a_broken_checkpoint_is_one_line_and_exit_code_1(watched: Path) -> None:
    (watched / "a.safetensors").write_bytes(b"no weights")
    _age(watched / "a.safetensors")
    _age(_checkpoint(watched, "b.safetensors"))
    ran = goldieval(*_command(watched, "--watch-idle", "0.3"))
    assert ran.code == 1 and "Traceback" not in ran.out + ran.err
    assert "1 evaluated, 1 not evaluated" in ran.out
    assert len([line for line in ran.out.splitlines() if "FAILED" in line]) == 1


def test_ctrl_c_ends_with_the_summary_and_130(watched: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _age(_checkpoint(watched, "a.safetensors"))

    def interrupt(seconds: float) -> None:
        raise KeyboardInterrupt

    clock: Any = type("Clock", (), {"time": time.time, "monotonic": time.monotonic, "sleep": staticmethod(interrupt)})
    monkeypatch.setattr(module, "time", clock)
    ran = goldieval(*_command(watched))
    assert ran.code == 130 and "interrupted" in one_line(ran.err)
    assert "checkpoints 1 evaluated" in ran.out


def test_sigterm_ends_it_with_the_summary_and_75(watched: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _age(_checkpoint(watched, "a.safetensors"))

    def terminated(seconds: float) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(600)

    clock: Any = type("Clock", (), {"time": time.time, "monotonic": time.monotonic, "sleep": staticmethod(terminated)})
    monkeypatch.setattr(module, "time", clock)
    ran = goldieval(*_command(watched))
    assert ran.code == 75 and one_line(ran.err) == "stopped by SIGTERM; the same command continues from here"
    assert "checkpoints 1 evaluated" in ran.out


def test_quiet_prints_scores_only(watched: Path) -> None:
    _age(_checkpoint(watched, "a.safetensors"))
    ran = goldieval(*_command(watched, "--watch-until", "1", "--quiet"))
    assert ran.code == 0 and "top-1" in ran.out and "watch" not in ran.out


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--model", "random"], "one --model"),
        (["--json"], "--json"),
        (["--shard", "0/2"], "--shard"),
        (["--tasks", "no-such-task"], "no-such-task"),
        (["--watch", "nowhere"], "no such folder"),
    ],
)
def test_wrong_arguments_are_one_line(watched: Path, more: list[str], said: str) -> None:
    ran = goldieval(*_command(watched, *more))
    assert ran.code == 2 and said in one_line(ran.err)


def test_what_belongs_to_a_watch_is_refused_without_one() -> None:
    ran = goldieval("run", "--model", "random", "--tasks", "shapes-zeroshot", "--watch-until", "3")
    assert ran.code == 2 and "--watch" in one_line(ran.err)
