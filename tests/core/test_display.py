"""Foreign strings on terminals and in output files: visible, without effect, and in any encoding."""

from __future__ import annotations

import ast
import csv
import io
import json
import os
import subprocess
import sys
import unicodedata
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np
import pytest
from commands import Ended, forked
from comparison_records import classified
from helpers import goldieval, picture
from rich.progress import Progress, TextColumn
from rich.table import Table
from synthetic_records import made, write

import goldieval as package
from goldieval.core.display import Console, GuardedStream, Text, guarded, print_json
from goldieval.core.text import fit_encoding, formula_safe, one_line, printable, shell_argument
from goldieval.report.built_table import build_table
from goldieval.report.formats import FORMATS
from goldieval.report.formats.latex import escape as latex
from goldieval.report.formats.markdown import escape as markdown
from goldieval.report.page import page
from goldieval.report.plots import write_plot

HOSTILE = (
    "\x1b[2J\x1b]0;owned\x07\x9b31m\u202eevil\u2066\u200b\ufeff\u2028\x85\x00\x08\x7f\r\n"
    "error: forged\t[red]x[/red] :smile: [link=http://e]y[/link] \ue000\U000e0041"
)
ACTS = {"Cc", "Cf", "Zl", "Zp", "Cs", "Co"}


def acting(text: str, allowed: str = "\n") -> set[str]:
    """Return the characters that are invisible, or that control a terminal."""
    return {char for char in text if unicodedata.category(char) in ACTS and char not in allowed}


@pytest.fixture(autouse=True)
def _in_its_own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("char", [*map(chr, range(32)), "\x7f", *map(chr, range(0x80, 0xA0)), *HOSTILE, "\udc80"])
def test_invisible_characters_are_escaped(char: str) -> None:
    assert acting(printable(f"a{char}b"), "\n\t") == set() and acting(one_line(f"a{char}b"), "") == set()
    assert printable(f"a{char}b")[0] == "a" and printable(f"a{char}b")[-1] == "b"


def test_visible_characters_are_unchanged() -> None:
    text = "Füße, 猫 and дом – 50 ± 1 % 👩 ¡!\\x1b"
    assert printable(text) == one_line(text) == text


def on_console(*renderables: object, **settings: object) -> str:
    stream = io.StringIO()
    console = Console(file=stream, width=300, **settings)  # type: ignore[arg-type]
    console.print(*renderables)
    return stream.getvalue()


@pytest.mark.parametrize("make", [str, Text, lambda text: Text.assemble((text, "bold"), text), "table", "progress"])
def test_consoles_print_only_visible_characters(make: object) -> None:
    if make == "table":
        shown: object = Table(title=HOSTILE)
        shown.add_column(HOSTILE)  # type: ignore[attr-defined]
        shown.add_row(HOSTILE)  # type: ignore[attr-defined]
    elif make == "progress":
        bar = Progress(TextColumn("{task.description}", markup=False), console=Console(file=io.StringIO()))
        bar.add_task(HOSTILE)
        shown = bar.make_tasks_table(bar.tasks)
    else:
        shown = make(HOSTILE)  # type: ignore[operator]
    text = on_console(shown)
    assert acting(text) == set(), acting(text)
    assert "\\x1b[2J" in text and ":smile:" in text and "[red]x[/red]" in text
    assert make == "progress" or not any(line.startswith("error: forged") for line in text.splitlines())


def test_a_consoles_own_colours_stay() -> None:
    assert "\x1b[1m" in on_console(Text("x", "bold"), force_terminal=True, color_system="standard")


def test_print_traceback_and_libraries_are_guarded(capsys: pytest.CaptureFixture[str]) -> None:
    with guarded():
        print(HOSTILE)
        sys.stderr.write(HOSTILE)
        print("\r 50 % of a bar", end="")
        sys.stdout.writelines([HOSTILE])
    out, err = capsys.readouterr()
    assert acting(err, "\n\t") == set() and acting(out, "\n\t\r") == set()
    assert out.count("\r") == 1 and "\r 50 % of a bar" in out


def test_a_console_below_a_guard_keeps_its_colours() -> None:
    stream = io.StringIO()
    with redirect_stdout(GuardedStream(GuardedStream(stream))):  # type: ignore[type-var, arg-type]
        Console(force_terminal=True, color_system="standard").print(Text(HOSTILE, "bold"))
    assert "\x1b[1m" in stream.getvalue() and "\\x1b[2J" in stream.getvalue()


