"""``goldieval ls models``: lists by family, filters, JSON, windows of any width, and wrong filters."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from helpers import goldieval, one_line

pytestmark = pytest.mark.usefixtures("plain")


def _listed(*arguments: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(goldieval("ls", "models", *arguments, "--json").out)
    return found


def test_filters_select() -> None:
    assert {row["family"] for row in _listed("--family", "flair")} == {"flair"}
    assert {row["model"] for row in _listed("ViT-B-32-256*")} == {"open_clip:ViT-B-32-256/datacomp_s34b_b86k"}
    assert all("siglip2" in row["model"].lower() for row in _listed("siglip2"))
    small = _listed("--max-parameters", "100M")
    assert small and all(row["parameters"] <= 100_000_000 for row in small)
    few = _listed("--max-images", "15M", "--family", "open_clip")
    assert few and all(row["image_count"] <= 15_000_000 for row in few)
    laion = _listed("--data", "LAION", "--licence", "mit")
    assert laion and all("laion" in (row["images"] + row["model"]).lower() for row in laion)
    assert all("MIT" in row["licence"] for row in laion)
    assert _listed("no-such-model") == []


def test_unknown_facts_are_said_to_be_unknown() -> None:
    (row,) = _listed("open_clip:nllb-clip-base-siglip/v1")
    assert (row["images"], row["licence"], row["parameters"]) == ("unknown", "unknown", None)
    shown = goldieval("ls", "models", "--max-parameters", "200M", "--family", "open_clip").out
    assert re.search(r"left out: [0-9]+ whose number is unknown", shown)


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_the_list_fits_the_window_and_no_name_is_cut(monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    ran = goldieval("ls", "models")
    longest = max(len(line.rstrip()) for line in ran.out.splitlines())
    names = [row["model"] for row in _listed()]
    assert longest <= max(columns, 2 + max(map(len, names)))
    assert set(names) <= set(ran.out.split()) and len(names) > 190
    assert "embeddings  Embeddings computed outside" in ran.out  # a family without checkpoints of its own


def test_families_are_a_list_of_their_own() -> None:
    rows = json.loads(goldieval("ls", "families", "--json").out)
    assert {"open_clip", "random"} <= {row["family"] for row in rows} and all(row["what"] for row in rows)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["models", "--family", "opn_clip"], "Did you mean open_clip"),
        (["models", "--max-parameters", "many"], "--max-parameters 'many'"),
        (["models", "--max-images", "-1"], "--max-images"),
        (["suites", "--data", "laion"], "--data does not apply to ls suites"),
        (["results", "--family", "flair"], "--family does not apply"),
    ],
)
def test_wrong_filters_are_one_line(arguments: list[str], said: str) -> None:
    ran = goldieval("ls", *arguments)
    assert ran.code == 2 and said in one_line(ran.err)


def test_tasks_of_a_family() -> None:
    rows = json.loads(goldieval("ls", "tasks", "--family", "segmentation", "--json").out)
    assert rows and {row["family"] for row in rows} == {"segmentation"}
