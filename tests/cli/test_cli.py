"""The command line: its flags, its exit codes, what it prints where, and what it leaves on disk."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import traceback
from pathlib import Path
from typing import Any

import pytest
import typer
from helpers import Ran, card, class_folders, goldieval, one_line, records, retrieval_embeddings, toy_model

from goldieval.core.errors import GoldievalError

FLAGS = {
    "train": ["recipe", "--out", "--set", "--resume", "--dry-run", "--max-bad-samples"],
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
        "--json",
    ],
    "ls": ["what", "pattern", "--data-dir", "--tasks-dir", "--out", "--json"],
    "show": ["place", "--json"],
    "table": [
        "spec",
        "--out",
        "--import",
        "--format",
        "--html",
        "--plot",
        "--check",
        "--delta",
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
    "data import": [
        "what",
        "--family",
        "--name",
        "--out",
        "--file",
        "--image",
        "--caption",
        "--label",
        "--data-dir",
        "--tasks-dir",
    ],
    "doctor": ["--model", "--verify", "--all", "--plan", "--report", "--data-dir", "--device", "--offline", "--json"],
}
HEAVY = ["torch", "transformers", "pandas", "datasets", "open_clip"]
LONG = "a-task-of-ours-with-a-long-name"


@pytest.fixture(autouse=True)
def _plain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No terminal, 100 columns, and a folder of its own to stand in."""
    for name in ("FORCE_COLOR", "CLICOLOR_FORCE", "TTY_COMPATIBLE", "PY_COLORS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def precomputed(tmp_path: Path) -> list[str]:
    """Arguments of a run that encodes nothing."""
    folder = retrieval_embeddings(tmp_path / "given")
    return ["run", "--model", f"embeddings:{folder}", "--tasks", f"{folder}/card.yaml"]


@pytest.fixture
def classified(tmp_path: Path) -> list[str]:
    """Arguments of a run on pictures."""
    class_folders(tmp_path / "data", {"cat": 3, "dog": 2, "fish": 2, "bird": 1, "bee": 1, "ant": 1})
    return ["run", "--model", toy_model(tmp_path), "--tasks", str(card(tmp_path))]


def _command() -> Any:
    from goldieval.cli import app

    return typer.main.get_command(app)


def _verbs() -> dict[str, Any]:
    """Return every verb, the parts of ``data`` as ``data get`` and so on."""
    verbs = dict(_command().commands)
    parts = {f"data {name}": part for name, part in verbs.pop("data").commands.items()}
    return verbs | parts


def _files(folder: Path) -> set[str]:
    return {str(file.relative_to(folder)) for file in folder.rglob("*") if "__pycache__" not in file.parts}


# Verbs and flags


def test_verbs_and_flags_are_frozen() -> None:
    """Scripts of others call these names: take one away, or give it another meaning, only with a reason."""
    found = {name: [o for p in verb.params for o in p.opts] for name, verb in _verbs().items()}
    assert {name: sorted(flags) for name, flags in found.items()} == {n: sorted(flags) for n, flags in FLAGS.items()}
    assert [option for parameter in _command().params for option in parameter.opts] == [
        "--debug",
        "--version",
    ]


def test_every_option_says_what_it_does() -> None:
    for verb in _verbs().values():
        assert verb.help and "goldieval " in verb.help
        assert all(parameter.help for parameter in verb.params)


LIGHT = """
import io, sys, contextlib
from goldieval.cli import main
for arguments in (["--help"], ["run", "--help"], ["ls"], ["ls", "suites"], ["ls", "models"], ["ls", "results"],
                  ["data", "--help"], ["data", "get", "--help"], ["data", "where"]):
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
    """What only asks how to ask does not pay for the arrays, pictures and cards of the verbs."""
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


# Exit codes, streams and files


def test_a_good_run_exits_0_and_leaves_one_record_and_its_outcomes(precomputed: list[str], tmp_path: Path) -> None:
    ran = goldieval(*precomputed, "--out", "out")
    assert (ran.code, ran.err) == (0, "")
    assert sorted(Path(name).suffix for name in _files(tmp_path / "out") if "." in Path(name).name) == [
        ".json",
        ".parquet",
    ]
    (record,) = records(tmp_path / "out")
    assert record["status"] == "ok" and record["run"]["command"].startswith("goldieval run --model embeddings:")


def test_results_is_the_folder_where_none_is_named(precomputed: list[str], tmp_path: Path) -> None:
    goldieval(*precomputed)
    assert len(records(tmp_path / "results")) == 1


def test_a_task_named_without_its_data_exits_1_and_says_how_to_get_them(precomputed: list[str]) -> None:
    ran = goldieval(*precomputed[:-1], "cifar10")
    assert ran.code == 1
    (line,) = [line for line in ran.out.splitlines() if "FAILED" in line]
    assert line.startswith("cifar10 FAILED: no data: ") and line.endswith("goldieval data get cifar10")


def test_a_suite_without_its_data_exits_0_and_lists_them_and_1_under_strict(precomputed: list[str]) -> None:
    ran = goldieval(*precomputed[:-1], "retrieval")
    assert ran.code == 0
    assert "coco-karpathy, 5,000 images" in ran.out and ran.out.count("goldieval data get TASK") == 1
    assert goldieval(*precomputed[:-1], "retrieval", "--strict").code == 1
    assert goldieval(*precomputed, "--strict").code == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "--tasks", "cifar10"],
        ["run", "--model", "random"],
        ["run", "--model", "random", "--tasks", "cifar10", "--bach-size", "3"],
        ["run", "--model", "random", "--tasks", "cifar10", "--batch-size", "0"],
        ["run", "--model", "random", "--tasks", "cifar10", "--limit", "many"],
        ["run", "--model", "random", "--tasks", "cifar10", "--precision", "fp8"],
        ["run", "--model", "random", "--tasks", "cifar10", "--device", "tpu"],
        ["run", "--model", "random", "--tasks", ","],
        ["run", "--model", "random", "--tasks", "cifar10", "--data-dir", "nowhere"],
        ["run", "--model", "random", "--tasks", "cifar10", "--tasks-dir", "nowhere"],
        ["ruin"],
        ["ls", "taks"],
        ["show", "nowhere"],
    ],
)
def test_wrong_arguments_exit_2_with_one_line(arguments: list[str]) -> None:
    ran = goldieval(*arguments)
    assert (ran.code, ran.out) == (2, "")
    assert one_line(ran.err).startswith("error: ")


def test_no_arguments_show_the_help() -> None:
    ran = goldieval()
    assert all(verb.split()[0] in ran.out + ran.err for verb in FLAGS)


def test_json_is_all_that_stdout_gets(precomputed: list[str], classified: list[str]) -> None:
    for arguments in (precomputed, classified):
        ran = goldieval(*arguments, "--json")
        (record,) = json.loads(ran.out)
        assert record["status"] == "ok" and record["metrics"][record["task"]["headline"]]["n"] > 0
        assert "mine" in ran.err
    assert json.loads(goldieval(*precomputed, "--json", "--dry-run").out) == []
    assert len(json.loads(goldieval("show", "--json").out)) == 2
    assert {row["task"] for row in json.loads(goldieval("ls", "results", "--json").out)} == {"mine"}
    assert len(json.loads(goldieval("ls", "--json").out)) >= 12
    assert json.loads(goldieval("ls", "tasks", "zzz*", "--json").out) == []


def test_json_of_a_failure_is_json_too(precomputed: list[str]) -> None:
    ran = goldieval(*precomputed[:-1], "cifar10", "--json")
    assert ran.code == 1 and json.loads(ran.out)[0]["status"] == "failed"


def test_dry_run_plans_and_writes_nothing(classified: list[str], tmp_path: Path, store: Path) -> None:
    before = _files(tmp_path)
    ran = goldieval(*classified, "--dry-run")
    assert ran.code == 0 and "10 images, 6 texts" in ran.out and "10 to encode" in ran.out
    assert _files(tmp_path) == before
    assert not [file for file in store.rglob("*") if file.is_file()]


def test_run_without_the_cache_leaves_no_embeddings(classified: list[str], store: Path) -> None:
    assert goldieval(*classified, "--no-cache").code == 0
    assert not store.exists() or not _files(store)
    assert goldieval(*classified).code == 0 and _files(store)
    assert "10 embedded already, 0 to encode" in goldieval(*classified).out


def test_several_models_and_tasks_in_one_command(tmp_path: Path) -> None:
    given = [retrieval_embeddings(tmp_path / name, name=name) for name in ("a", "b")]
    models = [argument for folder in given for argument in ("--model", f"embeddings:{folder}")]
    ran = goldieval("run", *models, "--tasks", ",".join(f"{folder}/card.yaml" for folder in given))
    assert ran.code == 0
    found = [(record["model"]["spec"], record["task"]["name"]) for record in records(tmp_path / "results")]
    assert sorted(found) == [(f"embeddings:{folder}", name) for folder in given for name in ("a", "b")]


def test_model_that_needs_pictures_fails_a_task_of_ids_with_what_to_do(
    precomputed: list[str], classified: list[str], tmp_path: Path
) -> None:
    ran = goldieval(*precomputed[:2], classified[2], *precomputed[3:])
    assert ran.code == 1
    (record,) = records(tmp_path / "results")
    assert record["status"] == "failed" and "embeddings:FOLDER" in record["reason"]


# Tracebacks


def test_traceback_only_with_debug() -> None:
    wrong = ["run", "--model", "rondom", "--tasks", "cifar10"]
    assert "rondom" in one_line(goldieval(*wrong).err)
    for arguments in (["--debug", *wrong], [*wrong, "--debug"]):
        with pytest.raises(GoldievalError) as caught:
            goldieval(*arguments)
        assert "adapter.py" in "".join(traceback.format_exception(caught.value))


def test_fault_of_our_own_is_one_line_too(precomputed: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("first\nsecond")

    monkeypatch.setattr("goldieval.engine.run.evaluate", broken)
    ran = goldieval(*precomputed)
    assert ran.code == 2 and "Traceback" not in ran.err
    assert ran.err.strip().splitlines() == ["error: RuntimeError: first (a fault of goldieval; --debug shows where)"]
    with pytest.raises(RuntimeError):
        goldieval("--debug", *precomputed)


def test_interrupted_run_exits_130(precomputed: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("goldieval.engine.run.evaluate", stopped)
    ran = goldieval(*precomputed)
    assert ran.code == 130 and "interrupted" in one_line(ran.err)


# Windows, and none


def _table(text: str) -> list[str]:
    """Return the lines of the scores: from the first that names the task to its protocol."""
    lines = text.splitlines()
    start = next(n for n, line in enumerate(lines) if line.strip().startswith("task ") or line.strip() == LONG)
    end = next(n for n, line in enumerate(lines) if line.startswith(f"{LONG}: all"))
    return lines[start:end]


@pytest.mark.parametrize("columns", [40, 60, 80, 100])
def test_scores_fit_the_window_and_no_name_is_cut(
    classified: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    card(tmp_path, name=LONG)
    ran, again = goldieval(*classified), goldieval("show")
    for text in (ran.out, again.out):
        shown = _table(text)
        assert all(len(line) <= columns for line in shown)
        for name in (LONG, "top-1", "top-5", "mean per class", "chance", "ceiling", "MDD"):
            assert any(name in line for line in shown), name
        assert "…" not in text


@pytest.mark.parametrize("columns", [40, 60, 80, 140])
def test_list_of_tasks_fits_the_window_and_no_word_is_cut(monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    tasks = json.loads(goldieval("ls", "--json").out)
    text = goldieval("ls").out
    assert all(len(line.rstrip()) <= columns for line in text.splitlines())
    assert "…" not in text
    words = set(text.split())
    for task in tasks:
        shown = {task["task"], *task["licence"].split(), *task["data"].split()}
        assert shown | ({task["family"], f"{task['images']:,}"} if columns >= 130 else set()) <= words


def test_list_of_tasks_is_a_table_in_80_columns_with_the_last_score(
    precomputed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    goldieval(*precomputed)
    goldieval(*precomputed, "--limit", "3")  # a subset is no score of the task
    (record,) = [each for each in records(Path("results")) if each["task"]["limit"] is None]
    score = record["metrics"]["t2i_r1"]["value"]
    Path("given/card.yaml").write_text(Path("given/card.yaml").read_text() + "chance: 0.1667\n")
    table = goldieval("ls", "--tasks-dir", "given").out.splitlines()
    assert table[0].split() == ["task", "data", "size", "chance", "score", "licence"]
    (row,) = [line.split() for line in table if line.startswith("mine ")]
    assert row == ["mine", "present", "–", "17", f"{100 * score:.1f}", "mine"]
    (row,) = [line.split() for line in table if line.startswith("shapes-zeroshot ")]
    assert row[:4] == ["shapes-zeroshot", "made", "here", "–"]


@pytest.mark.parametrize("columns", [40, 80])
@pytest.mark.parametrize("what", ["suites", "models", "results"])
def test_other_lists_fit_the_window_and_no_name_is_cut(
    precomputed: list[str], monkeypatch: pytest.MonkeyPatch, columns: int, what: str
) -> None:
    goldieval(*precomputed[:2], "embeddings:given", *precomputed[3:])
    monkeypatch.setenv("COLUMNS", str(columns))
    rows, text = json.loads(goldieval("ls", what, "--json").out), goldieval("ls", what).out
    assert rows and all(len(line.rstrip()) <= columns for line in text.splitlines())
    for row in rows:
        assert str(next(iter(row.values()))) in text.split()


def test_without_a_terminal_there_are_plain_lines(classified: list[str]) -> None:
    ran = goldieval(*classified)
    assert "\x1b" not in ran.out and "\r" not in ran.out
    assert "images: 10 of 10, " in ran.out and "texts: 6 of 6, " in ran.out


def test_text_in_brackets_is_no_markup(precomputed: list[str], tmp_path: Path) -> None:
    retrieval_embeddings(tmp_path / "given", protocol="[bold]all[/bold] [red]")
    assert "mine: [bold]all[/bold] [red]; global scoring" in goldieval(*precomputed).out


# What is shown


def test_run_ends_with_scores_protocol_and_the_next_command(classified: list[str]) -> None:
    out = goldieval(*classified).out
    assert [line.split()[:2] for line in out.splitlines() if "top-1" in line] == [["mine", "top-1"]]
    assert "mine: all; global scoring" in out
    assert "goldieval show results/" in out and "goldieval doctor --model" in out


def test_show_and_ls_list_what_was_run(classified: list[str], precomputed: list[str]) -> None:
    goldieval(*classified)
    goldieval(*precomputed)
    goldieval(*precomputed[:-1], "cifar10")
    shown = goldieval("show")
    assert shown.code == 0
    for name in ("T2I R@10", "I2T median rank", "mean per class", "cifar10 FAILED: no data"):
        assert name in shown.out
    rows = json.loads(goldieval("ls", "results", "--json").out)
    assert sorted(row["status"] for row in rows) == ["failed", "ok", "ok"]
    assert all(row["score"] is not None for row in rows if row["status"] == "ok")
    one = next(row["file"] for row in rows if row["status"] == "ok")
    assert len(json.loads(goldieval("show", one, "--json").out)) == 1


def test_show_of_an_empty_folder_says_how_to_fill_it(tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    ran = goldieval("show")
    assert ran.code == 0 and "no records in results" in ran.out and "goldieval run" in ran.out


def test_ls_says_whether_data_are_here(tmp_path: Path) -> None:
    class_folders(tmp_path / "cards" / "data", {"cat": 1, "dog": 1})
    card(tmp_path / "cards", expect={"images": 2})
    rows = json.loads(goldieval("ls", "--tasks-dir", "cards", "--json").out)
    found = {row["task"]: row["data"] for row in rows}
    assert (found["mine"], found["cifar10"], found["shapes-zeroshot"]) == ("present", "missing", "made here")
    assert [row["task"] for row in json.loads(goldieval("ls", "tasks", "coco*", "--json").out)] == [
        "coco-karpathy",
        "coco-object",
        "coco-stuff",
        "coco-val2017-first5",
        "coco-val2017",
    ]


def test_ls_with_a_damaged_record_names_it(precomputed: list[str], tmp_path: Path) -> None:
    goldieval(*precomputed)
    file = next((tmp_path / "results").rglob("*.json"))
    file.write_text(file.read_text()[:100])
    for arguments in (["ls", "results"], ["show"]):
        ran = goldieval(*arguments)
        assert ran.code == 2 and file.name in one_line(ran.err)


# What makes another record


def _run(arguments: list[str], *more: str) -> Ran:
    ran = goldieval(*arguments, *more)
    assert ran.code == 0, ran.err or ran.out
    return ran


def test_set_enters_the_protocol_and_makes_another_record(precomputed: list[str], tmp_path: Path) -> None:
    _run(precomputed)
    ran = _run(precomputed, "--set", "k=[1, 3]")
    assert "mine: all + k=[1, 3]" in ran.out
    plain, changed = sorted(records(tmp_path / "results"), key=lambda record: len(record["task"]["protocol"]))
    assert plain["task"]["overrides"] == {} and changed["task"]["overrides"] == {"k": [1, 3]}
    assert "t2i_r3" in changed["metrics"] and "t2i_r3" not in plain["metrics"]
    assert plain["key"] != changed["key"]


@pytest.mark.parametrize(
    ("pair", "line"),
    [
        ("prompt=[x]", "--set prompt: none of these tasks has such a parameter. Did you mean prompts?"),
        ("colour=red", "--set colour: none of these tasks has such a parameter. They have "),
        ("prompts", "write KEY=VALUE"),
        ("=3", "write KEY=VALUE"),
        ("prompts=[a", "the value is no YAML"),
        ("prompts=[no place]", "params.prompts: "),
        ("scoring=conditionned", "no scoring mode 'conditionned': choose auto, global, conditioned or shortlist:K"),
    ],
)
def test_fault_in_set_is_one_line_and_writes_nothing(
    classified: list[str], tmp_path: Path, pair: str, line: str
) -> None:
    ran = goldieval(*classified, "--set", pair)
    assert ran.code == 2 and line in one_line(ran.err)
    assert not records(tmp_path)


def test_limit_marks_a_subset_and_makes_another_record(classified: list[str], tmp_path: Path) -> None:
    _run(classified)
    ran = _run(classified, "--limit", "4")
    assert "a subset of 4 images" in ran.out
    found = {record["task"]["limit"]: record for record in records(tmp_path / "results")}
    assert found[4]["metrics"]["acc1"]["n"] == 4 and found[None]["metrics"]["acc1"]["n"] == 10
    assert found[4]["key"] != found[None]["key"] and found[4]["data"]["seen"]["images"] == 10


def test_same_command_again_writes_the_same_record_over(classified: list[str], tmp_path: Path) -> None:
    _run(classified)
    (first,) = records(tmp_path / "results")
    _run(classified)
    (again,) = records(tmp_path / "results")
    assert first["metrics"] == again["metrics"] and first["key"] == again["key"]
    assert again["run"]["encoded"] == {"images": 0, "texts": 0}


def test_environment_variable_names_the_data_root(
    classified: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card(tmp_path, source={"path": "", "id": "mine"})
    monkeypatch.setenv("GOLDIEVAL_DATA", str(tmp_path / "root"))
    ran = goldieval(*classified)
    assert ran.code == 2 and "$GOLDIEVAL_DATA names" in one_line(ran.err)
    (tmp_path / "root").mkdir()
    os.rename(tmp_path / "data", tmp_path / "root" / "mine")
    assert goldieval(*classified).code == 0
    (tmp_path / "empty").mkdir()
    assert goldieval(*classified, "--data-dir", "empty").code == 1
