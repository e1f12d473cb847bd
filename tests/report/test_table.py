"""``goldieval table``: rows and columns, marks, formats, and comparison with a paper."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from helpers import goldieval, one_line, retrieval_embeddings
from synthetic_records import made, sha, share, write

from goldieval.records.writing import write_record
from goldieval.report.built_table import BuiltTable, build_table
from goldieval.report.formats import FORMATS
from goldieval.report.formats.latex import escape
from goldieval.report.grid import Cell, Grid, GridPanel
from goldieval.report.published import load_published
from goldieval.report.score import Score
from goldieval.report.table_spec import SPECS, Column, load_spec, shipped_specs

HOSTILE = "evil<script>alert(1)</script>|\\input{x}_$%&#*~^{}"
RECON = {"notice": "GoldiCLIP-R (reconstruction): ours, not the paper's", "recipe": "goldiclip-b16"}


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "140")


def spec(folder: Path, **changes: Any) -> str:
    """Write a table of one column and three published rows."""
    content: dict[str, Any] = {
        "table": "mine",
        "title": "Mine",
        "panels": [{"columns": [{"task": "coco-karpathy", "metric": "t2i_r1", "label": "COCO"}]}],
        "groups": [
            {"title": "published", "published": ["OpenAI CLIP B/16", "SigLIP @224 B/16", "DFN-2B B/16"]},
            {"title": "ours", "records": ["*"], "imported": ["*"]},
        ],
    }
    file = folder / "mine.yaml"
    file.write_text(yaml.safe_dump(content | changes))
    return str(file)


def table(place: str, *records: Any, **more: Any) -> BuiltTable:
    folder = Path("results")
    folder.mkdir(exist_ok=True)
    return build_table(place, [write(folder, *records)], **more)


def cells(panel: GridPanel, column: int = 0) -> dict[str, Cell]:
    return {row.name: row.cells[column] for row in panel.rows}


# What ships


@pytest.mark.parametrize("name", shipped_specs())
def test_every_shipped_table_names_published_models_and_columns_that_exist(name: str) -> None:
    loaded, published = load_spec(name), load_published()
    assert loaded.table == name
    groups = [*loaded.groups, *(group for panel in loaded.panels for group in panel.groups)]
    assert [model for group in groups for model in group.published if model not in published.models] == []
    made_of = [column for panel in loaded.panels for column in panel.columns if isinstance(column, Column)]
    assert [column.protocol for column in made_of if column.protocol and column.protocol not in protocols(column)] == []
    faults = [
        fault for fault in build_table(loaded, []).grid.faults if "-probe'" not in fault
    ]  # cards of another family
    assert faults == []


def protocols(column: Column) -> set[str]:
    scores = load_published().scores
    return {score.protocol for score in scores if score.metric == column.metric}


def test_the_tables_that_papers_have_are_there() -> None:
    paper = {f"goldiclip-{name}" for name in ("retrieval", "fine-grained", "long", "question", "classification")}
    paper |= {f"superclip-{name}" for name in ("zeroshot", "caption-mix", "vision", "llava")}
    assert paper | {
        "goldiclip-segmentation",
        "shapes",
        "ablation",
        "methods",
        "superclip-batches",
        "leaderboard",
    } == set(shipped_specs())


def test_with_nothing_run_the_published_rows_stand_there_and_the_command() -> None:
    ran = goldieval("table", "goldiclip-retrieval")
    assert ran.code == 0
    assert re.search(r"FLAIR Merged-30M B/16 +53\.3 \[3\] +68\.0 \[3\] +81\.1 \[3\] +94\.7 \[3\]", ran.out)
    assert re.search(r"GoldiCLIP B/16 +– \[1\]", ran.out) and "+2.2 over the best baseline (abstract)" in ran.out
    assert "goldieval run --model MODEL --tasks coco-val2017,flickr30k-val" in ran.err


def test_drawn_scenes_stand_in_their_own_tables_only(tmp_path: Path) -> None:
    shapes, real = made("shapes-retrieval", home="shapes"), made("coco-karpathy")
    names = {name: table(name, shapes, real) for name in ("leaderboard", "shapes")}
    columns = {name: [column for panel in one.grid.panels for column in panel.columns] for name, one in names.items()}
    assert columns["leaderboard"] == ["coco-karpathy T2I R@1"]
    assert "retrieval T2I" in columns["shapes"] and len(names["shapes"].grid.panels) == 1
    mixed = [{"columns": [{"task": task, "metric": "t2i_r1"} for task in ("coco-karpathy", "shapes-retrieval")]}]
    ran = goldieval("table", spec(tmp_path, panels=mixed))
    assert ran.code == 2 and "drawn scenes are never shown with real data" in one_line(ran.err)


# Rows


def test_after_a_real_run_our_rows_stand_in_their_own_group(tmp_path: Path) -> None:
    folder = retrieval_embeddings(tmp_path / "given", name="coco-karpathy-mine")
    goldieval("run", "--model", f"embeddings:{folder}", "--tasks", f"{folder}/card.yaml")
    columns = [{"task": "coco-karpathy-mine", "metric": "t2i_r1", "label": "mine"}]
    ran = goldieval("table", spec(tmp_path, panels=[{"columns": columns}]))
    assert ran.code == 0 and ran.err == ""
    assert re.search(r"ours *\n *embeddings:\S+ +\d+\.\d *\n", ran.out)  # too few queries for an interval


def test_a_reconstruction_has_its_own_name_never_the_papers() -> None:
    grid = table("goldiclip-retrieval", made("coco-val2017", "goldiclip@x.pt", 0.3, **RECON)).grid
    by_kind = {row.name: row.kind for panel in grid.panels for row in panel.rows}
    assert by_kind["GoldiCLIP-R (reconstruction), goldiclip-b16"] == "ours" and by_kind["GoldiCLIP B/16"] == "published"


def test_another_method_of_our_trainer_has_not_the_name_of_the_reconstruction() -> None:
    notice = "goldieval's trainer (reimplementation): CLIP"
    grid = table("goldiclip-retrieval", made("coco-val2017", "c@x.pt", 0.3, notice=notice, recipe="clip-b16")).grid
    assert "goldieval's trainer (reimplementation), clip-b16" in {row.name for part in grid.panels for row in part.rows}


def test_two_checkpoints_of_one_recipe_are_told_apart_and_seeds_can_be_folded(tmp_path: Path) -> None:
    runs = [
        made("shapes-retrieval", f"g@{seed}", 0.3 + seed / 100, notice=RECON["notice"], recipe="ablation/h", seed=seed)
        for seed in (1, 2, 3)
    ]  # fmt: skip
    (panel,) = table("shapes", *runs).grid.panels
    assert len({row.name for row in panel.rows}) == 3
    folded = table("ablation", *runs).grid
    (row,) = folded.panels[1].rows
    score = row.cells[0].score
    assert score and score.value == pytest.approx(0.32) and score.n == 3
    assert score.high is not None and score.high - 0.32 == pytest.approx(4.3027 * 0.01 / 3**0.5, rel=1e-3)
    assert "mean of 3 seeds" in folded.footnotes[row.notes[0] - 1]


def test_a_failed_record_is_a_dash_with_its_reason_until_it_succeeds(tmp_path: Path) -> None:
    failed = made("coco-karpathy", "m", status="failed", reason="no data", metrics={})
    grid = table(spec(tmp_path), failed).grid
    cell = cells(grid.panels[0])["m"]
    assert grid.value(cell) == "–" and "failed: no data" in grid.footnotes[cell.notes[0] - 1]


# What never shares a column


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"precision": "bf16"}, "bf16"),
        ({"scoring": "conditioned"}, "conditioned scoring"),
        ({"limit": 100}, "subset of 100 images"),
        ({"status": "partial", "reason": "3 images unreadable"}, "PARTIAL: 3 images unreadable"),
        ({"protocol": "karpathy + k=[1]"}, "protocol karpathy + k=[1]"),
        ({"version": 2}, "version 2"),
        ({"card_sha256": sha("other")}, "another card of that name"),
        ({"data": sha("other")}, "other data"),
    ],
)
def test_other_settings_never_share_a_column(tmp_path: Path, change: dict[str, Any], word: str) -> None:
    usual = [made("coco-karpathy", name, value) for name, value in (("a", 0.5), ("b", 0.4))]
    odd = made("coco-karpathy", "odd", 0.9, **change)
    main, apart = table(spec(tmp_path), *usual, odd).grid.panels
    assert {"a", "b", "OpenAI CLIP B/16"} <= set(cells(main)) and "odd" not in cells(main)
    assert set(cells(apart)) == {"odd"} and word in apart.title

    allowed = table(spec(tmp_path), *usual, odd, allow=True).grid
    (panel,) = allowed.panels
    cell = cells(panel)["odd"]
    assert not cell.best and word in allowed.footnotes[cell.notes[0] - 1]


def test_nothing_but_a_subset_still_does_not_stand_beside_published_rows(tmp_path: Path) -> None:
    main, apart = table(spec(tmp_path), made("coco-karpathy", "a", limit=50)).grid.panels
    assert {row.kind for row in main.rows} == {"published"} and set(cells(apart)) == {"a"}


def test_published_rows_of_another_protocol_stay_out(tmp_path: Path) -> None:
    column = {"task": "voc20", "metric": "miou", "protocol": "training-free, CSA"}
    groups = [{"title": "published", "published": ["GoldiCLIP B/16", "FLAIR Merged-30M B/16"]}]
    grid = table(spec(tmp_path, panels=[{"columns": [column]}], groups=groups)).grid
    assert set(cells(grid.panels[0])) == {"FLAIR Merged-30M B/16"}
    assert grid.value(cells(grid.panels[0])["FLAIR Merged-30M B/16"]) == "41.0"


# Marks, differences, footer


CONDITIONED = "text-conditioned scores: not comparable with the rest of this column"


def cells_of(made_table: BuiltTable, name: str) -> list[Cell]:
    return next(row.cells for panel in made_table.grid.panels for row in panel.rows if row.name == name)


@pytest.mark.parametrize(
    ("scoring", "model", "note"),
    [
        ("global", "FLAIR Merged-30M B/16", CONDITIONED),
        ("shortlist:128", "FLAIR Merged-30M B/16", CONDITIONED),
        ("conditioned", "COSMOS Merged-30M B/16", "global scores: not comparable with the rest of this column"),
    ],
)
def test_a_published_row_that_scores_in_another_way_has_a_footnote_and_no_mark(
    tmp_path: Path, scoring: str, model: str, note: str
) -> None:
    groups = [
        {"title": "p", "published": ["FLAIR Merged-30M B/16", "COSMOS Merged-30M B/16"]},
        {"title": "o", "records": ["*"]},
    ]
    column = {"task": "coco-val2017", "metric": "t2i_r1"}
    place = spec(tmp_path, groups=groups, panels=[{"columns": [column]}])
    laid = table(place, made("coco-val2017", "ours", 0.30, scoring=scoring))
    (marked,) = cells_of(laid, model)
    assert not marked.comparable and [laid.grid.footnotes[number - 1] for number in marked.notes] == [note]
    assert all(note in format_(laid.grid) for format_ in FORMATS.values())
    if scoring == "conditioned":
        assert cells_of(laid, "FLAIR Merged-30M B/16")[0].comparable
    if scoring == "global":
        assert cells_of(laid, "COSMOS Merged-30M B/16")[0].comparable


def test_published_segmentation_stands_beside_records_of_its_own_attention_only(tmp_path: Path) -> None:
    groups = [{"title": "p", "published": ["FLAIR Merged-30M B/16"]}, {"title": "o", "records": ["*"]}]
    place = spec(tmp_path, groups=groups, panels=[{"columns": "records"}])
    for attention, value in (("plain", 0.73), ("csa", 0.41)):
        record = made("voc20", "ours", 0.30, scoring=f"dense:{attention}:projection")
        laid = build_table(place, [write(tmp_path / attention, record)])
        (cell,) = cells_of(laid, "FLAIR Merged-30M B/16")
        assert cell.comparable and cell.score is not None and cell.score.value == value
    csa_alone = made("pc59", "ours", 0.30, scoring="dense:plain:projection")
    groups[0]["published"] = ["OpenAI CLIP B/16"]
    laid = build_table(
        spec(tmp_path, groups=groups, panels=[{"columns": "records"}]), [write(tmp_path / "p", csa_alone)]
    )
    (cell,) = cells_of(laid, "OpenAI CLIP B/16")
    assert not cell.comparable and "dense:csa scores" in laid.grid.footnotes[cell.notes[0] - 1]


def test_marks_need_a_difference_that_can_be_separated(tmp_path: Path) -> None:
    """Best 47.8 and second 43.4 of 5,000 images differ significantly. With a row at 47.0 there is no mark."""
    (panel,) = table(spec(tmp_path)).grid.panels
    found = cells(panel)
    assert found["SigLIP @224 B/16"].best and found["DFN-2B B/16"].second and not found["OpenAI CLIP B/16"].second
    (panel,) = table(spec(tmp_path), made("coco-karpathy", "near", 0.47)).grid.panels
    assert [cell for cell in panel.column(0) if cell.best or cell.second] == []


def test_published_rows_without_n_are_never_marked(tmp_path: Path) -> None:
    column = {"task": "voc20", "metric": "miou", "protocol": "training-free, CSA"}
    groups = [{"title": "published", "published": ["OpenAI CLIP B/16", "FLAIR Merged-30M B/16"]}]
    grid = table(spec(tmp_path, panels=[{"columns": [column]}], groups=groups)).grid
    assert not any(cell.best or cell.second for cell in grid.panels[0].column(0))


def test_lower_is_better_for_errors(tmp_path: Path) -> None:
    from goldieval.report.grid import GridRow, RowGroup
    from goldieval.report.highlighting import highlight
    from goldieval.report.table_spec import Marks

    rows = [
        GridRow(
            name, "ours", [Cell(Score(name, "ours", "t", "t2i_mean_rank", value, "rank", value - 0.1, value + 0.1, 9))]
        )
        for name, value in (("far", 9.0), ("near", 2.0), ("middle", 5.0))
    ]
    panel = GridPanel("", ["rank"], ["t2i_mean_rank"], [RowGroup("", rows)])
    highlight(panel, Marks())
    assert [row.name for row in rows if row.cells[0].best] == ["near"]
    assert [row.name for row in rows if row.cells[0].second] == ["middle"]


def test_differences_from_a_baseline_half_widths_n_and_mdd(tmp_path: Path) -> None:
    records = made("coco-karpathy", "a", 0.5, 25010), made("coco-karpathy", "b", 0.55, 25010)
    grid = table(spec(tmp_path), *records, delta="a").grid
    text = FORMATS["markdown"](grid)
    assert "| b | **55.0** ± 0.6 (+5.0) |" in text and "| n | 25,010 |" in text and "| MDD | 2.8 |" in text
    ran = goldieval("table", spec(tmp_path), "--delta", "nobody")
    assert ran.code == 2 and "no such row" in one_line(ran.err)


def outcomes(values: list[int]) -> dict[str, np.ndarray]:
    """Return the outcomes of a retrieval record for t2i queries that are right (1) or wrong (0)."""
    ids = np.array([f"t{number}" for number in range(len(values))])
    ranks = np.where(np.array(values) == 1, 1, 9)
    one = np.ones(len(values), dtype=np.int64)
    return {
        "direction": np.array(["t2i"] * len(values)), "sample_id": ids, "cluster_id": ids, "rank_low": ranks,
        "rank_high": ranks, "tied_positives": one, "positives": one,
    }  # fmt: skip


def paired_records(folder: Path) -> list[Path]:
    """Write two records that differ on 40 of 5,000 queries, all in favour of one; their intervals overlap."""
    folder.mkdir()
    hits = [1] * 2500 + [0] * 2500
    better = [1] * 2540 + [0] * 2460
    return [
        write_record(folder, made("coco-karpathy", name, sum(values) / 5000), outcomes(values))
        for name, values in (("worse", hits), ("better", better))
    ]


def test_records_of_the_same_samples_are_separated_in_pairs(tmp_path: Path) -> None:
    groups = [{"title": "ours", "records": ["*"]}]
    paired_records(tmp_path / "results")
    found = cells(table(spec(tmp_path, groups=groups)).grid.panels[0])
    assert found["better"].best and not found["worse"].best


def test_outcomes_that_are_not_the_records_are_a_line_and_the_rest_is_printed(tmp_path: Path) -> None:
    first, _ = paired_records(tmp_path / "results")
    first.with_suffix(".parquet").write_bytes(b"something else")
    ran = goldieval("table", spec(tmp_path, groups=[{"title": "ours", "records": ["*"]}]))
    assert ran.code == 0 and "50.8" in ran.out and "50.0" in ran.out
    assert "do not match. Run the task again" in one_line(ran.err)
    assert goldieval("table", spec(tmp_path, groups=[{"title": "ours", "records": ["*"]}]), "--strict").code == 2


# Formats


def test_every_format_shows_the_same_numbers_and_no_name_is_markup(tmp_path: Path) -> None:
    grid = table(spec(tmp_path), made("coco-karpathy", HOSTILE, 0.5, 25010)).grid
    text = {name: write_(grid) for name, write_ in FORMATS.items()}
    assert "<script>" not in text["html"] and "&lt;script&gt;alert(1)" in text["html"]
    assert "<script" not in text["markdown"] and "\\|" in text["markdown"]
    assert r"\input{" not in text["latex"] and r"\textbackslash{}input\{x\}" in text["latex"]
    rows = list(csv.DictReader(io.StringIO(text["csv"])))
    assert {row["model"] for row in rows} == {HOSTILE, "OpenAI CLIP B/16", "SigLIP @224 B/16", "DFN-2B B/16"}
    assert [float(row["value"]) for row in rows if row["model"] == HOSTILE] == [0.5]
    for name in ("html", "markdown", "latex"):
        assert all(number in text[name] for number in ("50.0", "33.1", "47.8", "43.4")), name


def test_published_rows_look_different(tmp_path: Path) -> None:
    grid = table(spec(tmp_path), made("coco-karpathy", "a", 0.2)).grid
    assert "| *OpenAI CLIP B/16* | *33.1* |" in FORMATS["markdown"](grid)
    assert r"\textit{OpenAI CLIP B/16} & \textit{33.1}" in FORMATS["latex"](grid)
    assert "<tr class=published><td>OpenAI CLIP B/16" in FORMATS["html"](grid)
    assert "Rows in italics are published numbers" in FORMATS["latex"](grid)


def test_a_spreadsheet_takes_no_name_for_a_formula(tmp_path: Path) -> None:
    text = FORMATS["csv"](table(spec(tmp_path), made("coco-karpathy", "=HYPERLINK(1)")).grid)
    assert "'=HYPERLINK(1)" in text and ",=HYPERLINK" not in text


@pytest.mark.parametrize("name", shipped_specs())
def test_latex_is_a_checked_subset(name: str) -> None:
    """Braces balance, every row has as many cells as columns, and only the commands of booktabs tables occur."""
    text = FORMATS["latex"](table(name, made("shapes-retrieval"), made("coco-karpathy", HOSTILE)).grid)
    bare = re.sub(r"\\[{}\\]", "", text)
    assert bare.count("{") == bare.count("}")
    for columns, body in re.findall(r"\\begin\{tabular\}\{l(r*)\}(.*?)\\end\{tabular\}", text, re.DOTALL):
        lines = [line for line in body.split(r"\\") if re.search(r"(?<!\\)&", line)]
        assert {len(re.findall(r"(?<!\\)&", line)) for line in lines} <= {len(columns)}
    assert set(re.findall(r"\\([a-zA-Z]+)", text)) <= {
        "begin",
        "end",
        "centering",
        "small",
        "caption",
        "label",
        "toprule",
        "midrule",
        "bottomrule",
        "multicolumn",
        "textit",
        "textbf",
        "underline",
        "scriptsize",
        "par",
        "smallskip",
        "footnotesize",
        "raggedright",
        "emph",
        "pm",
        "dots",
        "textbackslash",
        "textless",
        "textgreater",
        "textbar",
        "textasciitilde",
        "textasciicircum",
        "textquotedbl",
        "times",
    }


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex here")
def test_latex_compiles(tmp_path: Path) -> None:
    grids = [table(name).grid for name in shipped_specs() if name not in ("leaderboard", "ablation", "shapes")]
    grids.append(table(spec(tmp_path), made("coco-karpathy", HOSTILE + "ß–…±漢", 0.5)).grid)
    body = "\n".join(FORMATS["latex"](grid) + r"\clearpage" for grid in grids)
    head = r"\documentclass{article}\usepackage[T1]{fontenc}\usepackage{booktabs}\begin{document}"
    (tmp_path / "paper.tex").write_text(f"{head}\n{body}\n\\end{{document}}\n")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-draftmode", "paper.tex"]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=600, check=False)
    assert ran.returncode == 0, ran.stdout.decode(errors="replace")[-2000:]


def test_latex_escapes_every_special_letter() -> None:
    assert escape("a_b & 5 % $x$ #1 {y} ~ ^ \\") == (
        r"a\_b \& 5 \% \$x\$ \#1 \{y\} \textasciitilde{} \textasciicircum{} \textbackslash{}"
    )


# --check


@pytest.mark.parametrize(
    ("format_", "ending"), [("latex", "tex"), ("markdown", "md"), ("html", "html"), ("csv", "csv")]
)
def test_check_names_the_cells_that_no_longer_agree(tmp_path: Path, format_: str, ending: str) -> None:
    place = spec(tmp_path)
    write(Path("results"), made("coco-karpathy", HOSTILE, 0.5, 25010), made("coco-karpathy", "b_1", 0.44, 25010))
    paper = tmp_path / f"paper.{ending}"
    paper.write_text(goldieval("table", place, "--format", format_).out)
    assert goldieval("table", place, "--check", str(paper)).code == 0
    write(Path("results"), made("coco-karpathy", "b_1", 0.43, 25010))
    for file in Path("results").rglob("*.json"):  # the later run of the same setting is the only one that stands
        if "0.44" in file.read_text():
            file.unlink()
    ran = goldieval("table", place, "--check", str(paper))
    assert ran.code == 1
    (line,) = ran.err.strip().splitlines()
    assert "b_1" in line and "COCO" in line and "0.44" in line.replace("44.0", "0.44") and "HYPER" not in line


def test_check_by_hand_made_tables_with_fewer_digits_rows_and_columns(tmp_path: Path) -> None:
    paper = tmp_path / "paper.tex"
    row = r"OpenAI CLIP B/16 & {} \\"
    for number, code in (("33.1", 0), ("33", 0), ("33.2", 1), ("34", 1)):
        paper.write_text(r"\begin{tabular}{lr} & COCO \\ " + row.format(number) + r" \end{tabular}")
        assert goldieval("table", spec(tmp_path), "--check", str(paper)).code == code, number
    paper.write_text(r"\begin{tabular}{lr} & COCO \\ Nobody & 12.0 \\ \end{tabular}")
    ran = goldieval("table", spec(tmp_path), "--check", str(paper))
    assert ran.code == 1 and "Nobody / COCO: 12.0 in the file, nothing from the records" in ran.err


@pytest.mark.parametrize(
    ("format_", "ending"), [("latex", "tex"), ("markdown", "md"), ("html", "html"), ("csv", "csv")]
)
def test_check_looks_a_value_up_in_its_own_panel(tmp_path: Path, format_: str, ending: str) -> None:
    """Two panels with the same header and rows; only the second disagrees, by the value that the first one has."""
    columns = [{"task": task, "metric": "t2i_r1", "label": "R@1"} for task in ("coco-karpathy", "flickr30k-test")]
    place = spec(tmp_path, panels=[{"columns": [column]} for column in columns],
                 groups=[{"title": "ours", "records": ["*"]}])  # fmt: skip
    write(Path("results"), made("coco-karpathy", "m", 0.51, 5000), made("flickr30k-test", "m", 0.72, 5000))
    paper = tmp_path / f"paper.{ending}"
    text = goldieval("table", place, "--format", format_).out
    first, second = ("51.0", "72.0") if format_ != "csv" else ("0.51", "0.72")
    paper.write_text(text)
    assert goldieval("table", place, "--check", str(paper)).code == 0
    paper.write_text(text.replace(f"{second}", first))
    ran = goldieval("table", place, "--check", str(paper))
    (line,) = ran.err.strip().splitlines()
    assert ran.code == 1 and f"{first} in the file, {second} from the records" in line
    if format_ == "markdown":  # a paper with the second panel alone
        head, rest = text.split("\n\n", 1)
        paper.write_text(head + "\n\n" + rest.split("\n\n", 1)[1])
        assert goldieval("table", place, "--check", str(paper)).code == 0


@pytest.mark.parametrize("content", [None, "no table"])
def test_check_of_no_table_is_one_line(tmp_path: Path, content: str | None) -> None:
    if content:
        (tmp_path / "x.tex").write_text(content)
    ran = goldieval("table", spec(tmp_path), "--check", "x.tex")
    assert ran.code == 2 and "--check x.tex: " in one_line(ran.err)


# Bad input: one line each, the rest still printed


def test_unknown_model_and_column_are_a_line_each_and_the_rest_is_printed(tmp_path: Path) -> None:
    columns = [{"task": task, "metric": "t2i_r1"} for task in ("coco-karpathy", "coco-karpaty")]
    columns.append({"task": "coco-karpathy", "metric": "t2i_r7"})
    groups = [{"title": "p", "published": ["OpenAI CLIP B/16", "OpenAI CLIP B/61"]}]
    place = spec(tmp_path, panels=[{"columns": columns}], groups=groups)
    ran = goldieval("table", place)
    assert ran.code == 0 and "33.1" in ran.out
    warnings = [line for line in ran.err.splitlines() if line.startswith("warning: ")]
    assert len(warnings) == 3
    assert "no task 'coco-karpaty' for a column. Did you mean coco-karpathy" in ran.err
    assert "task coco-karpathy has no metric 't2i_r7'" in ran.err
    assert "no published model 'OpenAI CLIP B/61'. Did you mean OpenAI CLIP B/16" in ran.err
    strict = goldieval("table", place, "--strict")
    assert strict.code == 2 and strict.out == "" and one_line(strict.err).startswith("error: ")


def test_unreadable_records_are_a_line_each_and_the_rest_is_printed(tmp_path: Path) -> None:
    folder = write(
        Path("results"), made("coco-karpathy", "good"), made("coco-karpathy", "cut"), made("coco-karpathy", "new")
    )
    cut, new = (next(folder.glob(f"{name}-*/*.json")) for name in ("cut", "new"))
    cut.write_text(cut.read_text()[:200])
    new.write_text(json.dumps(json.loads(new.read_text()) | {"schema_version": 99}))
    ran = goldieval("table", spec(tmp_path))
    assert ran.code == 0 and "good" in ran.out
    assert "has record schema 99" in ran.err and "cannot read the record" in ran.err
    assert len(ran.err.strip().splitlines()) == 2
    assert goldieval("table", spec(tmp_path), "--strict").code == 2


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"colums": []}, "colums: unknown key"),
        ({"panels": []}, "panels: "),
        ({"digits": 9}, "digits: "),
        ({"marks": {"best": "italic"}}, "marks.best: "),
        ({"panels": [{"columns": [{"task": "a"}]}]}, "metric: is missing"),
    ],
)
def test_a_fault_in_a_spec_is_one_line_with_its_key(tmp_path: Path, change: dict[str, Any], line: str) -> None:
    ran = goldieval("table", spec(tmp_path, **change))
    assert ran.code == 2 and line in one_line(ran.err) and "mine.yaml" in ran.err


@pytest.mark.parametrize(
    "arguments",
    [["goldiclip-retreival"], ["nowhere.yaml"], ["shapes", "--out", "nowhere"], ["shapes", "--import", "x"]],
)
def test_what_is_not_there_is_one_line(arguments: list[str]) -> None:
    ran = goldieval("table", *arguments)
    assert (ran.code, ran.out) == (2, "") and one_line(ran.err)


def test_the_specs_ship_with_the_package() -> None:
    assert all((SPECS / f"{name}.yaml").is_file() for name in shipped_specs())
    assert isinstance(table("shapes", made("shapes-zeroshot", metrics={"acc1": share(0.2, 1000)})).grid, Grid)
