"""Comparison by averages of suites: paired over all members, refused with what is missing, seeds and curves."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from average_cases import average, cards, member, record
from comparison_records import retrieved
from helpers import content, goldieval, one_line

import goldieval as library
from goldieval.core.errors import GoldievalError
from goldieval.records.files import read_outcomes, read_record
from goldieval.records.writing import write_record
from goldieval.tasks.card import load_card

SOURCE = {"path": ".", "file": "texts.jsonl", "caption": "caption", "caption_id": "id", "pictures": False}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.chdir(tmp_path)
    return cards(tmp_path / "cards")


def models(out: Path, folder: Path, gains: dict[str, int], count: int = 1000) -> Path:
    """Write records of A with half of the images right, and of B with so many more; return the folder."""
    for task, more in gains.items():
        base = (np.arange(count) % 2).astype(float)
        better = base.copy()
        better[np.flatnonzero(base == 0)[:more]] = 1.0
        record(out, folder, task, 0, spec="toy:a", hits=base)
        record(out, folder, task, 0, spec="toy:b", hits=better)
    return out


def test_differences_that_no_task_shows_alone_are_found_by_the_average(tmp_path: Path, folder: Path) -> None:
    models(tmp_path / "results", folder, dict.fromkeys(("one", "two", "three"), 6))
    found = library.compare("toy:a", "toy:b", tasks_dir=folder)
    *tasks, mean = found.rows
    assert [row.verdict for row in tasks] == ["not separable"] * 3
    assert (mean.task, mean.metric, mean.verdict) == ("mean", "average", "better")
    assert mean.difference == pytest.approx(0.006) and (mean.gains, mean.losses, mean.n) == (18, 0, 3000)
    assert mean.low > 0 and mean.p < 0.001 and mean.minimum_detectable_difference < 0.006
    assert mean.method == "paired test of the average" and mean.protocol == "mean of 3 members"


def test_the_variance_is_the_sum_of_the_members_paired_variances(tmp_path: Path, folder: Path) -> None:
    models(tmp_path / "results", folder, {"one": 40, "two": 0, "three": 100})
    found = library.compare("toy:a", "toy:b", tasks_dir=folder, tasks="mean")
    (mean,) = found.rows
    variances = [p * (1 - p) / 999 for p in (0.04, 0.0, 0.1)]
    assert mean.high - mean.low == pytest.approx(2 * 1.96 * np.sqrt(sum(variances)) / 3, rel=0.01)


def test_an_average_alone_needs_its_members_records_and_no_other(tmp_path: Path, folder: Path) -> None:
    models(tmp_path / "results", folder, {"one": 50, "two": 50})
    with pytest.raises(GoldievalError, match="mean: refused for A: 2 of 3 tasks have a whole result; missing: three"):
        library.compare("toy:a", "toy:b", tasks_dir=folder, tasks="mean")
    both = library.compare("toy:a", "toy:b", tasks_dir=folder, tasks=["one", "mean"])
    assert [row.task for row in both.rows] == ["one"] and "mean: refused" in both.refused[0]
    every = library.compare("toy:a", "toy:b", tasks_dir=folder)
    assert [row.task for row in every.rows] == ["one", "two"] and every.refused == []
    assert every.notes == ["not compared, mean: refused for A: 2 of 3 tasks have a whole result; missing: three"]


def test_other_data_of_a_member_are_refused(tmp_path: Path, folder: Path) -> None:
    models(tmp_path / "results", folder, {"one": 50, "two": 50, "three": 50})
    record(tmp_path / "results", folder, "two", 70, count=1000, spec="toy:b", sha256="e" * 64)
    with pytest.raises(GoldievalError, match="mean: two: not the same samples: data"):
        library.compare("toy:a", "toy:b", tasks_dir=folder, tasks="mean")


def test_an_unknown_average_is_no_task(folder: Path, tmp_path: Path) -> None:
    models(tmp_path / "results", folder, {"one": 50})
    with pytest.raises(GoldievalError, match=r"no task 'meann'\. Did you mean mean\b"):
        library.compare("toy:a", "toy:b", tasks_dir=folder, tasks="meann")


def test_equal_models_are_not_separable(tmp_path: Path, folder: Path) -> None:
    models(tmp_path / "results", folder, {"one": 0, "two": 0, "three": 0})
    (mean,) = library.compare("toy:a", "toy:b", tasks_dir=folder, tasks="mean").rows
    assert (mean.verdict, mean.difference, mean.p) == ("not separable", 0.0, 1.0)
    assert mean.minimum_detectable_difference > 0


def test_directions_of_retrieval_are_joined_by_image(tmp_path: Path) -> None:
    members = [member("one", ["t2i_r1", "t2i_r5"]), member("two")]
    cards_of = cards(tmp_path / "both", average(members=members))
    (cards_of / "one.yaml").write_text(yaml.safe_dump(content("table", "retrieval", name="one", source=SOURCE)))
    sha = load_card(cards_of / "one.yaml").hash
    for spec, shift in (("toy:a", 0), ("toy:b", 1)):
        ranks = np.tile(np.arange(1, 9), 50) - shift
        names = ["t2i_r1", "t2i_r5"]
        retrieved(tmp_path / "results", spec, np.maximum(ranks, 1), names, name="one", card_sha256=sha, source="one")
        record(tmp_path / "results", cards_of, "two", 50 + 10 * shift, spec=spec)
    (mean,) = library.compare("toy:a", "toy:b", tasks_dir=cards_of, tasks="mean").rows
    assert mean.clusters == 200 + 100 and mean.n == 2 * 400 + 100
    assert mean.difference == pytest.approx(((1 / 8) + (1 / 8)) / 4 + 0.1 / 2)


def test_a_metric_without_outcomes_is_taken_as_of_independent_models(tmp_path: Path, folder: Path) -> None:
    models(tmp_path / "results", folder, {"one": 50, "two": 50, "three": 50})
    paired = library.compare("toy:a", "toy:b", tasks_dir=folder, tasks="mean").rows[0]
    for spec in ("toy:a", "toy:b"):
        file = next((tmp_path / "results").rglob(f"{spec.replace(':', '_')}*/two*.json"))
        outcomes = read_outcomes(file, read_record(file))
        del outcomes["place"]
        write_record(tmp_path / "results", read_record(file), outcomes)
    found = library.compare("toy:a", "toy:b", tasks_dir=folder, tasks="mean").rows[0]
    assert found.method == "paired test of the average; as of independent models: two acc1"
    assert found.high - found.low > 1.5 * (paired.high - paired.low)


def test_seeds_are_compared_by_their_means(tmp_path: Path, folder: Path) -> None:
    rng = np.random.default_rng(0)
    for side, rate in (("a", 0.5), ("b", 0.6)):
        for seed in range(3):
            for task in ("one", "two", "three"):
                hits = (rng.random(400) < rate).astype(float)
                of = {"spec": f"toy:{side}{seed}", "seed": seed, "recipe": side}
                record(tmp_path / "results", folder, task, 0, hits=hits, **of)
    (mean,) = library.compare("toy:a*", "toy:b*", tasks_dir=folder, tasks="mean").rows
    assert mean.seeds == (3, 3) and mean.verdict == "better" and mean.seed_error is not None
    assert mean.difference == pytest.approx(0.1, abs=0.03)


def test_checkpoints_have_a_curve_of_the_average(tmp_path: Path, folder: Path) -> None:
    for step in (1, 2):
        for task in ("one", "two", "three"):
            record(tmp_path / "results", folder, task, 40 + 10 * step, spec=f"toy:a{step}", images_seen=1000 * step)
            record(tmp_path / "results", folder, task, 90, spec="toy:b")
    found = library.compare("toy:a*", "toy:b", tasks_dir=folder)
    points = [(point.side, point.images_seen, round(point.value, 3)) for point in found.curve if point.task == "mean"]
    assert points == [("A", 1000, 0.5), ("A", 2000, 0.6), ("B", None, 0.9)]


def test_the_screen_and_json_and_page_have_the_average(tmp_path: Path, folder: Path) -> None:
    models(tmp_path / "results", folder, {"one": 50, "two": 50, "three": 50})
    ran = goldieval("compare", "toy:a", "toy:b", "--tasks-dir", folder, "--html", tmp_path / "page.html")
    assert ran.code == 0 and any(line.split()[:2] == ["mean", "average"] for line in ran.out.splitlines())
    assert "mean: mean of 3 members; paired test of the average, 3,000 queries" in ran.out
    assert all(len(line) <= 80 for line in ran.out.splitlines() if not line.startswith("page: "))
    assert "average" in (tmp_path / "page.html").read_text()
    rows = json.loads(goldieval("compare", "toy:a", "toy:b", "--tasks-dir", folder, "--json").out)["rows"]
    assert rows[-1]["task"] == "mean" and rows[-1]["verdict"] == "better"
    refused = goldieval("compare", "toy:a", "toy:b", "--tasks-dir", folder, "--tasks", "mean", "--out", tmp_path / "no")
    assert refused.code == 2 and one_line(refused.err)
