"""Adding one file to the definitions makes a metric a card's headline, and shows, compares and tabulates it."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from comparison_records import retrieved
from helpers import card, goldieval, retrieval_embeddings

import goldieval as library
from goldieval.core.display import Console
from goldieval.core.errors import GoldievalError
from goldieval.metrics import definitions, registry
from goldieval.records.schema import Record
from goldieval.report.scores import scores
from goldieval.tasks.card import load_card

RECIPE = Path(__file__).parents[2] / "CONTRIBUTING.md"
NAME, LABEL = "t2i_reciprocal_rank", "T2I mean reciprocal rank"


@pytest.fixture
def definition(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Write the file of the recipe in CONTRIBUTING.md, as if it lay beside the other definitions."""
    recipe = re.search(r"\*\*A metric\*\*.*?```python\n(.*?)```", RECIPE.read_text(encoding="utf-8"), re.DOTALL)
    assert recipe
    folder = tmp_path / "definitions"
    folder.mkdir()
    file = folder / "reciprocal_rank.py"
    file.write_text(recipe[1])
    monkeypatch.setattr(definitions, "__path__", [*definitions.__path__, str(folder)])
    registry.refresh()
    yield file
    monkeypatch.undo()
    sys.modules.pop(f"{definitions.__name__}.reciprocal_rank", None)
    registry.refresh()


def printed(record: Record) -> str:
    """Return what a run prints of a record when it is done."""
    console = Console(width=120, record=True)
    console.parts(scores([record], console))
    return console.export_text()


@pytest.fixture
def results(definition: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two models with records of the metric, B better."""
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.chdir(tmp_path)
    generator = np.random.default_rng(0)
    ranks = {"toy:a": generator.integers(2, 40, 400), "toy:b": generator.integers(1, 9, 400)}
    for spec, each in ranks.items():
        retrieved(tmp_path / "results", spec, each, [NAME, "t2i_r1"])
    return tmp_path / "results"


def test_a_card_may_have_it_as_its_headline(definition: Path, tmp_path: Path) -> None:
    task = load_card(card(tmp_path / "mine", "table", "retrieval", headline=NAME, source={"file": "texts.jsonl"}))
    assert task.card.headline == NAME and f"i2t{NAME[3:]}" in task.card.metrics()


def test_without_the_file_no_card_may(tmp_path: Path) -> None:
    with pytest.raises(GoldievalError, match=f"headline: '{NAME}' is not one of"):
        load_card(card(tmp_path / "mine", "table", "retrieval", headline=NAME, source={"file": "texts.jsonl"}))


def test_show_has_its_label_its_score_and_its_interval(results: Path) -> None:
    (record,) = library.load_results(next(results.rglob("toy_b*/*.json")))
    measured = record.metrics[NAME]
    shown = goldieval("show", str(results)).out
    assert LABEL in shown and f"{100 * measured.value:.1f}" in shown
    assert LABEL in printed(record), "the table at the end of a run"
    assert f"{100 * measured.low:.1f}–{100 * measured.high:.1f}" in shown  # type: ignore[operator]


def test_compare_tests_it_in_pairs_and_lists_what_flipped(results: Path) -> None:
    ran = goldieval("compare", "toy:a", "toy:b", "--json", "--samples", "2")
    (row,) = json.loads(ran.out)["rows"]
    assert ran.code == 0 and row["metric"] == NAME and row["verdict"] == "better"
    assert row["method"] == "paired cluster bootstrap" and row["clusters"] == 200
    assert LABEL in goldieval("compare", "toy:a", "toy:b").out


def test_a_table_has_its_column_and_marks_the_best(results: Path, tmp_path: Path) -> None:
    spec = tmp_path / "ours.yaml"
    panel = {"columns": [{"task": "mine", "metric": NAME}]}
    group = {"title": "ours", "records": ["toy:*"]}
    spec.write_text(json.dumps({"table": "ours", "title": "Ours", "panels": [panel], "groups": [group]}))
    ran = goldieval("table", str(spec), "--format", "markdown")
    assert ran.code == 0 and ran.err == ""
    lines = ran.out.splitlines()
    assert f"| mine {LABEL} |" in next(line for line in lines if line.startswith("|"))
    assert "**" in next(line for line in lines if line.startswith("| toy:b")) and "**" not in next(
        line for line in lines if line.startswith("| toy:a")
    )


def test_a_side_of_several_seeds_is_compared_by_it(results: Path) -> None:
    generator = np.random.default_rng(1)
    for seed in range(3):
        training = {"recipe": "r", "images_seen": 1000, "seed": seed}
        retrieved(results, f"toy:s{seed}", generator.integers(1, 4, 400), [NAME], **training)
    (row,) = library.compare("toy:a", "toy:s*", results).rows
    assert row.seeds == (1, 3) and row.verdict == "better"


def test_a_run_measures_it(definition: Path, tmp_path: Path) -> None:
    folder, out = retrieval_embeddings(tmp_path / "data", headline=NAME), tmp_path / "out"
    ran = goldieval("run", "--model", f"embeddings:{folder}", "--tasks", folder / "card.yaml", "--out", out)
    assert ran.code == 0 and LABEL in ran.out, ran.out + ran.err
    (record,) = library.load_results(out)
    ranks = record.metrics["t2i_mean_rank"], record.metrics[NAME]
    assert record.task.headline == NAME and ranks[1].n == ranks[0].n == 12
    assert 1 / ranks[0].value <= ranks[1].value <= 1  # the mean of 1 / rank is at least 1 / mean rank
