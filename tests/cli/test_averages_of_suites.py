"""A suite of the user's own with an average: run, show, table and compare, and what a narrow window shows of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from helpers import goldieval, one_line, records

import goldieval as library

pytestmark = pytest.mark.usefixtures("plain")

SUITE = """\
suite: drawn
title: Two drawn tasks
tasks: [shapes-zeroshot, shapes-composition]
averages:
  - name: drawn-mean
    label: Mean of two drawn tasks
    members:
      - {task: shapes-zeroshot, metric: acc1}
      - {task: shapes-composition, metric: accuracy}
"""


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    (tmp_path / "mine" / "suites").mkdir(parents=True)
    (tmp_path / "mine" / "suites" / "drawn.yaml").write_text(SUITE)
    return tmp_path / "mine"


@pytest.mark.slow
def test_the_average_is_a_row_of_run_show_table_and_notebooks(suite: Path, tmp_path: Path) -> None:
    ran = goldieval("run", "--model", "random", "--tasks", "drawn", "--tasks-dir", suite)
    shown = goldieval("show", "--tasks-dir", suite)
    for text in (ran.out, shown.out):
        assert any(line.split()[:2] == ["drawn-mean", "average"] for line in text.splitlines())
        assert "drawn-mean: Mean of two drawn tasks; mean of 2 members; interval: members independent" in text
    assert "drawn-mean" not in goldieval("show").out
    assert len(records(tmp_path / "results")) == 2  # an average is never written
    as_json = json.loads(goldieval("show", "--tasks-dir", suite, "--json").out)
    assert [each["task"]["name"] for each in as_json][-1] == "drawn-mean"
    table = goldieval("table", "shapes", "--tasks-dir", suite, "--format", "csv").out
    assert "drawn-mean,average," in table
    assert library.load_results(tasks_dir=suite).averages[0].headline is not None


def test_a_subset_has_no_average_and_says_so(suite: Path) -> None:
    ran = goldieval("run", "--model", "random", "--tasks", "drawn", "--tasks-dir", suite, "--limit", "5")
    line = "drawn-mean refused: 0 of 2 tasks have a whole result; a subset only: shapes-zeroshot, shapes-composition"
    assert ran.code == 0 and line in ran.out
    assert line in goldieval("show", "--tasks-dir", suite).out
    single = goldieval("run", "--model", "random", "--tasks", "shapes-zeroshot", "--tasks-dir", suite, "--limit", "5")
    assert "drawn-mean" not in single.out
    by_name = ["run", "--model", "random", "--tasks", "shapes-zeroshot,shapes-composition", "--tasks-dir", suite]
    assert line in goldieval(*by_name, "--limit", "5").out


def test_a_suite_with_a_wrong_average_is_one_line(suite: Path) -> None:
    file = suite / "suites" / "drawn.yaml"
    file.write_text(SUITE.replace("metric: accuracy", "metric: acc1"))
    ran = goldieval("run", "--model", "random", "--tasks", "drawn", "--tasks-dir", suite)
    assert ran.code == 2
    line = f"error: {file}: average drawn-mean: task shapes-composition has no metric 'acc1'."
    assert one_line(ran.err).startswith(line)
    listed = goldieval("ls", "suites", "--tasks-dir", suite)
    assert listed.code == 0 and "drawn.yaml" in one_line(listed.err)


def test_an_average_that_cannot_be_computed_is_said_wherever_it_would_stand(suite: Path, tmp_path: Path) -> None:
    both = "shapes-zeroshot,shapes-composition"
    assert goldieval("run", "--model", "random", "--tasks", both, "--limit", "5").code == 0
    file = suite / "suites" / "drawn.yaml"
    file.write_text(SUITE.replace("metric: accuracy}", "metric: accuracy, weight: 0}"))
    line = f"a card or suite is left out: {file}: averages.0.members.1.weight: Input should be greater than"
    for command in (["show"], ["table", "shapes"]):
        ran = goldieval(*command, "--tasks-dir", suite)
        assert ran.code == 0 and line in one_line(ran.err)
    assert goldieval("table", "shapes", "--tasks-dir", suite, "--strict").code == 2
    compared = goldieval("compare", "random", "random", "--tasks-dir", suite)
    assert line.split(":")[0] in compared.out


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("metric: acc1}", "metric: acc1, weight: 1.0e+308}", "less than or equal to 1000000"),
        ("metric: acc1}", "metric: acc1, weight: 1.0e-320}", "greater than or equal to 0.000001"),
        ("metric: acc1}", "metric: acc1, weight: true}", "weight: Input should be a valid number"),
        ("suite: drawn", 'suite: "a/../b"', "suite: String should match pattern"),
        ("suite: drawn", 'suite: "\\e[31mred"', "suite: String should match pattern"),
    ],
)
def test_absurd_weights_and_names_are_refused(suite: Path, old: str, new: str, reason: str) -> None:
    (suite / "suites" / "drawn.yaml").write_text(SUITE.replace(old, new))
    assert reason in one_line(goldieval("ls", "suites", "--tasks-dir", suite).err)


SMALL = """\
name: small
family: choice
version: 1
protocol: 20 drawn scenes
title: Twenty scenes
licence: generated
source: {reader: shapes, content: composition, split: test, scenes: 20}
params: {strata: [attribute, relation]}
headline: accuracy
"""


def test_run_and_show_compute_the_same_interval_of_scores_of_the_same_images(suite: Path) -> None:
    (suite / "small.yaml").write_text(SMALL)
    text = SUITE.replace("tasks: [shapes-zeroshot, shapes-composition]", "tasks: [small]")
    text = text.replace("shapes-zeroshot, metric: acc1", "small, metric: accuracy_attribute")
    (suite / "suites" / "drawn.yaml").write_text(text.replace("shapes-composition", "small"))
    ran = goldieval("run", "--model", "random", "--tasks", "drawn", "--tasks-dir", suite)
    for text in (ran.out, goldieval("show", "--tasks-dir", suite).out):
        assert "scores of the same images joint by image" in " ".join(text.split())


@pytest.mark.parametrize("columns", [40, 80, 120])
def test_lists_of_suites_and_groups_of_tasks_fit_the_window(
    suite: Path, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    for arguments in (["suites"], ["suites", "d*"], ["tasks"], ["tasks", "--tag", "shapes"]):
        text = goldieval("ls", *arguments, "--tasks-dir", suite).out
        assert all(len(line) <= max(columns, 60) for line in text.splitlines()), arguments
    detail = " ".join(goldieval("ls", "suites", "drawn", "--tasks-dir", suite).out.split())
    assert "tasks: shapes-zeroshot, shapes-composition average drawn-mean: Mean of two drawn tasks" in detail


def test_tasks_are_filtered_by_tag_suite_and_presence(suite: Path) -> None:
    def listed(*arguments: str) -> list[str]:
        return [row["task"] for row in json.loads(goldieval("ls", "tasks", *arguments, "--json").out)]

    assert listed("--suite", "drawn", "--tasks-dir", str(suite)) == ["shapes-composition", "shapes-zeroshot"]
    assert set(listed("--present")) == set(listed("--tag", "shapes")) and "shapes-vqa" in listed("--present")
    assert listed("--tag", "shapes", "--family", "vqa") == ["shapes-vqa"] == listed("*-vqa", "--present")


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["tasks", "--tag", "shape"], "error: --tag: no task has the tag 'shape'. Did you mean shapes?"),
        (["tasks", "--suite", "imagenet-shift"], "error: --suite: there is no suite 'imagenet-shift'. Did you mean"),
        (["models", "--suite", "zeroshot"], "error: --suite does not apply to ls models, only to ls tasks."),
        (["results", "--present"], "error: --present does not apply to ls results, only to ls tasks."),
    ],
)  # fmt: skip
def test_a_wrong_filter_is_one_line(arguments: list[str], line: str) -> None:
    ran = goldieval("ls", *arguments)
    assert ran.code == 2 and one_line(ran.err).startswith(line)


def test_groups_are_the_first_tags_with_their_numbers() -> None:
    lines = goldieval("ls", "tasks", "shapes-*").out.splitlines()
    number = sum(line.startswith("  shapes-") for line in lines)
    assert f"shapes ({number})" in lines and lines[-1].startswith(f"{number} tasks, {number} with data here")
