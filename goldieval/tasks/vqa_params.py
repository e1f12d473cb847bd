"""The parameters of visual question answering: what a model is asked, and how its answer is judged."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from goldieval.tasks.params import FamilyParams, Strata

RuleName = Literal[
    "exact",
    "gqa",
    "gqa-lmms-eval",
    "letter",
    "letter-lmms-eval",
    "mme",
    "mme-lmms-eval",
    "vizwiz",
    "vqa",
    "vqa-evalai",
    "vqa-lavis",
    "vqa-lmms-eval",
    "vqa-submitted",
    "yes-no",
    "yes-no-lmms-eval",
]


PLACES = ("question", "options", "hint")


def _with_places(prompt: str) -> str:
    if "{question}" not in prompt:
        raise ValueError("a prompt has the place {question}")
    if others := [name for name in re.findall(r"\{([a-z_]+)\}", prompt) if name not in PLACES]:
        raise ValueError(f"a prompt has the places {{question}}, {{options}} and {{hint}}, and no {{{others[0]}}}")
    return prompt


class VqaParams(FamilyParams):
    """Parameters of visual question answering.

    Attributes:
        strata: groups of questions for which accuracy is also reported.
        rule: how an answer is compared with the true ones, a module of ``goldieval.metrics.answer_rules``: ``exact``
            (lower case, surrounding white space removed); ``vqa`` (several annotators, the official evaluation),
            ``vqa-submitted`` (the same of an answer cleaned as LLaVA submits it), ``vqa-evalai`` (all answers cleaned:
            TextVQA), ``vqa-lavis`` (another state of the official evaluation), ``vizwiz``; ``gqa``; ``letter`` (of an
            option: ScienceQA); ``yes-no`` (POPE); ``mme`` (two questions per picture and subtask). ``vqa`` and the last
            four have a form ``-lmms-eval`` each.
        prompt: what a model that follows instructions is asked, with the places ``{question}``, ``{options}`` (a line
            ``A. text`` for each) and ``{hint}``. A line of the prompt whose options or hint are empty is left out. A
            model that answers plain questions gets the question alone.
        longest_answer: maximum number of tokens that a model that follows instructions generates.
        submission: format of the file that is written for the benchmark's server, beside the record; then the data
            need no true answers. Empty for none.
    """

    strata: Strata = []
    rule: RuleName = "exact"
    prompt: Annotated[str, AfterValidator(_with_places)] = "{question}"
    longest_answer: Annotated[int, Field(ge=1, le=4096)] = 16
    submission: Literal["", "vqav2", "vizwiz"] = ""

    def mode(self, model_mode: str, requested: str | None = None) -> Literal["generate"]:
        """Return the one mode: the model generates its answers, and no embeddings are compared."""
        return "generate"
