"""Which texts the model's context cuts, and what the record says of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from goldieval.families.base import Prepared
from goldieval.models.adapter import Model
from goldieval.records.parts import Truncation

WARNING_SHARE = 0.01  # share of texts that are cut, above which the reader is warned


def truncation(counts: Sequence[int] | None, context: int) -> Truncation | None:
    """Return how many texts a context of ``context`` tokens cuts, None where their lengths are not known."""
    if not counts or not context:
        return None
    lengths = np.asarray(counts)
    cut = int((lengths > context).sum())
    return Truncation(
        context=context,
        texts=len(lengths),
        cut=cut,
        share=cut / len(lengths),
        median=float(np.median(lengths)),
        longest=int(lengths.max()),
    )


def mark_truncated(
    model: Model, prepared: Prepared[Any], outcomes: dict[str, np.ndarray], context: int
) -> Truncation | None:
    """Return what the model's context cuts of a task's texts, and mark the queries that it cuts in the outcomes.

    Args:
        model: counts tokens, where it can.
        prepared: the task; nothing is cut of one that encodes no texts.
        outcomes: columns by name; ``cut`` is added where the queries' texts are among them.
        context: in tokens, 0 where the model has none.
    """
    texts = [text.text for text in prepared.dataset.texts] if prepared.texts else []
    count_tokens = getattr(model, "count_tokens", None)
    counts: list[int] | None = count_tokens(texts) if count_tokens and texts else None
    if counts and "text" in outcomes:
        outcomes["cut"] = cut_queries(outcomes["text"].tolist(), texts, counts, context)
    return truncation(counts, context)


def cut_queries(queries: Sequence[str], texts: Sequence[str], counts: Sequence[int], context: int) -> np.ndarray:
    """Return for each query whether the context cuts its text, shape (queries,).

    Args:
        queries: texts of the outcomes, empty where an image is the query.
        texts: of the task.
        counts: length of each of ``texts`` in tokens.
        context: in tokens, 0 where the model has none.
    """
    long = {text for text, count in zip(texts, counts, strict=True) if 0 < context < count}
    return np.array([text in long for text in queries], dtype=bool)


def truncation_warnings(found: Truncation | None) -> list[str]:
    """Return a warning where enough is cut to matter."""
    if found is None or found.share < WARNING_SHARE:
        return []
    return [
        f"{100 * found.share:.1f} % of the texts are longer than the model's context of {found.context} tokens "
        f"(median {found.median:g}): it sees only their beginnings"
    ]