def test_json_is_visible_and_equivalent(capsys: pytest.CaptureFixture[str]) -> None:
    with guarded():
        print_json({"a": HOSTILE, "b": "é\udc80"})
    out = capsys.readouterr().out
    assert acting(out) == set() and json.loads(out) == {"a": HOSTILE, "b": "é\udc80"}


def test_all_output_uses_the_guarded_console() -> None:
    """No module creates rich's own consoles or texts, or prints, without the guard."""
    wrong = []
    for file in sorted(Path(package.__file__).parent.rglob("*.py")):
        if file.parent.name == "core":
            continue
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module in ("rich.console", "rich.text", "rich"):
                wrong += [f"{file}: {alias.name}" for alias in node.names if alias.name in ("Console", "Text", "print")]
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "print":
                wrong.append(f"{file}:{node.lineno}: print")
    assert wrong == []


# Verbs


def hostile_record(**changes: object) -> object:
    about = {
        "notice": f"notice {HOSTILE}", "recipe": f"recipe {HOSTILE}", "title": HOSTILE, "licence": HOSTILE,
        "protocol": HOSTILE, "warnings": [HOSTILE],
    }  # fmt: skip
    return made("cifar10", HOSTILE, 0.5, 100, **{**about, **changes})


@pytest.mark.parametrize(
    "verb",
    [("show",), ("show", "--json"), ("ls", "results"), ("ls", "results", "--json"), ("ls", "tasks"), ("table",)]
    + [("table", "--format", name) for name in FORMATS],
)
def test_foreign_records_have_no_effect_on_the_terminal(verb: tuple[str, ...]) -> None:
    write(Path("results"), hostile_record(), hostile_record(status="partial", reason=HOSTILE, limit=3))  # type: ignore[arg-type]
    write(Path("results"), hostile_record(status="failed", reason=HOSTILE, metrics={}))  # type: ignore[arg-type]
    Path("results", "x").mkdir()
    Path("results", "x", "bad@1-\x1b[31m\u202e.json").write_text("{")
    ran = goldieval(*verb)
    assert ran.code == 0, ran.err
    assert acting(ran.out) == set() and acting(ran.err) == set()
    assert not any(line.startswith("error: forged") for line in (ran.out + ran.err).splitlines())


def test_pages_and_plots_escape_foreign_characters(tmp_path: Path) -> None:
    write(Path("results"), hostile_record(images_seen=5, unique_pairs=5, notice=""))  # type: ignore[arg-type]
    table = tmp_path / "t.yaml"
    table.write_text(
        "table: t\ntitle: T\npanels: [{columns: [{task: cifar10, metric: acc1}]}]\n"
        "groups: [{title: ours, records: ['*']}]\nplot: {task: cifar10, metric: acc1}\n"
    )
    made_table = build_table(str(table))
    text = page(made_table)
    assert acting(text) == set() and "\\x1b[2J" in text
    write_plot(tmp_path / "p.png", made_table)
    assert (tmp_path / "p.png").stat().st_size > 1000


def test_comparing_foreign_records_has_no_effect_on_the_terminal(tmp_path: Path) -> None:
    for name, seed in (("a", 0), ("b", 1)):
        hits = np.random.default_rng(seed).integers(0, 2, 40).astype(bool)
        classified(tmp_path / name, HOSTILE + name, hits, notice=HOSTILE, protocol=HOSTILE)
    for more in (["--samples", "3"], ["--json"], ["--html", str(tmp_path / "p.html")]):
        ran = goldieval("compare", str(tmp_path / "a"), str(tmp_path / "b"), *more)
        assert acting(ran.out) == set() and acting(ran.err) == set(), more
    assert acting((tmp_path / "p.html").read_text(encoding="utf-8")) == set()


