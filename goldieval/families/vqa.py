"""Visual question answering: the model generates an answer to each question about an image; it must match exactly."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch

from goldieval.core.errors import NotApplicableError, TaskError
from goldieval.data.samples import Dataset
from goldieval.families.aggregates import check_strata, measure, strata_columns
from goldieval.families.answers import strata_lists
from goldieval.families.base import Family, Prepared, Scored, TaskRun, params_of
from goldieval.models.adapter import Generative, Model
from goldieval.models.inputs import batches, decoded, sound, stacked
from goldieval.records.parts import Ties
from goldieval.tasks.card import Task
from goldieval.tasks.params import VqaParams

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

    def collect(self, run: TaskRun[VqaPrepared]) -> list[str]:
        """Generate an answer to every question. Each picture is decoded once, whatever its number of questions.

        Returns:
            The answers to the questions about readable pictures, in the order of the dataset.

        Raises:
            TaskError: the model does not return one string per question, or too many pictures are unreadable.
        """
        model, questions = run.model, run.prepared.dataset.texts
        assert isinstance(model, Generative), NO_DECODER
        failed: dict[str, str] = {}
        answers: dict[str, str] = {}
        with (
            run.working("generate", "answering questions", len(questions)) as meter,
            ThreadPoolExecutor(run.batching.workers) as pool,
        ):
            for batch in batches(_questions(model, run, pool, failed), run.batching.images):
                texts = [questions[row] for row, _ in batch]
                generated = model.generate(stacked([pixels for _, pixels in batch]), [text.text for text in texts])
                if len(generated) != len(texts) or not all(isinstance(answer, str) for answer in generated):
                    raise TaskError(
                        f"generate() must return one string per question: {len(texts)} questions were passed."
                    )
                answers |= {text.id: answer for text, answer in zip(texts, generated, strict=True)}
                meter.advance(len(batch))
        run.leave_out(failed)
        return [answers[text.id] for text in run.prepared.dataset.texts]

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


def _questions(
    model: Generative, run: TaskRun[VqaPrepared], pool: ThreadPoolExecutor, failed: dict[str, str]
) -> Iterator[tuple[int, torch.Tensor]]:
    """Yield the row and the picture of every question, picture by picture; add undecodable ones to ``failed``."""
    rows: dict[str, list[int]] = defaultdict(list)  # content key to rows of questions
    for row, owner in enumerate(run.prepared.owner.tolist()):
        rows[run.keys[owner]].append(row)
    for key, pixels in decoded(model, [key for key in rows if key], run.sources, pool):
        if isinstance(pixels, OSError):
            failed[key] = str(pixels)
            continue
        (usable,) = sound([pixels])
        yield from ((row, usable) for row in rows[key])


def _normalised(answer: str) -> str:
    """Return an answer in lower case without surrounding white space."""
    return answer.strip().lower()
