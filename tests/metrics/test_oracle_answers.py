"""Rules for answers against the programs of their benchmarks, answer by answer, and the scores that these make of them.

The programs are in an environment of their own (benchmarks/README.md), whose python GOLDIEVAL_ANSWERS_PYTHON names.
"""

from __future__ import annotations

import os
from typing import Any

import pytest
from answer_agreement import RULES, differences, judged_by_programs, kind_of
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
