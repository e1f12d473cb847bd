"""Names of trackers: checked before anything is imported."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers import goldieval, one_line
from tiny_recipe import RECIPE

from goldieval.core.errors import GoldievalError
from goldieval.tracking import names
from goldieval.tracking.names import tracker_names


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_names_are_repeated_or_separated_by_commas() -> None:
    assert tracker_names(["tensorboard, wandb", "wandb"]) == ("tensorboard", "wandb")
    assert tracker_names("TensorBoard") == ("tensorboard",)
    assert tracker_names([]) == tracker_names("") == ()


def test_an_unknown_name_is_one_line() -> None:
    with pytest.raises(GoldievalError, match=r"no tracker 'wandbb'. Did you mean wandb\?"):
        tracker_names("wandbb")
    with pytest.raises(GoldievalError, match="a tracker is a name, not 3"):
        tracker_names([3])  # type: ignore[list-item]


def test_a_tracker_that_is_not_installed_is_one_line_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "no_such_tracker").mkdir()  # a folder that looks like a package
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setitem(names.PACKAGES, "wandb", "no_such_tracker")
    recipe = tmp_path / "mine.yaml"
    recipe.write_text(str(RECIPE))
    for command in (
        ("run", "--model", "random", "--tasks", "shapes-zeroshot", "--out", "out"),
        ("train", recipe, "--out", "out"),
    ):
        ran = goldieval(*command, "--log", "tensorboard,wandb")
        assert ran.code == 2 and "pip install no_such_tracker" in one_line(ran.err)
    assert not (tmp_path / "out").exists()
