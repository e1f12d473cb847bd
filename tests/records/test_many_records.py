"""Folders with many records, some of them bad; what shares a column; which commands are proposed."""

from __future__ import annotations

import csv
import io
import os
import re
from pathlib import Path

import numpy as np
import pytest
from comparison_records import classified
from helpers import class_folders, goldieval, toy_model
from synthetic_records import made, write

from goldieval.core.errors import GoldievalError
from goldieval.engine.run import evaluate
from goldieval.records.files import read_outcomes
from goldieval.records.results import load_results
from goldieval.report.built_table import build_table
from goldieval.report.formats import FORMATS
from goldieval.report.numbers import label
from goldieval.report.published import load_published

BAD = {
    "cut": b'{"setting": "', "newer": b'{"schema_version": 99}', "text": b"hello", "bytes": b"\xff\xfe\x00",
    "deep": b"[" * 200_000, "wrong": b'{"setting": 1, "model": []}', "digits": b'{"a": ' + b"9" * 5000 + b"}",
    "list": b"[]", "empty": b"", "surrogate": b'{"setting": "\\ud800"}',
}  # fmt: skip


@pytest.fixture(autouse=True)
def _in_its_own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def spoil(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in BAD.items():
        (folder / f"{name}@1-0.json").write_bytes(content)
    (folder / "folder@1-0.json").mkdir()
    os.mkfifo(folder / "pipe@1-0.json")
    with (folder / "huge@1-0.json").open("wb") as stream:
        stream.truncate(2**31)


@pytest.mark.parametrize("verb", [["show"], ["show", "--json"], ["ls", "results"], ["ls", "tasks"], ["table"]])
def test_a_bad_record_costs_itself_alone(verb: list[str]) -> None:
    write(Path("results"), *(made("cifar10", f"m{number}", 0.5) for number in range(5)))
    spoil(Path("results", "x"))
    ran = goldieval(*verb)
    assert ran.code == 0 and "Traceback" not in ran.err
    assert verb == ["ls", "tasks"] or all(f"m{number}" in ran.out for number in range(5))
    assert len(ran.err.strip().splitlines()) == len(BAD) + 1
    assert all(f"{name}@1-0.json" in ran.err for name in [*BAD, "huge"])


def test_python_gets_the_good_ones_and_the_faults() -> None:
    write(Path("results"), made("cifar10", "m", 0.5))
    spoil(Path("results", "x"))
    found = load_results("results")
    assert len(found) == 1 and len(found.faults) == len(BAD) + 1
    with pytest.raises(GoldievalError, match="nested too deep"):
        load_results("results/x/deep@1-0.json")


def two(folder: Path, task: str = "mine") -> None:
    for name, seed in (("a", 0), ("b", 1)):
        hits = np.random.default_rng(seed).integers(0, 2, 60).astype(bool)
        classified(folder / name, name, hits, task=task)


def test_comparing_folders_with_bad_records_names_them() -> None:
    two(Path("r"))
    two(Path("r"), "other")
    spoil(Path("r", "a"))
    (lost,) = Path("r", "b").rglob("other*.parquet")
    lost.write_bytes(b"no table")
    ran = goldieval("compare", "r/a", "r/b")
    assert ran.code == 1 and "mine" in ran.out
    assert re.search("not compared, other: .*do not match", ran.out)
    assert all(f"left out: cannot read the record r/a/{name}@1-0.json" in ran.out for name in ("cut", "text", "bytes"))


@pytest.mark.parametrize("file", ["../../x", "/etc/passwd", "a/b.parquet", ".."])
def test_outcomes_lie_beside_their_record(file: str) -> None:
    two(Path("r"))
    (entry,) = Path("r", "a").rglob("*.json")
    (record,) = load_results(entry)
    assert record.outcomes is not None
    moved = record.model_copy(update={"outcomes": record.outcomes.model_copy(update={"file": file})})
    with pytest.raises(GoldievalError):
        read_outcomes(entry, moved)


@pytest.mark.parametrize("name", ["r5", "acc", "mean_rank", "t2i_acc5", "a\nb", "", "i2t_", "5"])
def test_a_metric_of_any_name_has_a_label(name: str) -> None:
    assert label(name) == name


# Columns


@pytest.mark.parametrize("limit", [None, 200])
@pytest.mark.parametrize("format_", ["csv", "markdown", "latex", "html"])
def test_conditioned_and_global_scores_never_share_a_column(limit: int | None, format_: str) -> None:
    scores = {"conditioned": (0.1111, 0.1222), "global": (0.3333, 0.3444), "shortlist:9": (0.5555,)}
    records = [
        made("coco-karpathy", f"{mode}-{number}", value, scoring=mode, limit=limit)
        for mode, values in scores.items()
        for number, value in enumerate(values)
    ]
    write(Path("results"), *records)
    grid = build_table("leaderboard").grid
    text = FORMATS[format_](grid)
    assert all(record.model.spec.split("-")[0] in text for record in records)
    for panel in grid.panels:
        ours = [row for row in panel.rows if row.kind == "ours"]
        for place in range(len(panel.columns)):
            cells = [row.cells[place].score for row in ours]
            assert len({score.record.task.scoring for score in cells if score and score.record}) <= 1
    if format_ == "csv":
        rows = [row for row in csv.DictReader(io.StringIO(text)) if row["kind"] == "ours"]
        by_column: dict[tuple[str, str], set[str]] = {}
        for row in rows:
            by_column.setdefault((row["panel"], row["column"]), set()).add(row["scoring"])
        assert len(rows) == 5 and all(len(modes) == 1 for modes in by_column.values())


def test_pictures_that_are_present_never_share_a_column_with_all() -> None:
    part = made("cifar10", "part", 0.9)
    part = part.model_copy(update={"task": part.task.model_copy(update={"subset": "present"})})
    write(Path("results"), part, made("cifar10", "whole", 0.5))
    panels = [
        [row.name for row in panel.rows if row.kind == "ours"] for panel in build_table("leaderboard").grid.panels
    ]
    assert ["whole"] in panels and ["part"] in panels


def test_a_limit_that_leaves_nothing_out_is_none(tmp_path: Path) -> None:
    card = tmp_path / "card.yaml"
    class_folders(tmp_path / "data", {"a": 3, "b": 3})
    card.write_text(
        "name: mine\nversion: 1\nprotocol: all\ntitle: Mine\nlicence: mine\nfamily: zeroshot\nheadline: acc1\n"
        "source: {reader: folder, path: data}\nparams: {prompts: ['a photo of a {c}']}\n"
    )
    model = toy_model(tmp_path)
    limits = {}
    for limit in (None, 5, 6, 200):
        (record,) = evaluate(model, str(card), out=None, cache=False, limit=limit)
        limits[limit] = record.task.limit, record.setting
    (present,) = evaluate(model, str(card), out=None, cache=False, subset="present")
    assert [limits[limit][0] for limit in (None, 5, 6, 200)] == [None, 5, None, None]
    assert limits[200][1] == limits[None][1] == present.setting != limits[5][1] and present.task.subset == ""


# Commands


def test_each_model_of_a_run_names_its_own_folder(tmp_path: Path) -> None:
    ran = goldieval("run", "--model", "random", "--model", "random:2", "--tasks", "shapes-zeroshot", "--limit", "4",
                    "--no-cache", "--out", "my out")  # fmt: skip
    folders = re.findall(r"goldieval show '(my out/[^']+)'", ran.out)
    assert len(folders) == 2 and len(set(folders)) == 2 and all(Path(folder).is_dir() for folder in folders)


def test_compare_proposes_the_folder_that_was_used_in_one_piece() -> None:
    deep = Path("a folder of records with a name that is much longer than a line of a terminal " + "x" * 40)
    two(deep)
    classified(deep / "a", "a", np.ones(30, dtype=bool), task="more")
    ran = goldieval("compare", str(deep / "a"), str(deep / "b"))
    (line,) = (line for line in ran.out.splitlines() if "goldieval run" in line)
    (folder,) = re.findall("--out '([^']+)'", line)
    assert Path(folder) == deep / "b" or Path(folder) == deep


# Published numbers


def test_a_protocol_that_is_not_ours_has_an_id_of_its_own() -> None:
    found = load_published()
    assert not [score for score in found.scores if score.task == "urban1k" and "LoTLIP" in score.source]
    assert len([score for score in found.scores if score.task == "urban1k-lotlip"]) == 10
    teachers = [score for score in found.scores if score.model.startswith("COSMOS") and score.metric == "miou"]
    assert len(teachers) == 9 and all(
        "of the teacher" in score.note and "attention=" in score.note for score in teachers
    )
    assert all(("CSA" in score.protocol) == ("attention=csa" in score.note) for score in teachers)
