"""``train --dry-run --processes --memory``: what it prints, its exit codes, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from support.tiny_simulations import recipe_of
from typer.testing import CliRunner

from goldieval.cli import app
from goldieval.core.errors import GoldievalError


@pytest.fixture
def recipe(tmp_path: Path) -> str:
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(recipe_of(16).model_dump(mode="json")))
    return str(path)


def test_a_recipe_that_fits(recipe: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["train", recipe, "--dry-run", "--processes", "2", "--memory", "8"])
    assert result.exit_code == 0, result.output
    assert "fits: " in result.output
    assert [path.name for path in tmp_path.iterdir()] == ["mine.yaml"]  # nothing else was written


def test_a_recipe_that_does_not_fit(recipe: str) -> None:
    result = CliRunner().invoke(app, ["train", recipe, "--dry-run", "--memory", "1"])
    assert result.exit_code == 1, result.output
    assert "does not fit: " in result.output
    assert "use larger GPUs" in result.output  # not another batch: what is taken whatever the step is more than 1 GiB


@pytest.mark.parametrize("memory", ["inf", "1e300", "nan", "0.5"])
def test_memory_that_no_gpu_has(recipe: str, memory: str) -> None:
    result = CliRunner().invoke(app, ["train", recipe, "--dry-run", "--memory", memory])
    assert result.exit_code == 2, result.output
    assert "--memory" in result.output
    assert "simulating" not in result.output


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--memory", "80"], "--memory plans memory: write --dry-run with it"),
        (["--processes", "8"], "--processes plans memory: write --dry-run with it"),
        (["--dry-run", "--processes", "8"], "--processes needs --memory"),
    ],
)
def test_options_that_need_others(recipe: str, options: list[str], line: str) -> None:
    result = CliRunner().invoke(app, ["train", recipe, *options])
    assert isinstance(result.exception, GoldievalError)
    assert str(result.exception).startswith(line)


def test_a_launcher_is_not_needed(recipe: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "localhost", "MASTER_PORT": "1"}.items():
        monkeypatch.setenv(name, value)
    result = CliRunner().invoke(app, ["train", recipe, "--dry-run", "--memory", "80"])
    assert "start it without" in str(result.exception)
