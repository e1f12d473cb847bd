"""The command line: its verbs and options, and the modules that it imports at start-up."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
import typer
from helpers import goldieval

pytestmark = pytest.mark.usefixtures("plain")


FLAGS = {
    "train": [
        "recipe",
        "--out",
        "--set",
        "--resume",
        "--dry-run",
        "--processes",
        "--memory",
        "--max-bad-samples",
        "--allow-commands",
        "--log",
        "--data-dir",
        "--tasks-dir",
    ],
    "run": [
        "--model",
        "--tasks",
        "--out",
        "--data-dir",
        "--tasks-dir",
        "--device",
        "--batch-size",
        "--precision",
        "--workers",
        "--limit",
        "--subset",
        "--save-images",
        "--scoring",
        "--set",
        "--allow-bad",
        "--dry-run",
        "--no-cache",
        "--offline",
        "--strict",
        "--log",
        "--shard",
        "--distributed",
        "--json",
        "--config",
        "--quiet",
        "--watch",
        "--watch-every",
        "--watch-until",
        "--watch-idle",
    ],
    "ls": [
        "what",
        "pattern",
        "--family",
        "--tag",
        "--suite",
        "--present",
        "--data",
        "--licence",
        "--max-parameters",
        "--max-images",
        "--data-dir",
        "--tasks-dir",
        "--out",
        "--json",
    ],
    "show": ["place", "--format", "--model", "--tasks-dir", "--json", "--reliability", "--task"],
    "table": [
        "spec",
        "--out",
        "--import",
        "--format",
        "--html",
        "--plot",
        "--check",
        "--delta",
        "--columns",
        "--label",
        "--plot-task",
        "--trained",
        "--digits",
        "--allow",
        "--tasks-dir",
        "--strict",
    ],
    "compare": [
        "a",
        "b",
        "--out",
        "--tasks",
        "--all-metrics",
        "--seeds",
        "--samples",
        "--html",
        "--data-dir",
        "--tasks-dir",
        "--json",
    ],
    "data get": ["tasks", "--yes", "--dry-run", "--repair", "--data-dir", "--tasks-dir"],
    "data check": ["tasks", "--data-dir", "--tasks-dir", "--workers"],
    "data where": ["tasks", "--data-dir", "--tasks-dir", "--json"],
    "data preview": [
        "task",
        "--out",
        "--png",
        "--model",
        "--samples",
        "--workers",
        "--data-dir",
        "--tasks-dir",
    ],
    "data outcomes": ["file", "--task", "--model", "--columns", "--out", "--data-dir", "--tasks-dir"],
    "data import": [
        "what",
        "--family",
        "--name",
        "--out",
        "--file",
        "--image",
        "--caption",
        "--label",
        "--mask",
        "--keep-uncaptioned",
        "--config",
        "--split",
        "--yes",
        "--dry-run",
        "--data-dir",
        "--tasks-dir",
    ],
    "doctor": [
        *("--model", "--verify", "--all", "--plan", "--report", "--shortcuts", "--html"),
        *("--data-dir", "--device", "--offline", "--json"),
    ],
}


HEAVY = ["torch", "transformers", "pandas", "datasets", "open_clip"]


def _command() -> Any:
    from goldieval.cli import app

    return typer.main.get_command(app)


def _verbs() -> dict[str, Any]:
    """Return every verb, the parts of ``data`` as ``data get`` and so on."""
    verbs = dict(_command().commands)
    parts = {f"data {name}": part for name, part in verbs.pop("data").commands.items()}
    return verbs | parts


def test_verbs_and_flags_are_frozen() -> None:
    """Scripts of users depend on these names: remove one, or change its meaning, only for a good reason."""
    found = {name: [o for p in verb.params for o in p.opts] for name, verb in _verbs().items()}
    assert {name: sorted(flags) for name, flags in found.items()} == {n: sorted(flags) for n, flags in FLAGS.items()}
    assert [option for parameter in _command().params for option in parameter.opts] == [
        "--debug",
        "--version",
        "--install-completion",
        "--show-completion",
    ]


def test_every_option_says_what_it_does() -> None:
    for verb in _verbs().values():
        assert verb.help and "goldieval " in verb.help
        assert all(parameter.help for parameter in verb.params)


LIGHT = """
import io, sys, contextlib
from goldieval.cli import main
for arguments in (["--help"], ["run", "--help"], ["ls"], ["ls", "suites"], ["ls", "models"], ["ls", "families"],
                  ["ls", "results"], ["data", "--help"], ["data", "get", "--help"], ["data", "where"]):
    sys.argv = ["goldieval", *arguments]
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        try:
            main()
        except SystemExit as stop:
            assert not stop.code, (arguments, stop.code)
    assert said.getvalue().strip(), arguments
print(*sorted(name for name in sys.modules if "." not in name))
"""


DOOR = """
import io, sys, contextlib
from goldieval.cli import main
sys.argv = ["goldieval", *sys.argv[1:]]
with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
    main()
print(*sys.modules)
"""


@pytest.mark.parametrize("arguments", [["--help"], ["compare", "--help"], ["data", "get", "--help"], ["rnu"]])
def test_help_and_a_typo_are_answered_without_a_library(arguments: list[str]) -> None:
    """The help texts are printed without importing arrays, images and cards."""
    ran = subprocess.run([sys.executable, "-c", DOOR, *arguments], capture_output=True, text=True, check=True)
    imported = set(ran.stdout.split())
    assert "goldieval" in imported
    assert not imported & {*HEAVY, "numpy", "PIL", "yaml", "pyarrow", "filelock"}  # typer may import pydantic itself
    assert not imported & {
        "goldieval.tasks.card",
        "goldieval.records.schema",
        "goldieval.tasks.catalogue",
        "goldieval.engine.run",
    }


def test_help_and_ls_import_nothing_heavy() -> None:
    ran = subprocess.run([sys.executable, "-c", LIGHT], capture_output=True, text=True, timeout=600, check=False)
    assert ran.returncode == 0, ran.stderr
    imported = ran.stdout.split()
    assert "goldieval" in imported and not set(HEAVY) & set(imported)


def test_library_imports_nothing_heavy_and_names_what_it_offers() -> None:
    code = "import sys, goldieval; dir(goldieval); print(goldieval.__version__, *sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=600, check=True)
    assert not set(HEAVY) & set(ran.stdout.split())


def test_no_arguments_show_the_help() -> None:
    ran = goldieval()
    assert all(verb.split()[0] in ran.out + ran.err for verb in FLAGS)
