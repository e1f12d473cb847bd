"""Visual question answering: the model generates an answer to each question about an image, which a rule judges."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from goldieval.core.errors import NotApplicableError
from goldieval.data.samples import Dataset
from goldieval.families.base import Family, Scored, TaskRun
from goldieval.families.vqa_asking import asking_of
from goldieval.families.vqa_generation import generated_answers
from goldieval.families.vqa_prepared import VqaPrepared, prepared_questions
from goldieval.families.vqa_scoring import scored_answers
from goldieval.models.adapter import Generative, Instructed, Model
from goldieval.models.inputs import Batching
from goldieval.tasks.card import Task

NO_DECODER = "this model cannot answer questions: its adapter has no generate(pixels, questions)."


class Vqa(Family[VqaPrepared, list[str]]):
    """Accuracy of generated answers, and the scores of benchmarks of their own kind."""

    uses_prompts = True

    def prepare(self, task: Task, dataset: Dataset) -> VqaPrepared:
        """Check that the data have questions, with answers that the task's rule can judge. Raises TaskError if not."""
        return prepared_questions(task, dataset)

    def check_model(self, model: Model, mode: str) -> None:
        if not isinstance(model, Generative | Instructed):
            raise NotApplicableError(NO_DECODER)

    def encodes_images(self, mode: str) -> bool:
        return False

    def divides(self, mode: str) -> bool:
        return True

    def divided_units(self, prepared: VqaPrepared, batching: Batching) -> tuple[int, str]:
        return -(-len(prepared.dataset.texts) // batching.images), f"batches of at most {batching.images:,} questions"

    def settings(self, prepared: VqaPrepared, model: Model) -> dict[str, Any]:
        """Return the rule and what the model was asked, for the record."""
        asking = asking_of(model, prepared.params)
        return asking.settings(prepared.params) if asking is not None else {}

    def collect(self, run: TaskRun[VqaPrepared]) -> list[str]:
        """Generate an answer to every question.

        Returns:
            The answers to the questions about readable pictures, in the order of the dataset.

        Raises:
            TaskError: the model does not return one string per question, or too many pictures are unreadable.
        """
        model, asking = run.model, asking_of(run.model, run.prepared.params)
        assert asking is not None and isinstance(model, Generative | Instructed), NO_DECODER
        return generated_answers(run, model, asking)

    def score(self, prepared: VqaPrepared, evidence: Sequence[str]) -> Scored:
        """Judge the answers.

        Args:
            prepared: the questions.
            evidence: one answer per question, in the order of the dataset.
        """
        return scored_answers(prepared, evidence)


FAMILY = Vqa()
