"""Which rule of ``goldieval.metrics.answer_rules`` judges as which other program, and where the two differ."""

from __future__ import annotations

import json
import string
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from goldieval.metrics.answer_rules import rule_of

SCRIPT = Path(__file__).with_name("answer_oracles.py")
GOLDEN = Path(__file__).parents[1] / "golden/answers.json"
SAME = 1e-9

RULES = {
    "vqa official": "vqa",
    "vqa official, LAVIS": "vqa-lavis",
    "vqav2 lmms-eval 0.2": "vqa-submitted",
    "vqav2 lmms-eval": "vqa-lmms-eval",
    "vizwiz lmms-eval": "vqa-evalai",
    "textvqa lmms-eval": "vqa-evalai",
    "textvqa llava": "vqa-evalai",
    "gqa lmms-eval": "gqa-lmms-eval",
    "scienceqa llava": "letter",
    "scienceqa lmms-eval": "letter-lmms-eval",
    "pope llava": "yes-no",
    "pope lmms-eval": "yes-no-lmms-eval",
    "mme lmms-eval": "mme-lmms-eval",
}
"""The programs, and the rule that judges as each does."""

KINDS = {"vqa": "ten", "vizwiz": "ten", "textvqa": "ten", "vqav2": "ten", "gqa": "one", "scienceqa": "options"}
Question = dict[str, Any]


@dataclass(frozen=True)
class Difference:
    """A question that a program and a rule judge differently.

    Attributes:
        question: the question, with ``given``, and ``truths`` or ``options``.
        theirs: credit by the program.
        ours: credit by the rule.
    """

    question: Question
    theirs: float
    ours: float


def kind_of(program: str) -> str:
    """Return which kind of questions a program judges."""
    return KINDS.get(program.split()[0], "yes-no")


def credit(rule: str, question: Question) -> float:
    """Return the credit of the answer that a question was given."""
    options = question.get("options", ())
    truths = question["truths"] if "truths" in question else [string.ascii_uppercase[question["right"]]]
    return rule_of(rule).credit(question["given"], truths, options)


def differences(rule: str, questions: Sequence[Question], credits: Sequence[float]) -> Iterator[Difference]:
    """Yield the questions for which a program's credits are not those of a rule."""
    for question, theirs in zip(questions, credits, strict=True):
        ours = credit(rule, question)
        if abs(ours - theirs) > SAME:
            yield Difference(question, theirs, ours)


def judged_by_programs(
    python: str, questions: dict[str, list[Question]], folder: Path, programs: Sequence[str] = ()
) -> dict[str, Any]:
    """Return what programs say of questions: credits and scores by program.

    Args:
        python: interpreter of the programs' environment.
        questions: questions by kind.
        folder: folder for the files that are exchanged.
        programs: names of the programs; all by default.
    """
    cases, verdicts = folder / "cases.json", folder / "verdicts.json"
    cases.write_text(json.dumps(questions))
    subprocess.run([python, str(SCRIPT), str(cases), str(verdicts), *programs], check=True, capture_output=True)
    found: dict[str, Any] = json.loads(verdicts.read_text())
    return found
