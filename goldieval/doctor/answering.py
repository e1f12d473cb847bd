"""Probes of a model that answers prompts about pictures: its answers are text, the same each time and in any batch."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch

from goldieval.doctor.check import Check
from goldieval.doctor.subject import Subject, pictures
from goldieval.models.adapter import Instructed

PROMPTS = (
    "What colour is the largest shape? Answer with one word.",
    "Is there a circle in the picture? Answer yes or no.",
)
LONGEST = 8  # tokens
SHOWN = 40  # characters


@dataclass
class AnsweringSubject(Subject):
    """A model that answers prompts; its answers to ``PROMPTS`` about drawn pictures are generated once."""

    model: Instructed

    @cached_property
    def asked(self) -> tuple[list[torch.Tensor], list[str]]:
        """Inputs and prompts: every prompt about every picture."""
        inputs = [self.model.preprocess(picture) for picture in pictures()]
        pairs = [(pixels, prompt) for pixels in inputs for prompt in PROMPTS]
        return [pixels for pixels, _ in pairs], [prompt for _, prompt in pairs]

    @cached_property
    def answers(self) -> list[str]:
        return self.model.respond(*self.asked, LONGEST)


def answers(subject: AnsweringSubject) -> Check:
    """Check that every prompt has an answer, which is text, and show the first."""
    given, (_, prompts) = subject.answers, subject.asked
    if len(given) != len(prompts) or not all(isinstance(answer, str) for answer in given):
        return Check("answers", False, f"respond() must return one string per prompt: {len(prompts)} were passed")
    said = [answer for answer in given if answer.strip()]
    if not said:
        return Check("answers", False, f"all {len(given)} are empty: is the chat template that of the model?")
    return Check("answers", True, f"{len(said)} of {len(given)} prompts, the first: {said[0][:SHOWN]!r}")


def spread(subject: AnsweringSubject) -> Check:
    """Report how many different answers there are: one alone says that pictures and prompts are not read."""
    return Check("spread", None, f"{len(set(subject.answers))} different answers to {len(subject.answers)} prompts")


def determinism(subject: AnsweringSubject) -> Check:
    """Check that the same prompts, asked twice, have the same answers."""
    changed = _changed(subject, subject.model.respond(*subject.asked, LONGEST))
    if changed:
        return Check("determinism", False, f"{changed} answers differ the second time: sampling, or state in respond()")
    return Check("determinism", True, "the same prompts twice give the same answers")


def batch_size(subject: AnsweringSubject) -> Check:
    """Check that an answer does not depend on the other prompts of its batch."""
    pairs = zip(*subject.asked, strict=True)
    changed = _changed(subject, [subject.model.respond([pixels], [prompt], LONGEST)[0] for pixels, prompt in pairs])
    if changed:
        finding = f"{changed} answers differ alone and in a batch: padding, or rounding in {subject.info.precision}"
        return Check("batch size", False, finding)
    return Check("batch size", True, "one by one and in a batch the answers are the same")


def prompt_lengths(subject: AnsweringSubject) -> Check:
    """Check that longer prompts have more tokens: by their number, prompts are sorted into batches."""
    short, long = subject.model.prompt_lengths([PROMPTS[0], " ".join(PROMPTS * 4)])
    return Check("prompt lengths", 0 < short < long, f"{short} and {long} tokens for a short and a long prompt")


def _changed(subject: AnsweringSubject, again: list[str]) -> int:
    return sum(one != other for one, other in zip(again, subject.answers, strict=True))


PROBES = (answers, spread, determinism, batch_size, prompt_lengths)
