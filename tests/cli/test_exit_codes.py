"""The command line: exit codes, output streams and files."""

from __future__ import annotations

import json
import traceback
from pathlib import Path
from typing import Any

import pytest
from helpers import goldieval, one_line, records, retrieval_embeddings

from goldieval.core.errors import GoldievalError

pytestmark = pytest.mark.usefixtures("plain")


def _files(folder: Path) -> set[str]:
    return {str(file.relative_to(folder)) for file in folder.rglob("*") if "__pycache__" not in file.parts}


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
        assert "loading.py" in "".join(traceback.format_exception(caught.value))


def test_fault_of_our_own_is_one_line_too(precomputed: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("first\nsecond")

    monkeypatch.setattr("goldieval.engine.run.evaluate", broken)
    ran = goldieval(*precomputed)
    assert ran.code == 2 and "Traceback" not in ran.err
    assert ran.err.strip().splitlines() == ["error: RuntimeError: first (a bug in goldieval; --debug shows where)"]
    with pytest.raises(RuntimeError):
        goldieval("--debug", *precomputed)


def test_interrupted_run_exits_130(precomputed: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("goldieval.engine.run.evaluate", stopped)
    ran = goldieval(*precomputed)
    assert ran.code == 130 and "interrupted" in one_line(ran.err)
