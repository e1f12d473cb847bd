"""Real processes that share an evaluation: the same bytes for any number of them, whatever is killed on the way."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from helpers import card, class_folders
from rank_commands import Rank, Ranks

EXAMPLES = Path(__file__).parents[2] / "docs/examples"
pytestmark = pytest.mark.slow  # each starts several processes with a model

MODEL = ["run", "--model", "goldiclip", "--tasks"]
FAMILIES = "shapes-retrieval,shapes-zeroshot,shapes-vqa,shapes-segmentation,shapes-composition"
RUNS = {
    "the scoring of the model": [FAMILIES, "--limit", "150", "--batch-size", "16"],
    "global": ["shapes-retrieval,shapes-zeroshot,shapes-composition", "--limit", "150", "--scoring", "global"],
    "shortlist": [
        "shapes-retrieval,shapes-zeroshot",
        "--limit",
        "150",
        "--batch-size",
        "16",
        "--scoring",
        "shortlist:8",
    ],
    "probe": ["shapes-probe"],
}


def run(size: int, arguments: list[str], folder: Path, store: str = "store", **environment: str) -> list[Rank]:
    """Run a command with several ranks, whose records and store are below a folder."""
    variables = {"GOLDIEVAL_STORE": str(folder / store)} | environment
    return Ranks(size, [*arguments, "--out", str(folder / "out")], folder / "text", variables).end()


def results(out: Path) -> dict[str, Any]:
    """Return the bytes of the outcomes and the numbers of each record."""
    found = {}
    for file in out.rglob("*.json"):
        record = json.loads(file.read_text())
        outcomes = (file.parent / record["outcomes"]["file"]).read_bytes()
        numbers = ("metrics", "ties", "classes", "approximation", "warnings", "probe", "data", "key", "status")
        found[record["task"]["name"]] = outcomes, [record[name] for name in numbers]
    return found


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """The results of one process with two threads."""
    made = {}
    for name, arguments in RUNS.items():
        folder = tmp_path_factory.mktemp("alone")
        (rank,) = run(1, [*MODEL, *arguments], folder, OMP_NUM_THREADS="2")
        assert rank.code == 0, rank.output
        made[name] = results(folder / "out")
    return made


@pytest.mark.parametrize("size", [2, 3, 4])
@pytest.mark.parametrize("name", RUNS)
def test_any_number_of_ranks_gives_the_same_bytes(
    name: str, size: int, alone: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    ranks = run(size, [*MODEL, *RUNS[name]], tmp_path)
    assert [rank.code for rank in ranks] == [0] * size, ranks
    assert [rank.output for rank in ranks[1:]] == [""] * (size - 1)
    assert results(tmp_path / "out") == alone[name]


def test_ranks_without_a_common_store_send_their_embeddings(alone: dict[str, dict[str, Any]], tmp_path: Path) -> None:
    ranks = run(3, [*MODEL, *RUNS["global"], "--no-cache"], tmp_path)
    assert [rank.code for rank in ranks] == [0] * 3, ranks
    assert results(tmp_path / "out") == alone["global"]


def test_killed_ranks_go_on_with_another_number_of_ranks(tmp_path: Path) -> None:
    arguments = [*MODEL, "shapes-retrieval", "--scoring", "global"]
    assert run(1, arguments, tmp_path / "whole")[0].code == 0
    folder, variables = tmp_path / "cut", {"GOLDIEVAL_STORE": str(tmp_path / "cut/store")}
    for size in (3, 2):
        ranks = Ranks(size, [*arguments, "--out", str(folder / "out")], folder / str(size), variables)
        before = len(list(folder.rglob("*.safetensors")))
        while len(list(folder.rglob("*.safetensors"))) == before and all(each.is_alive() for each in ranks.processes):
            time.sleep(0.02)
        for rank in range(size):
            ranks.kill(rank)
        assert {rank.code for rank in ranks.end()} <= {-9, 0}
    assert run(4, arguments, folder)[0].code == 0
    assert results(folder / "out") == results(tmp_path / "whole/out")


def test_a_rank_that_dies_is_named_once_and_the_others_leave(tmp_path: Path) -> None:
    arguments = [*MODEL, FAMILIES, "--out", str(tmp_path / "out"), "--no-cache"]
    ranks = Ranks(3, arguments, tmp_path / "text")
    while "encoding" not in _text(tmp_path / "text/0.txt"):
        time.sleep(0.02)
    ranks.kill(1)
    first, dead, third = ranks.end()
    assert (first.code, dead.code, third.code) == (2, -9, 2)
    assert "error: rank 1 (" in first.output and "has died" in first.output and third.output == ""


def _text(file: Path) -> str:
    return file.read_text() if file.exists() else ""


def test_a_folder_is_watched_by_all_ranks_together(tmp_path: Path) -> None:
    from goldieval.goldiclip.shipped import shipped_weights

    (tmp_path / "models").mkdir()
    (tmp_path / "models/a.safetensors").write_bytes(shipped_weights().read_bytes())
    watch = ["--watch", str(tmp_path / "models"), "--watch-every", "0.2", "--watch-until", "1"]
    first, second = run(
        2, ["run", "--model", "goldiclip", "--tasks", "shapes-segmentation", "--limit", "20", *watch], tmp_path
    )
    assert (first.code, second.code, second.output) == (0, 0, ""), (first, second)
    assert "1 evaluated" in first.output and len(results(tmp_path / "out")) == 1


@pytest.mark.parametrize("program", ["evaluate_in_ddp.py", "evaluate_in_fsdp.py"])
def test_the_examples_of_trainings_give_every_rank_the_same_record(
    program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    class_folders(tmp_path / "data", {"a": 3, "b": 4})
    arguments = [EXAMPLES / program, card(tmp_path), "ViT-S-32-alt"]
    ranks = Ranks(2, arguments, tmp_path / "text", {"GOLDIEVAL_STORE": str(tmp_path / "store")}).end()
    assert [rank.code for rank in ranks] == [0, 0], ranks
    scores = [line for rank in ranks for line in rank.output.splitlines() if "'mine'" in line]
    assert len(scores) == 2 and len({line.partition(" ")[2] for line in scores}) == 1, ranks
    assert len(results(tmp_path / "results")) == 1
