"""The base class of families that compare images with texts: their similarity in any scoring mode."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch

from goldieval.core.errors import AdapterError, GoldievalError, NotApplicableError, TaskError
from goldieval.families.base import Family, PreparedT, TaskRun
from goldieval.models.adapter import Model, TextConditioned
from goldieval.models.inputs import batches, decoded, sound, stacked
from goldieval.scoring.cosine import check_finite, unit
from goldieval.scoring.mode import needs_image_embeddings, needs_pool, shortlist_size
from goldieval.scoring.similarity import ConditionedSimilarity, GlobalSimilarity, ShortlistSimilarity, Similarity

if TYPE_CHECKING:
    from goldieval.families.base import Prepared

NO_POOLING = "this model has no text-conditioned pooling for {} scoring: use --scoring global."

Run = TaskRun[Any]


class SimilarityFamily(Family[PreparedT, Similarity]):
    """A family whose evidence is the similarity of images and texts."""

    def check_model(self, model: Model, mode: str) -> None:
        if needs_pool(mode) and not isinstance(model, TextConditioned):
            raise NotApplicableError(NO_POOLING.format(mode))

    def encodes_images(self, mode: str) -> bool:
        return needs_image_embeddings(mode)

    def collect(self, run: TaskRun[PreparedT]) -> Similarity:
        """Return the similarity of the readable images and the texts in the run's scoring mode.

        Raises:
            TaskError: too many pictures are unreadable, or embeddings cannot be compared.
        """
        return _SIMILARITIES[run.mode.partition(":")[0]](run)


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
    return GlobalSimilarity(images, _unit_texts(run.prepared, run.text_embeddings()).to(run.device))


def _conditioned(run: Run) -> Similarity:
    model = cast(TextConditioned, run.model)
    return ConditionedSimilarity(model.pool, *_patches_and_texts(run, model))


def _shortlist(run: Run) -> Similarity:
    run.leave_out(run.failed)
    model = cast(TextConditioned, run.model)
    patches, texts = _patches_and_texts(run, model)
    return ShortlistSimilarity(model.pool, patches, texts, unit_images(run), shortlist_size(run.mode))


_SIMILARITIES: dict[str, Callable[[Run], Similarity]] = {
    "global": _global,
    "conditioned": _conditioned,
    "shortlist": _shortlist,
}


def _patches_and_texts(run: Run, model: TextConditioned) -> tuple[torch.Tensor, torch.Tensor]:
    """Return patch tokens, shape (images, patches, dim), and text embeddings, shape (texts, dim), not normalised."""
    patches = _patch_tokens(run, model)
    check_finite(patches, "patch")
    texts = torch.as_tensor(run.text_embeddings())
    _unit_texts(run.prepared, texts)
    return patches.to(run.device), texts.to(run.device)


def _patch_tokens(run: Run, model: TextConditioned) -> torch.Tensor:
    """Return the patch tokens of the readable pictures, shape (images, patches, dim). They are too large to store."""
    keys = [key for key in run.keys if key]
    parts: list[torch.Tensor] = []
    failed: dict[str, str] = {}
    with (
        run.working("encode_patches", "encoding patches of images", len(keys)) as meter,
        ThreadPoolExecutor(run.batching.workers) as pool,
    ):
        for batch in batches(decoded(model, keys, run.sources, pool), run.batching.images):
            failed |= {key: str(error) for key, error in batch if isinstance(error, OSError)}
            usable = sound([pixels for _, pixels in batch if not isinstance(pixels, OSError)])
            if usable:
                parts.append(_checked_tokens(model.patch_tokens(stacked(usable)), len(usable)))
            meter.advance(len(batch))
    run.leave_out(failed)
    return torch.cat(parts) if parts else torch.empty(0, 0, 0)


def _checked_tokens(tokens: torch.Tensor, count: int) -> torch.Tensor:
    """Return patch tokens as float32. Raises AdapterError unless their shape is (count, patches, dim)."""
    if tokens.ndim != 3 or len(tokens) != count:
        raise AdapterError(f"patch_tokens() must return ({count}, patches, dim); it returned {tuple(tokens.shape)}.")
    return tokens.float()


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
