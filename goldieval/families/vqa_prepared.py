"""Questions about images, checked: true answers in the form that the task's rule compares."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from goldieval.core.errors import TaskError, listing
from goldieval.data.question_rows import LETTERS
from goldieval.data.samples import Dataset
from goldieval.families.aggregates import check_strata
from goldieval.families.base import Prepared, params_of
from goldieval.families.vqa_submission import submission_keys
from goldieval.metrics.answer_rules import Rule, Truths, rule_of
from goldieval.metrics.question_pairs import SUBTASKS, pair_numbers, subtasks_of
from goldieval.tasks.card import Task
from goldieval.tasks.vqa_params import VqaParams


@dataclass(kw_only=True)
class VqaPrepared(Prepared[VqaParams]):
    """Questions about images.

    Attributes:
        rule: how answers are judged.
        answers: true answer to each question, (questions,), by people's agreement where there are several; None where
            only a server has them.
        truths: all true answers to each question, one per annotator; None as above.
        owner: index of the image that each question is about, (questions,).
        types: type of each question, (questions,); empty strings if the data have no types.
    """

    rule: Rule
    answers: np.ndarray | None
    truths: list[Sequence[str]] | None
    owner: np.ndarray
    types: np.ndarray

    def options(self, row: int) -> Sequence[str]:
        """Return the options of a question, in the order of their letters; empty if it has none."""
        return self.dataset.options[row] if self.dataset.options is not None else ()


def prepared_questions(task: Task, dataset: Dataset) -> VqaPrepared:
    """Check that the data have what a task asks for.

    Raises:
        TaskError: they have no questions, or their answers do not fit the rule.
    """
    params = params_of(task, VqaParams)
    if dataset.owner is None or (dataset.answers is None and not params.submission):
        raise TaskError("vqa needs questions with answers, but the data have none.")
    if not dataset.texts:
        raise TaskError(f"no question is about these {len(dataset.images):,} images: take more of them.")
    check_strata(dataset, params.strata)
    submission_keys(params.submission, dataset)  # refused before answers are generated
    _check_options(dataset)
    types = dataset.types if dataset.types is not None else np.full(len(dataset.texts), "")
    prepared = VqaPrepared(
        task=task,
        params=params,
        dataset=dataset,
        rule=rule_of(params.rule),
        answers=dataset.answers,
        truths=None,
        owner=dataset.owner,
        types=types,
    )
    if dataset.answers is None:
        return prepared
    prepared.answers, prepared.truths = _CHECKS[prepared.rule.truths](prepared, dataset.answers)
    return prepared


_Checked = tuple[np.ndarray, list[Sequence[str]]]


def _any(prepared: VqaPrepared, answers: np.ndarray) -> _Checked:
    """Return the answers, and those of all annotators where the data have them."""
    several = prepared.dataset.references
    return answers, list(several) if several is not None else [[answer] for answer in answers]


def _annotators(prepared: VqaPrepared, answers: np.ndarray) -> _Checked:
    """Return the answers with those of all annotators, of whom every question has at least two."""
    references = prepared.dataset.references or [[answer] for answer in answers]
    if alone := _named(prepared, lambda row: len(references[row]) < 2):
        raise TaskError(
            f"params.rule: {prepared.rule.name} compares an answer with those of several annotators, but there is one "
            f"for {alone}. Choose rule: exact, or data with the answers of all annotators."
        )
    return answers, list(references)


def _letters(prepared: VqaPrepared, answers: np.ndarray) -> _Checked:
    """Return answers as letters; the text of an option, where it is that of one only, stands for its letter."""
    if prepared.dataset.options is None:
        raise TaskError(f"params.rule: {prepared.rule.name} needs questions with options, but the data have none.")
    letters = np.array(
        [_letter(answer, prepared.options(row)) for row, answer in enumerate(answers.tolist())], dtype=object
    )
    if wrong := _named(prepared, lambda row: not letters[row]):
        raise TaskError(f"the answer is neither the letter nor the text of one option: {wrong}.")
    return letters, [[letter] for letter in letters]


def _yes_or_no(prepared: VqaPrepared, answers: np.ndarray) -> _Checked:
    """Return answers in lower case, each of which is yes or no."""
    plain = np.array([str(answer).strip().lower() for answer in answers], dtype=object)
    if wrong := _named(prepared, lambda row: plain[row] not in ("yes", "no")):
        raise TaskError(f"params.rule: {prepared.rule.name} needs answers yes or no; another one has {wrong}.")
    return plain, [[answer] for answer in plain]


def _yes_and_no(prepared: VqaPrepared, answers: np.ndarray) -> _Checked:
    """Return answers in lower case, each of which is yes or no, where a picture has two questions of each subtask."""
    checked = _yes_or_no(prepared, answers)
    masks = {name: prepared.dataset.strata.get(name) for name in SUBTASKS}
    known = {name: None if mask is None else np.flatnonzero(mask) for name, mask in masks.items()}
    pairs = pair_numbers(prepared.owner, subtasks_of(prepared.types, known))
    sizes = np.bincount(pairs)
    if wrong := _named(prepared, lambda row: sizes[pairs[row]] != 2):
        raise TaskError(f"params.rule: {prepared.rule.name} needs two questions a picture and subtask, unlike {wrong}.")
    return checked


_CHECKS: dict[Truths, Callable[[VqaPrepared, np.ndarray], _Checked]] = {
    "any": _any,
    "annotators": _annotators,
    "letter": _letters,
    "yes or no": _yes_or_no,
    "yes and no": _yes_and_no,
}


def option_letter(text: str, options: Sequence[str]) -> str:
    """Return the letter of the one option that has a text, without regard to case and surrounding white space.

    >>> option_letter(" mitosis", ["meiosis", "Mitosis"]), option_letter("x", ["x", "X"])
    ('B', '')
    """
    same = [number for number, option in enumerate(options) if option.strip().lower() == text.strip().lower()]
    return LETTERS[same[0]] if len(same) == 1 else ""


def _letter(answer: str, options: Sequence[str]) -> str:
    return answer if len(answer) == 1 and answer in LETTERS[: len(options)] else option_letter(answer, options)


def _check_options(dataset: Dataset) -> None:
    offered = zip(dataset.texts, dataset.options or [], strict=False)
    if many := [text.id for text, options in offered if len(options) > len(LETTERS)]:
        raise TaskError(f"more than {len(LETTERS)} options, which have no letters: {listing(many)}.")


def _named(prepared: VqaPrepared, is_wrong: Callable[[int], bool]) -> str:
    """Return the ids of the questions that are wrong, as far as they fit on a line; empty if there are none."""
    wrong = [text.id for row, text in enumerate(prepared.dataset.texts) if is_wrong(row)]
    return f"{len(wrong):,} questions ({listing(wrong)})" if wrong else ""
