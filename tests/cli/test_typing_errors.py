"""For a mistyped name, one line suggests the correct one and the command with more information."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers import goldieval

from goldieval import evaluate


@pytest.fixture(autouse=True)
def _scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("run --model random", "error: Missing option '--tasks'. See: goldieval run --help"),
        (
            "run --model random --tasks cifar10 --limit 0",
            "write a number greater than or equal to 1. See: ",
        ),
        ("run --model random --tasks cifar10 --limit x", "'--limit': write a valid integer. See: goldieval run --help"),
        ("run --model random,goldiclip --tasks cifar10", "Several models: one --model for each."),
        ("run --model rndom --tasks cifar10", "Did you mean random? See: goldieval ls families"),
        ("ls results --out nowhere", "error: no results in nowhere: no such file or folder."),
        ("ls task", "'suites', 'models', 'families', 'results'. See: goldieval ls --help"),
        ("data gt cifar10", "No such command 'gt'. Did you mean 'get'? See: goldieval data --help"),
        ("data get", "See: goldieval data get --help"),
        ("run --model random --tasks no.yaml", "error: cannot read no.yaml: No such file or directory."),
        ("run --model random --tasks ./", "it is a folder"),
        ("train no.yaml", "error: no file no.yaml."),
        ("train goldclip-tiny", "Did you mean goldiclip-tiny, clip-tiny, goldiclip-tiny-start?"),
        ("train goldiclip-tiny --set lr=1", "unknown key. Did you mean optimiser.lr?"),
        ("train goldiclip-tiny --set optimiser.lrr=1", "unknown key. Did you mean optimiser.lr?"),
        ("compare results nowhere", "nowhere is neither a folder nor of a known model family."),
    ],
)
def test_one_line_and_exit_code_2(arguments: str, said: str) -> None:
    ran = goldieval(*arguments.split())
    assert ran.code == 2 and said in ran.err, ran.err
    assert ran.err.count("\n") == 1 and "Errno" not in ran.err and "Value error" not in ran.err


def test_without_arguments_the_help_is_all() -> None:
    ran = goldieval()
    assert ran.code == 2 and "Usage" in ran.out + ran.err and "error:" not in ran.err


def test_version() -> None:
    ran = goldieval("--version")
    assert ran.code == 0 and ran.out.startswith("goldieval 0.")


def test_compare_does_not_propose_to_run_a_typo(tmp_path: Path) -> None:
    evaluate(["random:8", "random:16"], "shapes-zeroshot", out=tmp_path, limit=8, cache=False)
    ran = goldieval("compare", "random:8", "random:16", "--tasks", "shapes-zeroshto", "--out", ".")
    assert ran.code == 2
    assert "no task 'shapes-zeroshto'. Did you mean shapes-zeroshot" in ran.err and "goldieval run" not in ran.err
    ran = goldieval("compare", "random:8", "randm", "--out", ".")
    assert ran.code == 2 and "Did you mean random" in ran.err and "goldieval run" not in ran.err


def test_data_whose_folder_is_not_there(tmp_path: Path) -> None:
    (record,) = evaluate("random", "cifar10", out=None, data_dir=tmp_path)
    assert record.reason.startswith(f"no data: there is no folder {tmp_path / 'cifar10'}. To get it: goldieval data")
