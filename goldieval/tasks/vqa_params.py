"""The parameters of visual question answering: what a model is asked, and how its answer is judged."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from goldieval.tasks.params import FamilyParams, Strata


def _with_question(prompt: str) -> str:
    if "{question}" not in prompt:
        raise ValueError("a prompt has the place {question}")
    return prompt


class VqaParams(FamilyParams):
    """Parameters of visual question answering.

    Attributes:
        strata: groups of questions for which accuracy is also reported.
        rule: how an answer is compared with the true ones, see ``goldieval.metrics.answer_rules``: ``exact`` (lower
            case, surrounding white space removed); ``vqa`` (ten annotators, the official normalisation); ``gqa``;
            ``letter`` (the letter of an option); ``yes-no`` (POPE); ``mme`` (two questions per image).
        prompt: what a model that follows instructions is asked, with the places ``{question}``, ``{options}`` and
            ``{hint}``. A model that answers plain questions gets the question alone.
        longest_answer: maximum number of tokens that a model that follows instructions generates.
    """

    strata: Strata = []
    rule: Literal["exact", "vqa", "gqa", "letter", "yes-no", "mme"] = "exact"
    prompt: Annotated[str, AfterValidator(_with_question)] = "{question}"
    longest_answer: Annotated[int, Field(ge=1, le=4096)] = 16

    def mode(self, model_mode: str, requested: str | None = None) -> Literal["generate"]:
        """Return the one mode: the model generates its answers, and no embeddings are compared."""
        return "generate"
