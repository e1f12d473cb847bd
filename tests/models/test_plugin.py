"""The example plug-in, installed as by a user without a network, and found through its entry point."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "docs/examples/plugin"
RUN = """
import goldieval
model = goldieval.load_model("colours")
info = model.describe()
assert info.spec == "colours" and info.parameters == 18, info
red = model.encode_text(model.tokenize(["a red circle"]))[0]
assert red[0] > red[1] == red[2], red
"""


def installer() -> list[str]:
    if uv := shutil.which("uv"):
        return [uv, "pip", "install", "--offline", "--python", sys.executable]
    return [sys.executable, "-m", "pip", "install", "--no-index"]


@pytest.mark.skipif(
    not (shutil.which("uv") or importlib.util.find_spec("pip")) or not importlib.util.find_spec("setuptools"),
    reason="neither uv nor pip with setuptools is here to install it",
)
def test_the_example_installs_without_a_network_and_is_found(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    shutil.copytree(EXAMPLE, source)  # a build leaves files beside its source
    how = [*installer(), "--no-deps", "--no-build-isolation", "--target", str(target), str(source)]
    done = subprocess.run(how, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    environment = {**os.environ, "PYTHONPATH": str(target)}

    def python(*arguments: str) -> str:
        ran = subprocess.run(
            [sys.executable, *arguments], env=environment, capture_output=True, text=True, cwd=tmp_path
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran.stdout

    listed = python("-m", "goldieval", "ls", "models")
    assert "colours" in listed and "Colours without training" in listed
    python("-c", RUN)
