"""A small sample of generated answers, with the credits of other programs: every rule judges as its program does."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
from answer_agreement import GOLDEN, RULES, credit, differences, kind_of
from answer_scores import of_mme, of_pope
from generated_answers import questions

from goldieval.metrics.answer_rules import rule_of


@pytest.fixture(scope="module")
def golden() -> dict[str, Any]:
    """Questions and verdicts, as benchmarks/golden_answers.py wrote them."""
    content: dict[str, Any] = json.loads(GOLDEN.read_text(encoding="utf-8"))
    return content


@pytest.mark.parametrize(("program", "rule"), RULES.items())
def test_every_rule_judges_as_its_program(golden: dict[str, Any], program: str, rule: str) -> None:
    asked, credits = golden["questions"][kind_of(program)], golden["verdicts"][program]["credits"]
    assert len(credits) == 150 and list(differences(rule, asked, credits)) == []


@pytest.mark.parametrize("kind", ["ten", "one", "options", "yes-no"])
def test_the_sample_tells_the_rules_apart(golden: dict[str, Any], kind: str) -> None:
    """Otherwise the test above would pass with one rule in the place of another."""
    asked = golden["questions"][kind]
    programs = {program: rule for program, rule in RULES.items() if kind_of(program) == kind}
    for program, rule in programs.items():
        others = {other for other in programs.values() if other != rule} or {"exact"}
        credits = golden["verdicts"][program]["credits"]
        assert all(any(differences(other, asked, credits)) for other in others), (program, others)


def test_answers_earn_every_credit(golden: dict[str, Any]) -> None:
    credits = Counter(round(credit("vqa", question), 6) for question in golden["questions"]["ten"])
    assert min(credits[value] for value in (0.0, 0.3, 0.6, 0.9, 1.0)) >= 3


def test_scores_of_pope_and_mme_are_those_of_their_programs(golden: dict[str, Any]) -> None:
    asked, verdicts = golden["questions"]["yes-no"], golden["verdicts"]
    assert of_pope("yes-no", asked) == pytest.approx(verdicts["pope llava"]["scores"], rel=1e-12)
    assert of_mme("mme-lmms-eval", asked) == pytest.approx(verdicts["mme lmms-eval"]["scores"], rel=1e-12)


def test_what_lmms_eval_counts_otherwise_in_pope(golden: dict[str, Any]) -> None:
    """Its recall leaves out answers that are neither yes nor no, and its yes ratio is that of the true answers."""
    asked, theirs = golden["questions"]["yes-no"], golden["verdicts"]["pope lmms-eval"]["scores"]
    ours = of_pope("yes-no-lmms-eval", asked)
    assert {name: ours[name] for name in ("accuracy", "precision")} == pytest.approx(
        {name: theirs[name] for name in ("accuracy", "precision")}
    )
    said = Counter(item["given"].lower() for item in asked if item["truths"] == ["yes"])
    assert (
        theirs["recall"] == pytest.approx(said["yes"] / (said["yes"] + said["no"]))
        and ours["recall"] < theirs["recall"]
    )
    assert theirs["yes_rate"] == pytest.approx(said.total() / len(asked)) and ours["yes_rate"] < theirs["yes_rate"]


def test_the_verdicts_hold_for_rules_with_other_truths(golden: dict[str, Any]) -> None:
    kinds = {rule: rule_of(rule).truths for rule in RULES.values()}
    wanted = {"ten": {"annotators"}, "one": {"any"}, "options": {"letter"}, "yes-no": {"yes or no", "yes and no"}}
    assert all(kinds[rule] in wanted[kind_of(program)] for program, rule in RULES.items())


def test_questions_are_the_same_in_every_run() -> None:
    assert questions(5, seed=1) == questions(5, seed=1) != questions(5, seed=2)
    drawn = questions(400)
    assert {kind: len(items) for kind, items in drawn.items()} == dict.fromkeys(drawn, 400)
    assert all(item["given"] == item["given"].strip() for items in drawn.values() for item in items)
    assert any(not item["given"] for item in drawn["ten"]) and any(len(item["given"]) > 100 for item in drawn["ten"])