@pytest.mark.parametrize("name", ["\x1b[31m.png", "\x9b31m\u202e.png", "a\nb.png", "[red].png"])
def test_foreign_file_names_have_no_effect_on_the_terminal(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "mine"
    picture(folder / name)
    (folder / "captions.csv").write_text(f'image,caption\n"{name}","{name} x"\n', encoding="utf-8")
    for verb in (["data", "import", folder], ["run", "--model", "random", "--tasks", f"./{name}"]):
        ran = goldieval(*verb)
        assert acting(ran.out) == set() and acting(ran.err) == set(), verb


# Files for people


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@SUM(A1)", " =1", "\t=1", "\r=1", "\n=1", "＝1", "a\rb", "-0.5"])
def test_no_cell_of_a_csv_is_a_formula(cell: str) -> None:
    write(Path("results"), made("cifar10", cell, 0.5, protocol=cell, scoring=cell, title=cell))
    text = FORMATS["csv"](build_table("leaderboard").grid)
    assert "\r" not in text
    (row,) = (row for row in csv.DictReader(io.StringIO(text)) if row["kind"] == "ours")
    for name in ("model", "protocol", "scoring", "source", "panel", "notes"):
        assert row[name].lstrip()[:1] not in tuple("=+-@＝"), name
    assert float(row["value"]) == 0.5 and row["unit"] == "fraction"


def test_numbers_stay_numbers_without_trailing_digits() -> None:
    assert formula_safe("-0.5") == "'-0.5" and formula_safe("0.5") == "0.5"
    write(Path("results"), made("cifar10", "a", 0.7559999999999999), made("cifar10", "b", 0.5))
    text = FORMATS["csv"](build_table("leaderboard", delta="a").grid)
    rows = [row for row in csv.DictReader(io.StringIO(text)) if row["kind"] == "ours"]
    assert [row["value"] for row in rows] == ["0.756", "0.5"] and rows[1]["delta"] == "-0.256"


def test_markup_of_each_format_is_text() -> None:
    assert latex("\x1b \\input{x} $a$") == r"\textbackslash{}x1b \textbackslash{}input\{x\} \$a\$"
    assert markdown("\x07[x](javascript:y)|<b>`$z$") == r"\\x07\[x\](javascript:y)\|&lt;b&gt;\`\$z\$"
    assert markdown("# no heading") == r"\# no heading"


# Encodings


def in_process(*arguments: str, **environment: str) -> Ended:
    """Run a command in a process of its own; where the encoding is that of a simple terminal, in a new interpreter."""
    if environment["PYTHONIOENCODING"] != "cp437":
        return forked(*arguments, environment=environment)
    command = [sys.executable, "-m", "goldieval", *arguments]
    ran = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, check=False)
    return Ended(ran.returncode, ran.stdout, ran.stderr)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "cp437", "utf-8"])
def test_a_terminal_of_any_encoding_shows_the_table(encoding: str) -> None:
    write(Path("results"), made("cifar10", "猫é – ±", 0.5, 100, warnings=["≥ 猫"]))
    ran = in_process("show", PYTHONIOENCODING=encoding)
    out = ran.stdout.decode(encoding)
    assert ran.returncode == 0 and b"Error" not in ran.stderr
    assert "top-1" in out and ("40.4–59.6" in out or "40.4-59.6" in out)


def test_errors_and_help_in_any_encoding() -> None:
    for arguments, code in ((["show", "猫\u202e"], 2), (["--help"], 0), (["table", "no–such"], 2)):
        ran = in_process(*arguments, PYTHONIOENCODING="ascii", TERM="dumb", COLUMNS="40", NO_COLOR="1")
        text = (ran.stdout + ran.stderr).decode("ascii")
        assert ran.returncode == code and "UnicodeEncodeError" not in text and "fault" not in text


def test_html_is_utf_8_whatever_the_terminal_is() -> None:
    write(Path("results"), made("cifar10", "猫", 0.5))
    ran = in_process("table", "--format", "html", PYTHONIOENCODING="latin-1")
    assert "&#29483;" in ran.stdout.decode("utf-8")


def test_ascii_substitutes_are_measured_by_columns() -> None:
    assert fit_encoding("50 ± 1 – 猫", "ascii") == "50 +- 1 - \\u732b" and fit_encoding("é ±", "latin-1") == "é ±"


def test_closed_pipe_ends_the_program_quietly() -> None:
    write(Path("results"), *(made("cifar10", f"m{number}", 0.5) for number in range(30)))
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "goldieval", "show"]
    ran = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, check=False)
    os.close(writer)
    assert ran.returncode == 141 and ran.stderr == b""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_full_disk_is_one_line() -> None:
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "goldieval", "ls", "suites"]
        ran = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, check=False)
    assert ran.returncode == 2 and ran.stderr.startswith(b"error: cannot write the output")


def test_arguments_of_printed_commands_are_quoted() -> None:
    assert shell_argument("~/my data") == "~/'my data'" and shell_argument("it's") == "'it'\"'\"'s'"
