"""The base class of families that compare images with texts: their similarity in any scoring mode."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch

from goldieval.core.errors import GoldievalError, NotApplicableError, TaskError
from goldieval.families.base import Evidence, Family, PreparedT, TaskRun
from goldieval.families.patch_tokens import patch_blocks
from goldieval.models.adapter import Model, TextConditioned
from goldieval.scoring.cosine import unit
from goldieval.scoring.mode import needs_image_embeddings, needs_pool, shortlist_size
from goldieval.scoring.similarities import ConditionedSimilarity, GlobalSimilarity, ShortlistSimilarity
from goldieval.scoring.similarity import Similarity

if TYPE_CHECKING:
    from goldieval.families.base import Prepared

NO_POOLING = "this model has no text-conditioned pooling for {} scoring: use --scoring global."

Run = TaskRun[Any]


class SimilarityFamily(Family[PreparedT, Evidence]):
    """A family whose evidence is computed from the similarity of images and texts."""

    def check_model(self, model: Model, mode: str) -> None:
        if needs_pool(mode) and not isinstance(model, TextConditioned):
            raise NotApplicableError(NO_POOLING.format(mode))

    def encodes_images(self, mode: str) -> bool:
        return needs_image_embeddings(mode)

    def divides(self, mode: str) -> bool:
        """Return whether patch tokens are encoded and scored in this mode."""
        return needs_pool(mode)

    def collect(self, run: TaskRun[PreparedT]) -> Evidence:
        """Compare the readable images with the texts in the run's scoring mode.

        Raises:
            TaskError: too many pictures are unreadable, or embeddings cannot be compared.
        """
        similarity = _SIMILARITIES[run.mode.partition(":")[0]](run)
        return self.compare(run.prepared, similarity)

    @abstractmethod
    def compare(self, prepared: PreparedT, similarity: Similarity) -> Evidence:
        """Ask a similarity for what ``score`` needs.

        Args:
            prepared: the task, with the samples that the similarity covers.
            similarity: compares its images with its texts.
        """


def check_requested_mode(mode: str | None, model: Model, spec: str) -> None:
    """Check that a model supports the scoring mode that a run requests.

    Args:
        mode: the requested mode, None if there is none.
        model: the model.
        spec: its spec, for the message.

    Raises:
        GoldievalError: the mode needs text-conditioned pooling, which the model does not have.
    """
    if mode and needs_pool(mode) and getattr(model, "pool", None) is None:
        raise GoldievalError(f"--scoring {mode}: {spec} has no text-conditioned pooling; use --scoring global.")


def unit_images(run: Run) -> torch.Tensor:
    """Return the unit vector of each readable image on the scoring device, shape (images, dim).

    Raises:
        TaskError: all pictures are identical, or the embeddings cannot be compared.
    """
    embeddings = run.image_embeddings()
    if len(run.keys) > 1 and len(set(run.keys)) == 1 and run.keys[0]:
        raise TaskError(f"all {len(run.keys):,} pictures are identical: there is nothing to compare.")
    return unit(embeddings, "image").to(run.device)


def _global(run: Run) -> Similarity:
    images = unit_images(run)
    return GlobalSimilarity(images, _unit_texts(run.prepared, run.text_embeddings()).to(run.device), run.logit_factor)


def _conditioned(run: Run) -> Similarity:
    model = cast(TextConditioned, run.model)
    blocks = patch_blocks(run, model)
    return ConditionedSimilarity(model.pool, blocks, _texts(run), factor=run.logit_factor)


def _shortlist(run: Run) -> Similarity:
    run.leave_out(run.group.broadcast(dict(run.failed)))
    model = cast(TextConditioned, run.model)
    blocks = patch_blocks(run, model)
    images = unit_images(run) if run.group.rank == 0 else None
    return ShortlistSimilarity(
        model.pool, blocks, _texts(run), images, shortlist_size(run.mode), factor=run.logit_factor
    )


_SIMILARITIES: dict[str, Callable[[Run], Similarity]] = {
    "global": _global,
    "conditioned": _conditioned,
    "shortlist": _shortlist,
}


def _texts(run: Run) -> torch.Tensor:
    """Return the embedding of each text on the scoring device, not normalised, shape (texts, dim)."""
    texts = torch.as_tensor(run.text_embeddings())
    _unit_texts(run.prepared, texts)
    return texts.to(run.device)


def _unit_texts(prepared: Prepared[Any], embeddings: np.ndarray | torch.Tensor) -> torch.Tensor:
    """Return the unit vector of each text, shape (texts, dim).

    Raises:
        TaskError: all texts are identical, or the embeddings cannot be compared.
    """
    distinct = {text.text for text in prepared.texts}
    if len(distinct) == 1 and len(prepared.texts) > 1:
        text = distinct.pop()[:60]
        raise TaskError(f"all {len(prepared.texts):,} texts are identical, {text!r}: there is nothing to compare.")
    return unit(embeddings, "text")
