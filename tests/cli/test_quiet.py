"""``goldieval run --quiet``: the final scores and errors, with the exit codes of any run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from helpers import goldieval, one_line

pytestmark = pytest.mark.usefixtures("plain")


def test_only_the_scores_are_printed(classified: list[str], tmp_path: Path) -> None:
    loud, quiet = goldieval(*classified, "--no-cache"), goldieval(*classified, "--no-cache", "--quiet")
    assert quiet.code == 0 and not quiet.err
    assert "top-1" in quiet.out and quiet.out.startswith("model toy")
    for line in ("to encode", "encoding images", "records in", "goldieval doctor"):
        assert line in loud.out and line not in quiet.out


def test_failures_and_exit_codes_are_those_of_any_run(precomputed: list[str]) -> None:
    failed = goldieval(*precomputed[:-1], "cifar10", "--quiet")
    assert failed.code == 1 and "cifar10 FAILED: no data" in failed.out
    suite = goldieval(*precomputed[:-1], "retrieval", "--quiet")
    assert suite.code == 0 and "not run" not in suite.out
    strict = goldieval(*precomputed[:-1], "retrieval", "--quiet", "--strict")
    assert strict.code == 1 and "coco-karpathy" in one_line(strict.err)
    wrong = goldieval("run", "--model", "rondom", "--tasks", "shapes-zeroshot", "--quiet")
    assert wrong.code == 2 and not wrong.out and "rondom" in one_line(wrong.err)


def test_a_model_of_several_that_fails_is_named(precomputed: list[str]) -> None:
    ran = goldieval(*precomputed, "--model", "embeddings:nowhere", "--quiet")
    assert ran.code == 1 and "model embeddings:nowhere FAILED" in ran.out and "R@1" in ran.out


def test_json_and_quiet_leave_stderr_to_the_scores(precomputed: list[str]) -> None:
    ran = goldieval(*precomputed, "--json", "--quiet")
    assert len(json.loads(ran.out)) == 1 and "R@1" in ran.err and "records in" not in ran.err
