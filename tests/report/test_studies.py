"""The plans of the training studies and their tables; the trainings are run manually."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from statistics import fmean
from types import ModuleType

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import ablation_table
import methods
import study_table
import superclip_batches
import trainings
from helpers import goldieval
from synthetic_records import study_run

from goldieval.report.built_table import build_table
from goldieval.report.table_spec import load_spec

FINE_GRAINED = "shapes-finegrained"


def test_batches_differ_in_nothing_but_the_batch_and_the_method() -> None:
    planned = superclip_batches.planned()
    assert Counter((run.about["method"], run.about["batch"]) for run in planned) == {
        (method, batch): 3 for method in ("clip", "superclip") for batch in (32, 128, 512)
    }
    assert len({run.name for run in planned}) == 18
    assert [run.about["seed"] for run in planned] == sorted(run.about["seed"] for run in planned)
    for run in planned:
        recipe, twin = run.whole(), superclip_batches.run("clip", run.about["batch"], run.about["seed"]).whole()
        data = twin.data.model_copy(update={"token_targets": recipe.data.token_targets})  # clip has no such head
        assert recipe.optimiser == twin.optimiser and recipe.data == data and recipe.seed == run.about["seed"]
        seen = recipe.optimiser.steps * recipe.optimiser.batch_size
        assert seen == superclip_batches.IMAGES
        assert recipe.evaluation.every == recipe.optimiser.steps
        assert recipe.optimiser.lr == pytest.approx(1e-3 * (recipe.optimiser.batch_size / 64) ** 0.5)


def test_methods_train_equally_long_on_the_same_scenes_with_the_same_towers() -> None:
    planned = methods.planned()
    assert Counter(run.about["row"] for run in planned) == dict.fromkeys(methods.METHODS, 3)
    base = methods.run("clip", 0).whole()
    for run in planned:
        recipe = run.whole()
        assert recipe.optimiser == base.optimiser and recipe.data.scenes == base.data.scenes
        towers = {
            name for name in type(recipe.model).model_fields if name.startswith(("vision", "text", "image", "embed"))
        }
        assert recipe.model.model_dump(include=towers) == base.model.model_dump(include=towers)


def test_a_run_that_has_its_record_is_not_trained_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study, ran = trainings.Study(tmp_path, Path("runs/x")), []
    planned = [methods.run("clip", 0), methods.run("flair", 0), methods.run("flair", 1)]
    (tmp_path / "flair-seed0.json").write_text("{}")
    monkeypatch.setattr(trainings, "train", lambda study, run, threads: ran.append(run.name))
    monkeypatch.setattr(sys, "argv", ["study", "--jobs", "1"])
    trainings.study_main("doc", study, planned)
    assert ran == ["clip-seed0", "flair-seed1"]


def test_the_table_is_written_from_the_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for row, value in (("clip", 0.1), ("flair", 0.3)):
        for seed in range(3):
            study_run(tmp_path, row, row, seed, {"shapes-retrieval": value + seed / 100})
    (tmp_path / "README.md").write_text(f"before\n{study_table.START}\nformer\n{study_table.END}\nafter\n")
    monkeypatch.setattr(study_table, "STUDIES", {"methods": trainings.Study(tmp_path, Path("runs/x"))})
    monkeypatch.setattr(sys, "argv", ["study_table.py", "methods"])
    study_table.main()
    text = (tmp_path / "README.md").read_text()
    assert text.startswith("before") and text.endswith("after\n") and "former" not in text
    assert (
        "| CLIP | 3 | 40,000 | 50 | 11.0 ± 1.6 |  |" in text and "| FLAIR | 3 | 40,000 | 50 | **31.0** ± 1.6 |" in text
    )
    assert "| SigLIP: no run yet |" in text


@pytest.mark.parametrize(("name", "planned"), [("methods", methods), ("superclip-batches", superclip_batches)])
def test_the_tables_rows_are_the_plans(name: str, planned: ModuleType) -> None:
    study = load_spec(name).panels[0].study
    assert study and list(study.rows) == list(dict.fromkeys(run.about["row"] for run in planned.planned()))
    assert planned.STUDY.results == trainings.ROOT / "results" / study.folder


@pytest.mark.parametrize("name", ["ablation", "methods", "superclip-batches"])
def test_without_a_run_every_row_says_so_and_how_to_make_them(tmp_path: Path, name: str) -> None:
    ran = goldieval("table", name, "--out", str(tmp_path), "--format", "csv")
    assert ran.code == 0 and "no runs of this study in " in ran.err and "python benchmarks/" in ran.err
    shown = goldieval("table", name, "--out", str(tmp_path), "--format", "markdown").out
    assert shown.count(": no run yet |") == len(load_spec(name).panels[0].study.rows)  # type: ignore[union-attr]


def test_the_command_shows_means_seeds_the_mdd_and_what_one_seed_is_worth(tmp_path: Path) -> None:
    folder = tmp_path / "methods"
    folder.mkdir()
    for seed in range(3):
        study_run(folder, "clip", "clip", seed, {"shapes-retrieval": 0.1 + seed / 100, "shapes-zeroshot": 0.2})
    study_run(folder, "flair", "flair", 0, {"shapes-retrieval": 0.3}, scoring="conditioned")
    grid = build_table("methods", [tmp_path]).grid
    rows = {row.name: row for panel in grid.panels for row in panel.rows}
    one, three = (rows[name].cells[3].score for name in ("FLAIR", "CLIP"))
    assert (
        three
        and three.value == pytest.approx(0.11)
        and three.low == pytest.approx(0.11 - 4.3027 * 0.01 / 3**0.5, abs=1e-5)
    )
    assert one and one.high == pytest.approx(0.3 + 4.3027 * 0.01, abs=1e-5)
    notes = [grid.footnotes[note - 1] for note in [*rows["FLAIR"].notes, *rows["FLAIR"].cells[3].notes]]
    assert notes == ["conditioned scoring", "one seed: its interval uses the standard deviation of the other rows"]
    for format_ in ("terminal", "markdown", "latex", "html", "csv"):
        ran = goldieval("table", "methods", "--out", str(tmp_path), "--format", format_)
        assert ran.code == 0 and ran.err == "", ran.err
        assert ("0.11" if format_ == "csv" else "11.0") in ran.out
        assert format_ == "csv" or "minimum detectable difference of two rows of 3 seeds" in " ".join(ran.out.split())
    (tmp_path / "paper.md").write_text(goldieval("table", "methods", "--out", str(folder), "--format", "markdown").out)
    assert goldieval("table", "methods", "--out", str(tmp_path), "--check", str(tmp_path / "paper.md")).code == 0


def test_with_one_seed_a_row_nothing_is_marked_and_it_is_said(tmp_path: Path) -> None:
    for row, value in (("clip", 0.1), ("flair", 0.9)):
        study_run(tmp_path, row, row, 0, {"shapes-retrieval": value})
    grid = build_table("methods", [tmp_path]).grid
    cells = [cell for panel in grid.panels for row in panel.rows for cell in row.cells]
    assert not any(cell.best or cell.second for cell in cells) and not any(grid.panels[0].mdd)
    assert grid.footnotes == ["one seed, and no row has two seeds: no interval and no test"]


def test_another_setting_or_a_file_that_is_no_run_is_a_line_and_left_out(tmp_path: Path) -> None:
    for seed in range(2):
        study_run(tmp_path, "clip", "clip", seed, {"shapes-retrieval": 0.1})
    study_run(tmp_path, "clip", "clip", 2, {"shapes-retrieval": 0.9}, version=9)
    study_run(tmp_path, "odd", "odd", 0, {"shapes-retrieval": 0.9})
    (tmp_path / "cut-seed0.json").write_text('{"row": ')
    (tmp_path / "other-seed0.json").write_text("{}")
    ran = goldieval("table", "methods", "--out", str(tmp_path), "--format", "markdown")
    assert ran.code == 0 and "10.0" in ran.out and "of 2 of the row's 3 seeds" in ran.out
    lines = ran.err.splitlines()
    assert len(lines) == 4 and all(line.startswith("warning: ") for line in lines)
    for said in ("clip-seed2.json: shapes-retrieval is left out: version 9", "row 'odd' of the runs is not in its rows",
                 "cannot read the run", "other-seed0.json is not a run of a study: row: is missing"):  # fmt: skip
        assert said in ran.err, said
    assert goldieval("table", "methods", "--out", str(tmp_path), "--strict").code == 2


@pytest.mark.parametrize("name", ["ablation", "methods", "superclip-batches"])
def test_the_pages_tables_are_those_of_the_run_files(name: str) -> None:
    """Every number, those of each kind of sentence among them."""
    page = (trainings.ROOT / "results" / name / "README.md").read_text()
    body = ablation_table.tables() if name == "ablation" else study_table.tables(name)
    assert page == study_table.with_tables(page, body), f"run benchmarks/{name}'s table script again"
    (header,) = {line for line in page.splitlines() if line.startswith("|  | seeds |")}
    assert [cell.strip() for cell in header.split("|")][9:13] == ["fine-grained", "objects", "relations", "background"]


@pytest.mark.parametrize("name", ["ablation", "methods", "superclip-batches"])
def test_kinds_of_sentences_are_means_over_the_seeds_of_the_run_files(name: str) -> None:
    """Of every row of the page, read from the files here without any code of the tables."""
    folder = trainings.ROOT / "results" / name
    study = load_spec(name).panels[0].study
    assert study is not None
    lines = (folder / "README.md").read_text().splitlines()
    runs = [json.loads(file.read_text()) for file in folder.glob("*-seed*.json")]
    for row, title in study.rows.items():
        shown = next(line for line in lines if line.startswith(f"| {title}<sup>")).replace("*", "").split("|")[10:13]
        mine = [run for run in runs if run["row"] == row and study.scenes in (None, run.get("scenes"))]
        scores = [
            record["metrics"] for run in mine for record in run["records"] if record["task"]["name"] == FINE_GRAINED
        ]
        for kind, cell in zip(("object", "relation", "background"), shown, strict=True):
            mean = 100 * fmean(metrics[f"t2i_r1_{kind}"]["value"] for metrics in scores)
            assert float(cell.split()[0]) == pytest.approx(mean, abs=0.0501), (row, kind)
