"""Rules for answers against the programs of their benchmarks, answer by answer, and the scores that these make of them.

The programs are in an environment of their own (benchmarks/README.md), whose python GOLDIEVAL_ANSWERS_PYTHON names.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from answer_agreement import RULES, differences, judged_by_programs, kind_of
from answer_scores import POPE, of_mme, of_pope, of_splits
from generated_answers import questions

PYTHON = os.environ.get("GOLDIEVAL_ANSWERS_PYTHON", "")
COUNT, SEED = 5_600, 1

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not PYTHON, reason="set GOLDIEVAL_ANSWERS_PYTHON to the python of the answers' environment"),
]


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], dict[str, Any]]:
    """The questions of every kind, and what the programs say of them."""
    asked = questions(COUNT, SEED)
    return asked, judged_by_programs(PYTHON, asked, tmp_path_factory.mktemp("answers"))


@pytest.mark.parametrize(("program", "rule"), RULES.items())
def test_every_answer_is_judged_the_same(judged: Any, program: str, rule: str) -> None:
    asked, verdicts = judged[0][kind_of(program)], judged[1][program]["credits"]
    assert len(verdicts) == COUNT and list(differences(rule, asked, verdicts))[:5] == []


def test_scores_of_all_questions_are_the_same(judged: Any) -> None:
    asked, verdicts = judged[0]["yes-no"], judged[1]
    assert of_pope("yes-no", asked) == pytest.approx(verdicts["pope llava"]["scores"], rel=1e-12)
    assert of_mme("mme-lmms-eval", asked) == pytest.approx(verdicts["mme lmms-eval"]["scores"], rel=1e-12)


def test_scores_of_splits_and_their_means_are_those_of_llava(tmp_path: Path) -> None:
    splits = {name: questions(500, seed)["yes-no"] for seed, name in enumerate(("random", "popular", "adversarial"))}
    theirs = {
        name: judged_by_programs(PYTHON, {"yes-no": asked}, tmp_path, ["pope llava"])["pope llava"]["scores"]
        for name, asked in splits.items()
    }
    wanted = {f"{score}_{name}": found[score] for name, found in theirs.items() for score in POPE}
    wanted |= {f"mean_{score}": float(np.mean([found[score] for found in theirs.values()])) for score in POPE}
    assert of_splits("yes-no", splits) == pytest.approx(wanted, rel=1e-12)


def test_where_every_answer_is_yes_or_no_all_programs_agree_on_pope(tmp_path: Path) -> None:
    asked = [item for item in questions(2000, 5)["yes-no"] if item["given"].lower() in ("yes", "no")]
    asked = [item | {"given": item["given"].lower()} for item in asked]
    found = judged_by_programs(PYTHON, {"yes-no": asked}, tmp_path, ["pope llava", "pope lmms-eval"])
    ours = of_pope("yes-no", asked)
    assert len(asked) > 700 and ours == pytest.approx(found["pope llava"]["scores"])
    theirs = found["pope lmms-eval"]["scores"]
    assert theirs.pop("yes_rate") == np.mean([item["truths"] == ["yes"] for item in asked])
    assert {name: ours[name] for name in theirs} == pytest.approx(theirs)
