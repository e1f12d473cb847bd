"""``evaluate`` takes what a notebook has at hand, and says in one line what it cannot take."""

from __future__ import annotations

import inspect
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import card, class_folders, toy_model

import goldieval
from goldieval import GoldievalError, evaluate
from goldieval.engine.options import Options


@pytest.fixture
def toy(tmp_path: Path) -> tuple[str, Path]:
    class_folders(tmp_path / "data", {"cat": 2, "dog": 2})
    return toy_model(tmp_path), card(tmp_path)


def test_places_are_strings_or_paths(toy: tuple[str, Path], tmp_path: Path) -> None:
    model, file = toy
    (tmp_path / "cards").mkdir()
    settings: dict[str, Any] = {"data_dir": str(tmp_path), "tasks_dir": str(tmp_path / "cards")}
    (record,) = evaluate(model, file, out=str(tmp_path / "out"), limit=np.int64(3), **settings)
    assert record.status == "ok", record.reason
    assert record.task.limit == 3
    assert len(goldieval.load_results(str(tmp_path / "out"))) == 1


def test_home_is_expanded(toy: tuple[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    evaluate(toy[0], [toy[1]], out="~/mine")
    assert (tmp_path / "mine").is_dir() and not (tmp_path / "~").exists()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("out", 3),
        ("data_dir", ["a"]),
        ("device", None),
        ("precision", "fp8"),
        ("batching", 64),
        ("overrides", "prompts=3"),
        ("limit", 0),
        ("limit", 2.5),
        ("limit", True),
        ("limit", "many"),
        ("allow_bad", -1),
        ("cache", "no"),
        ("offline", None),
        ("scoring", 3),
        ("subset", None),
        ("save_images", "all"),
    ],
)
def test_a_wrong_value_is_named(toy: tuple[str, Path], name: str, value: Any) -> None:
    with pytest.raises(GoldievalError, match=f"^evaluate: {name}") as refused:
        evaluate(toy[0], toy[1], **{"out": None, name: value})
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(("model", "tasks"), [(3, "cifar10"), (None, "cifar10"), ("random", None), ("random", [3])])
def test_models_and_tasks_of_another_type_are_refused(model: Any, tasks: Any) -> None:
    with pytest.raises(GoldievalError, match=r"^evaluate: .*an object of type"):
        evaluate(model, tasks, out=None)


def test_keywords_are_the_options_with_their_defaults() -> None:
    keywords = inspect.signature(evaluate).parameters
    options = Options()
    for each in fields(Options):
        assert keywords[each.name].default == getattr(options, each.name) or each.name in ("out", "overrides")
        assert f"{each.name}: " in str(evaluate.__doc__)
    assert Path(keywords["out"].default) == options.out and dict(keywords["overrides"].default) == options.overrides


def test_compare_takes_task_names_in_a_string(tmp_path: Path) -> None:
    """A string is names separated by commas, and never a text in which names are looked for."""
    for model in ("random:8", "random:16"):
        evaluate(model, "shapes-retrieval,shapes-zeroshot", out=tmp_path, limit=8, cache=False)
    for tasks in ("shapes-zeroshot, shapes-vqa", ["shapes-zeroshot"]):
        found = goldieval.compare("random:8", "random:16", str(tmp_path), tasks=tasks)
        assert {row.task for row in found.rows} == {"shapes-zeroshot"}
    with pytest.raises(GoldievalError):
        goldieval.compare("random:8", "random:16", tmp_path, tasks="not-shapes-zeroshot")


def test_options_and_a_keyword_are_not_mixed() -> None:
    with pytest.raises(GoldievalError, match="options and limit are both given"):
        goldieval.evaluate("random", "shapes-zeroshot", options=Options(out=None), limit=3)
