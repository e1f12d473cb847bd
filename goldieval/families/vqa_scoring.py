"""Outcomes of questions: what was answered, what of it was compared, what it earned, and what a guess earns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from goldieval.families.aggregates import measure, strata_columns
from goldieval.families.answers import strata_lists
from goldieval.families.base import Scored
from goldieval.families.object_column import object_column
from goldieval.families.vqa_prepared import VqaPrepared
from goldieval.families.vqa_submission import submission
from goldieval.metrics.answer_rules import Rule
from goldieval.metrics.question_pairs import HIGHEST, SUMS
from goldieval.records.parts import Ties


def scored_answers(prepared: VqaPrepared, given: Sequence[str]) -> Scored:
    """Judge answers.

    Args:
        prepared: the questions.
        given: one answer per question.
    """
    dataset, stripped = prepared.dataset, [answer.strip() for answer in given]
    parsed = [prepared.rule.parsed(answer, prepared.options(row)) for row, answer in enumerate(stripped)]
    images = [dataset.images[row] for row in prepared.owner]
    outcomes = {
        "direction": np.full(len(stripped), "vqa", dtype=object),
        "sample_id": object_column([text.id for text in dataset.texts]),
        "cluster_id": object_column([image.id for image in images]),
        "type": prepared.types.astype(object),
        **_judged(prepared, stripped, parsed),
        "image": object_column([image.path for image in images]),
        "text": object_column([text.text for text in dataset.texts]),
        **strata_lists(dataset),
    }
    context = {"cluster": prepared.owner, **_chance(prepared), **strata_columns(dataset, prepared.params.strata)}
    metrics = measure(prepared.task, outcomes, context)
    files = submission(prepared.params.submission, dataset, parsed)
    return Scored(metrics, outcomes, Ties(), _warnings(prepared), files=files)


def _judged(prepared: VqaPrepared, given: list[str], parsed: list[str]) -> dict[str, np.ndarray]:
    """Return the true answers, the given ones, what of them was compared, and what they earned; all (questions,)."""
    rule, answers, truths = prepared.rule, prepared.answers, prepared.truths
    if answers is None or truths is None:
        return {"given": object_column(given)}
    earned = np.array(
        [rule.credit(answer, truths[row], prepared.options(row)) for row, answer in enumerate(given)], dtype=float
    )
    right = earned if rule.truths == "annotators" else earned.astype(bool)
    several = prepared.dataset.references is not None
    if rule.name == "exact" and not several:  # the columns that records of this rule have always had
        return {"answer": _plain(rule, answers), "given": object_column(parsed), "right": right}
    columns = {"answer": answers.tolist(), "given": given, "parsed": parsed}
    columns |= {"references": [list(each) for each in truths]} if several else {}
    return {**{name: object_column(values) for name, values in columns.items()}, "right": right}


def _chance(prepared: VqaPrepared) -> dict[str, np.ndarray]:
    """Return what a guess without the picture earns on each question, (questions,).

    That is the most frequent answer to each type of question, or one option of several at random.
    """
    if prepared.answers is None or prepared.truths is None:
        return {}
    if prepared.rule.truths == "letter":
        return {"chance": np.array([1 / len(prepared.options(row)) for row in range(len(prepared.truths))])}
    types, credit = prepared.types.tolist(), prepared.rule.credit
    plain = _plain(prepared.rule, prepared.answers)
    frequent = {kind: Counter(plain[prepared.types == kind]).most_common(1)[0][0] for kind in dict.fromkeys(types)}
    earned = [credit(frequent[kind], truths) for kind, truths in zip(types, prepared.truths, strict=True)]
    return {"chance": np.array(earned, dtype=float)}


def _plain(rule: Rule, answers: np.ndarray) -> np.ndarray:
    """Return true answers as they are compared by rule ``exact``; those of other rules as they are."""
    return object_column([rule.parsed(answer) for answer in answers]) if rule.name == "exact" else answers


def _warnings(prepared: VqaPrepared) -> list[str]:
    """Return what makes the numbers differ from those of the whole benchmark."""
    few = sum(len(each) < 4 for each in prepared.truths or []) if prepared.rule.truths == "annotators" else 0
    lines = [f"{few:,} questions have fewer than four annotators, so that no answer earns full credit"] if few else []
    if prepared.rule.truths != "yes and no":
        return lines
    strata = prepared.dataset.strata
    for name in ("perception", "cognition"):
        there = [subtask for subtask in SUMS[name] if subtask in strata and strata[subtask].any()]
        if 0 < len(there) < len(SUMS[name]):
            most = f"{HIGHEST * len(there):,.0f}"
            lines.append(f"{name} is the sum of {len(there)} of {len(SUMS[name])} subtasks, at most {most}")
    return lines
