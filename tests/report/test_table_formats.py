"""Tables: every format, the check of a printed table, and bad input."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from helpers import goldieval, one_line
from synthetic_records import made, share, write
from table_cases import spec, table

from goldieval.report.formats import FORMATS
from goldieval.report.formats.latex import escape
from goldieval.report.grid import Grid
from goldieval.report.table_spec import SPECS, shipped_specs

pytestmark = pytest.mark.usefixtures("here")


HOSTILE = "evil<script>alert(1)</script>|\\input{x}_$%&#*~^{}"


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
