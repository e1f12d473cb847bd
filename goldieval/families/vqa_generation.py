"""Answers of a model to all questions, in batches that depend neither on ranks nor on unreadable pictures."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import torch

from goldieval.core.containment import utf8_safe
from goldieval.core.errors import TaskError
from goldieval.core.group import share
from goldieval.families.base import TaskRun
from goldieval.families.finished import packed, unpacked
from goldieval.families.shared_work import leave_out_failed, model_units
from goldieval.families.vqa_asking import Asking
from goldieval.families.vqa_prepared import VqaPrepared
from goldieval.models.adapter import ImagePreprocessor
from goldieval.models.inputs import batches, decoded, sound

Picture = torch.Tensor | OSError | TaskError


class _Question(NamedTuple):
    """A question to be asked.

    Attributes:
        key: content key of its picture.
        id: id of the question.
        prompt: what the model is asked.
    """

    key: str
    id: str
    prompt: str


class _Shown(NamedTuple):
    """A question with its picture as an input of the model, or why there is none."""

    question: _Question
    picture: Picture


def generated_answers(run: TaskRun[VqaPrepared], model: ImagePreprocessor, asking: Asking) -> list[str]:
    """Generate an answer to every question.

    Args:
        run: the task and the model.
        model: the model, which reads the pictures.
        asking: how it is asked.

    Returns:
        The answers to the questions about readable pictures, in the order of the dataset.

    Raises:
        TaskError: the model does not return one string per question, or too many pictures are unreadable.
    """
    own = dict(share(list(batches(_by_length(run, asking), run.batching.images)), run.group))
    finished = {number: part for number in own if (part := run.parts.get(number)) is not None}
    missing = {number: batch for number, batch in own.items() if number not in finished}
    failed: dict[str, str] = {}
    answers = {id: answer for part in finished.values() for id, answer in unpacked(part).items()}

    def answer(batch: list[_Shown]) -> dict[str, str]:
        return _answers(asking, [shown for shown in batch if not isinstance(shown.picture, OSError)])

    with (
        run.working("generate", "answering questions", sum(map(len, own.values()))) as meter,
        ThreadPoolExecutor(run.batching.workers) as pool,
    ):
        meter.advance(len(answers))
        shown_batches = _shown(model, run, list(missing.values()), pool, asking.decoded_ahead)
        for number, (batch, answered) in zip(missing, model_units(run, answer, shown_batches), strict=True):
            failed |= {each.question.key: str(each.picture) for each in batch if isinstance(each.picture, OSError)}
            answers |= answered
            if len(answered) == len(batch):
                run.parts.add(number, packed(answered))
            meter.advance(len(batch))
    leave_out_failed(run, failed)
    everywhere = {id: text for part in run.group.all_gather(answers) for id, text in part.items()}
    prepared = run.prepared
    return [
        asking.readable(utf8_safe(everywhere[text.id]), prepared, row)
        for row, text in enumerate(prepared.dataset.texts)
    ]


def _by_length(run: TaskRun[VqaPrepared], asking: Asking) -> list[_Question]:
    """Return the questions about every picture whose file can be read, picture by picture, shorter prompts first."""
    prepared = run.prepared
    prompts = asking.prompts(prepared)
    lengths = asking.lengths(prompts)
    rows: dict[str, list[int]] = defaultdict(list)
    for row, owner in enumerate(prepared.owner.tolist()):
        rows[run.keys[owner]].append(row)
    ordered = [(key, row) for key, of_picture in rows.items() if key for row in of_picture]
    ordered.sort(key=lambda each: lengths[each[1]])
    texts = prepared.dataset.texts
    return [_Question(key, texts[row].id, prompts[row]) for key, row in ordered]


def _shown(
    model: ImagePreprocessor,
    run: TaskRun[VqaPrepared],
    mine: Sequence[Sequence[_Question]],
    pool: ThreadPoolExecutor,
    ahead: int,
) -> Iterator[list[_Shown]]:
    """Yield the batches of this rank with their pictures, each of which is kept from a batch to the next."""
    of_batch = [list(dict.fromkeys(question.key for question in batch)) for batch in mine]
    before = [set[str](), *map(set, of_batch)]
    needed = [key for keys, kept in zip(of_batch, before, strict=False) for key in keys if key not in kept]
    stream = decoded(model, needed, run.sources, pool, ahead)
    held: dict[str, Picture] = {}
    for batch, keys in zip(mine, of_batch, strict=True):
        held = {key: held[key] if key in held else next(stream)[1] for key in keys}
        yield [_Shown(question, held[question.key]) for question in batch]


def _answers(asking: Asking, batch: Sequence[_Shown]) -> dict[str, str]:
    """Return the answers of a batch by the id of the question.

    Raises:
        TaskError: the model does not return one string per question.
    """
    if not batch:
        return {}
    pictures = sound([shown.picture for shown in batch if not isinstance(shown.picture, OSError)])
    answers = asking.answers(pictures, [shown.question.prompt for shown in batch])
    return {shown.question.id: answer for shown, answer in zip(batch, answers, strict=True)}
