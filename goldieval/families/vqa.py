"""Visual question answering: the model generates an answer to each question about an image; it must match exactly."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch

from goldieval.core.errors import NotApplicableError, TaskError
from goldieval.core.group import share
from goldieval.data.samples import Dataset, TextSample
from goldieval.families.aggregates import check_strata, measure, strata_columns
from goldieval.families.answers import strata_lists
from goldieval.families.base import Family, Prepared, Scored, TaskRun, params_of
from goldieval.families.finished import packed, unpacked
from goldieval.families.shared_work import leave_out_failed, model_units
from goldieval.models.adapter import Generative, Model
from goldieval.models.inputs import Batching, batches, decoded, sound, stacked
from goldieval.records.parts import Ties
from goldieval.tasks.card import Task
from goldieval.tasks.vqa_params import VqaParams

NO_DECODER = "this model cannot answer questions: its adapter has no generate(pixels, questions)."


@dataclass(kw_only=True)
class VqaPrepared(Prepared[VqaParams]):
    """Questions about images.

    Attributes:
        answers: true answer to each question, shape (questions,).
        owner: index of the image that each question is about, shape (questions,).
        types: type of each question, shape (questions,); empty strings if the data have no types.
    """

    answers: np.ndarray
    owner: np.ndarray
    types: np.ndarray


class Vqa(Family[VqaPrepared, list[str]]):
    """Accuracy of generated answers."""

    uses_prompts = True

    def prepare(self, task: Task, dataset: Dataset) -> VqaPrepared:
        """Check that the data have questions with answers. Raises TaskError if not."""
        params = params_of(task, VqaParams)
        if dataset.answers is None or dataset.owner is None:
            raise TaskError("vqa needs questions with answers, but the data have none.")
        if not dataset.texts:
            raise TaskError(f"no question is about these {len(dataset.images):,} images: take more of them.")
        check_strata(dataset, params.strata)
        types = dataset.types if dataset.types is not None else np.full(len(dataset.answers), "")
        return VqaPrepared(
            task=task, params=params, dataset=dataset, answers=dataset.answers, owner=dataset.owner, types=types
        )

    def check_model(self, model: Model, mode: str) -> None:
        if not isinstance(model, Generative):
            raise NotApplicableError(NO_DECODER)

    def encodes_images(self, mode: str) -> bool:
        return False

    def divides(self, mode: str) -> bool:
        return True

    def divided_units(self, prepared: VqaPrepared, batching: Batching) -> tuple[int, str]:
        return -(-len(prepared.dataset.texts) // batching.images), f"batches of at most {batching.images:,} questions"

    def collect(self, run: TaskRun[VqaPrepared]) -> list[str]:
        """Generate an answer to every question, in batches that depend neither on ranks nor on unreadable pictures.

        Returns:
            The answers to the questions about readable pictures, in the order of the dataset.

        Raises:
            TaskError: the model does not return one string per question, or too many pictures are unreadable.
        """
        model = run.model
        assert isinstance(model, Generative), NO_DECODER
        own = dict(share(list(batches(_by_picture(run), run.batching.images)), run.group))
        finished = {number: part for number in own if (part := run.parts.get(number)) is not None}
        missing = {number: batch for number, batch in own.items() if number not in finished}
        failed: dict[str, str] = {}
        answers = {id: answer for part in finished.values() for id, answer in unpacked(part).items()}

        def answer(batch: list[_Shown]) -> dict[str, str]:
            return _answers(model, [shown for shown in batch if not isinstance(shown.pixels, OSError)])

        with (
            run.working("generate", "answering questions", sum(map(len, own.values()))) as meter,
            ThreadPoolExecutor(run.batching.workers) as pool,
        ):
            meter.advance(len(answers))
            computed = model_units(run, answer, _shown(model, run, list(missing.values()), pool))
            for number, (batch, answered) in zip(missing, computed, strict=True):
                failed |= {shown.key: str(shown.pixels) for shown in batch if isinstance(shown.pixels, OSError)}
                answers |= answered
                if len(answered) == len(batch):
                    run.parts.add(number, packed(answered))
                meter.advance(len(batch))
        leave_out_failed(run, failed)
        everywhere = {id: text for part in run.group.all_gather(answers) for id, text in part.items()}
        return [everywhere[text.id] for text in run.prepared.dataset.texts]

    def score(self, prepared: VqaPrepared, evidence: Sequence[str]) -> Scored:
        """Compare the answers with the true ones after lower-casing and stripping.

        Chance is the accuracy of always giving the most frequent answer to each type of question, which needs no image.

        Args:
            prepared: the questions.
            evidence: one answer per question, in the order of the dataset.
        """
        dataset, types = prepared.dataset, prepared.types
        given, true = (
            np.array([_normalised(answer) for answer in answers], dtype=object)
            for answers in (evidence, prepared.answers)
        )
        right = given == true
        guesses = {type: Counter(true[types == type]).most_common(1)[0][0] for type in dict.fromkeys(types.tolist())}
        guessed = np.array([guesses[type] == answer for type, answer in zip(types, true, strict=True)], dtype=float)
        images = [dataset.images[row] for row in prepared.owner]
        outcomes = {
            "direction": np.full(len(true), "vqa", dtype=object),
            "sample_id": np.asarray([text.id for text in dataset.texts], dtype=object),
            "cluster_id": np.asarray([image.id for image in images], dtype=object),
            "type": types.astype(object),
            "answer": true,
            "given": given,
            "right": right.astype(bool),
            "image": np.asarray([image.path for image in images], dtype=object),
            "text": np.asarray([text.text for text in dataset.texts], dtype=object),
            **strata_lists(dataset),
        }
        context = {"cluster": prepared.owner, "chance": guessed, **strata_columns(dataset, prepared.params.strata)}
        return Scored(measure(prepared.task, outcomes, context), outcomes, Ties(), [])


FAMILY = Vqa()


class _Shown(NamedTuple):
    """A question with its picture.

    Attributes:
        key: content key of the picture.
        question: the question.
        pixels: the picture as an input of the model, or why there is none.
    """

    key: str
    question: TextSample
    pixels: torch.Tensor | OSError | TaskError


def _by_picture(run: TaskRun[VqaPrepared]) -> list[tuple[str, TextSample]]:
    """Return content key and question of every picture whose file can be read, picture by picture."""
    dataset = run.prepared.dataset
    questions: dict[str, list[TextSample]] = defaultdict(list)
    for text, owner in zip(dataset.texts, run.prepared.owner.tolist(), strict=True):
        questions[run.keys[owner]].append(text)
    return [(key, text) for key, texts in questions.items() if key for text in texts]


def _shown(
    model: Generative,
    run: TaskRun[VqaPrepared],
    mine: Sequence[Sequence[tuple[str, TextSample]]],
    pool: ThreadPoolExecutor,
) -> Iterator[list[_Shown]]:
    """Yield the batches of this rank with their pictures, each of which is decoded once and kept while it is needed."""
    stream = decoded(model, list(dict.fromkeys(key for batch in mine for key, _ in batch)), run.sources, pool)
    held: dict[str, torch.Tensor | OSError | TaskError] = {}
    for batch in mine:
        keys = dict.fromkeys(key for key, _ in batch)
        held = {key: held[key] if key in held else next(stream)[1] for key in keys}
        yield [_Shown(key, text, held[key]) for key, text in batch]


def _answers(model: Generative, batch: Sequence[_Shown]) -> dict[str, str]:
    """Return the answers of a batch by the id of the question.

    Raises:
        TaskError: the model does not return one string per question.
    """
    if not batch:
        return {}
    pixels = stacked(sound([shown.pixels for shown in batch if not isinstance(shown.pixels, OSError)]))
    generated = model.generate(pixels, [shown.question.text for shown in batch])
    if len(generated) != len(batch) or not all(isinstance(answer, str) for answer in generated):
        raise TaskError(f"generate() must return one string per question: {len(batch)} questions were passed.")
    return {shown.question.id: answer for shown, answer in zip(batch, generated, strict=True)}


def _normalised(answer: str) -> str:
    """Return an answer in lower case without surrounding white space."""
    return answer.strip().lower()
