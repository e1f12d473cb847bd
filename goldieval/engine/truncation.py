"""Texts that are longer than the context of the model: how many, which, and the warning about them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from goldieval.engine.token_memory import TokenCounts
from goldieval.families.base import Prepared
from goldieval.records.parts import Truncation

WARNING_SHARE = 0.01  # fraction of truncated texts from which a warning is given


def truncation(counts: Sequence[int] | None, context: int) -> Truncation | None:
    """Return how many texts are truncated, None if their lengths are not known.

    Args:
        counts: length of each text in tokens.
        context: length of the model's context in tokens, 0 if it has none.
    """
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
    token_counts: TokenCounts, prepared: Prepared[Any], outcomes: dict[str, np.ndarray], context: int
) -> Truncation | None:
    """Return how many texts of a task are truncated, and mark the truncated queries in the outcomes.

    Args:
        token_counts: counts the tokens of texts.
        prepared: the task; a task that encodes no texts has no truncation.
        outcomes: columns by name; the column ``cut`` is added if the texts of the queries are among them.
        context: length of the model's context in tokens, 0 if it has none.
    """
    texts = [text.text for text in prepared.dataset.texts] if prepared.texts else []
    counts = token_counts.of(texts)
    if counts and "text" in outcomes:
        outcomes["cut"] = cut_queries(outcomes["text"].tolist(), texts, counts, context)
    return truncation(counts, context)


def cut_queries(queries: Sequence[str], texts: Sequence[str], counts: Sequence[int], context: int) -> np.ndarray:
    """Return for each query whether its text is truncated, shape (queries,).

    Args:
        queries: texts of the outcomes, empty where an image is the query.
        texts: texts of the task.
        counts: length of each of ``texts`` in tokens.
        context: length of the model's context in tokens, 0 if it has none.
    """
    truncated = {text for text, count in zip(texts, counts, strict=True) if 0 < context < count}
    return np.array([text in truncated for text in queries], dtype=bool)


def truncation_warnings(measured: Truncation | None) -> list[str]:
    """Return a warning if at least ``WARNING_SHARE`` of the texts are truncated."""
    if measured is None or measured.share < WARNING_SHARE:
        return []
    return [
        f"{100 * measured.share:.1f} % of the texts are longer than the model's context of {measured.context} tokens "
        f"(median {measured.median:g}): it sees only their beginnings"
    ]
