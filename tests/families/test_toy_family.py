"""A new family with a new kind of evidence is one file and one card type: nothing else of goldieval changes."""

from __future__ import annotations

import importlib
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers import TOY_MODEL, card, class_folders, goldieval, records, toy_model

from goldieval import families
from goldieval.tasks.card_types import CARD_TYPES

EXAMPLE = Path(__file__).parents[2] / "docs/examples/neighbours.py"


@pytest.fixture
def neighbours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Put the example of docs/examples among the families, as CONTRIBUTING.md says."""
    monkeypatch.setattr(families, "__path__", [*families.__path__, str(tmp_path / "more")])
    (tmp_path / "more").mkdir()
    shutil.copy(EXAMPLE, tmp_path / "more")
    importlib.import_module("goldieval.families.neighbours")
    yield
    CARD_TYPES.pop("neighbours")
    sys.modules.pop("goldieval.families.neighbours")


@pytest.mark.usefixtures("neighbours")
def test_a_family_of_one_file_runs_is_recorded_shown_and_compared(tmp_path: Path) -> None:
    class_folders(tmp_path / "data", {"a": 3, "b": 3})
    file = card(tmp_path, family="neighbours", headline="accuracy")
    ran = goldieval("run", "--model", toy_model(tmp_path), "--tasks", file, "--out", tmp_path / "out")
    assert ran.code == 0, ran.out + ran.err
    (record,) = records(tmp_path / "out")
    assert record["task"]["family"] == record["task"]["scoring"] == "neighbours"
    assert 0 <= record["metrics"]["accuracy"]["value"] <= 1 and record["metrics"]["accuracy"]["n"] == 6
    assert record["run"]["encoded"] == {"images": 6, "texts": 0}
    shown = goldieval("show", tmp_path / "out")
    assert shown.code == 0 and "accuracy" in shown.out
    other = TOY_MODEL.replace('"0" * 64', '"1" * 64').replace("- 0.5", "** 2 - 0.1").replace("toy-image", "other-image")
    (tmp_path / "other.py").write_text(other.replace('ModelInfo("toy"', 'ModelInfo("other"'))
    spec = f"{tmp_path}/other.py:load"
    assert goldieval("run", "--model", spec, "--tasks", file, "--out", tmp_path / "two").code == 0
    compared = goldieval("compare", tmp_path / "out", tmp_path / "two")
    assert compared.code == 0 and "accuracy" in compared.out, compared.out + compared.err


@pytest.mark.usefixtures("neighbours")
def test_what_a_family_lacks_in_the_data_is_its_own_line(tmp_path: Path) -> None:
    class_folders(tmp_path / "data", {"a": 3, "b": 3})
    (tmp_path / "data" / "t.csv").write_text("image,caption\na/0.png,one\nb/0.png,two\n")
    source = {"reader": "table", "file": "t.csv", "caption": "caption"}
    file = card(tmp_path, "table", family="neighbours", headline="accuracy", source=source)
    ran = goldieval("run", "--model", toy_model(tmp_path), "--tasks", file, "--out", tmp_path / "out")
    assert ran.code == 1 and "mine FAILED: neighbours need labels" in ran.out
