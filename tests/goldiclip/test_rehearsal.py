"""The rehearsal of a large training in its smallest form: signals, kills, resumes, and another number of processes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.mark.slow
def test_a_tiny_rehearsal_passes() -> None:
    command = [sys.executable, str(BENCHMARKS / "rehearsal.py"), "--tiny"]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=1_500, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    lines = ran.stdout.splitlines()
    assert lines[-1].startswith("passed in") and sum("exit codes" in line for line in lines) == 4
    assert "FAULT" not in ran.stdout
