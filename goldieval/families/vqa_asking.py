"""How a model is asked: with a benchmark's whole prompt if it follows instructions, else with the question alone."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import torch

from goldieval.core.errors import TaskError
from goldieval.data.question_rows import LETTERS
from goldieval.families.vqa_prepared import VqaPrepared, option_letter
from goldieval.models.adapter import Generative, Instructed, Model
from goldieval.models.inputs import DECODED_AHEAD, stacked
from goldieval.tasks.vqa_params import PLACES, VqaParams

QUESTION = "{question}"
PLACE = re.compile(rf"\{{({'|'.join(PLACES)})\}}")
AT_A_TIME = 1024  # prompts whose tokens are counted at a time
FEW_AHEAD = 16  # pictures of any size that are decoded ahead: of 12 megapixels each has 36 MB


class Asking(ABC):
    """A way to ask a model.

    Attributes:
        decoded_ahead: number of pictures to decode while the model works.
    """

    decoded_ahead: ClassVar[int] = DECODED_AHEAD

    @abstractmethod
    def settings(self, params: VqaParams) -> dict[str, Any]:
        """Return what records say about how the model was asked; empty where a plain question was compared exactly."""

    @abstractmethod
    def prompts(self, prepared: VqaPrepared) -> list[str]:
        """Return what the model is asked, for each question."""

    def lengths(self, prompts: Sequence[str]) -> list[int]:
        """Return a number for each prompt, by which batches are made; equal numbers leave them in order."""
        return [0] * len(prompts)

    @abstractmethod
    def answers(self, pictures: Sequence[torch.Tensor], prompts: Sequence[str]) -> list[str]:
        """Return the answer to ``prompts[i]`` about ``pictures[i]``.

        Raises:
            TaskError: the model does not return one string per prompt.
        """

    def readable(self, answer: str, prepared: VqaPrepared, row: int) -> str:
        """Return an answer to a question as it is judged.

        Args:
            answer: the answer.
            prepared: the questions.
            row: row of the question.
        """
        return answer


class PlainQuestions(Asking):
    """A model that answers questions: it gets the question alone, whatever the card's prompt is."""

    def __init__(self, model: Generative) -> None:
        self._model = model

    def settings(self, params: VqaParams) -> dict[str, Any]:
        is_plain = params.rule == "exact" and params.prompt == QUESTION
        return {} if is_plain else {"rule": params.rule, "prompt": QUESTION}

    def prompts(self, prepared: VqaPrepared) -> list[str]:
        return [text.text for text in prepared.dataset.texts]

    def answers(self, pictures: Sequence[torch.Tensor], prompts: Sequence[str]) -> list[str]:
        return _checked(self._model.generate(stacked(pictures), prompts), len(prompts), "generate", "question")

    def readable(self, answer: str, prepared: VqaPrepared, row: int) -> str:
        """Return an answer; where letters are judged, which the model was not shown, an option's text gets its own."""
        letter = option_letter(answer, prepared.options(row)) if prepared.rule.truths == "letter" else ""
        return f"{letter}. {answer.strip()}" if letter else answer


class WholePrompts(Asking):
    """A model that follows instructions: it gets the card's prompt, and prompts of like length together."""

    decoded_ahead = FEW_AHEAD

    def __init__(self, model: Instructed, params: VqaParams) -> None:
        self._model, self._params = model, params

    def settings(self, params: VqaParams) -> dict[str, Any]:
        return {"rule": params.rule, "prompt": params.prompt, "longest_answer": params.longest_answer}

    def prompts(self, prepared: VqaPrepared) -> list[str]:
        dataset, template = prepared.dataset, prepared.params.prompt
        return [
            filled(template, text.text, prepared.options(row), dataset.hints[row] if dataset.hints is not None else "")
            for row, text in enumerate(dataset.texts)
        ]

    def lengths(self, prompts: Sequence[str]) -> list[int]:
        counted = [
            length
            for start in range(0, len(prompts), AT_A_TIME)
            for length in self._model.prompt_lengths(prompts[start : start + AT_A_TIME])
        ]
        if len(counted) != len(prompts) or not all(isinstance(length, int) for length in counted):
            raise TaskError("prompt_lengths() must return one whole number per prompt.")
        return counted

    def answers(self, pictures: Sequence[torch.Tensor], prompts: Sequence[str]) -> list[str]:
        found = self._model.respond(pictures, prompts, self._params.longest_answer)
        return _checked(found, len(prompts), "respond", "prompt")


def asking_of(model: Model, params: VqaParams) -> Asking | None:
    """Return how a model is asked; None if it gives no answers."""
    if isinstance(model, Instructed):
        return WholePrompts(model, params)
    return PlainQuestions(model) if isinstance(model, Generative) else None


def filled(template: str, question: str, options: Sequence[str] = (), hint: str = "") -> str:
    """Return a prompt; a line of the template whose options or hint are empty is left out.

    Args:
        template: the card's prompt, with the places ``{question}``, ``{options}`` and ``{hint}``.
        question: the question.
        options: options in the order of their letters, each of which becomes a line.
        hint: what is told beside the question.

    >>> filled("Context: {hint}\\n{question}\\n{options}\\nAnswer.", "Which?", ["cat", "{hint}"])
    'Which?\\nA. cat\\nB. {hint}\\nAnswer.'
    """
    lettered = "\n".join(f"{letter}. {option}" for letter, option in zip(LETTERS, options, strict=False))
    words = {"question": question, "options": lettered, "hint": hint}
    lines = [line for line in template.split("\n") if all(words[place] for place in PLACE.findall(line))]
    return PLACE.sub(lambda place: words[place[1]], "\n".join(lines))


def _checked(found: list[str], expected: int, method: str, what: str) -> list[str]:
    if len(found) != expected or not all(isinstance(answer, str) for answer in found):
        raise TaskError(f"{method}() must return one string per {what}: {expected} {what}s were passed.")
    return found
