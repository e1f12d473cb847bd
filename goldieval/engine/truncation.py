"""Which texts the model's context cuts, and what the record says of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from goldieval.records.parts import Truncation

WORTH_TELLING = 0.01  # share of texts that are cut


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


def cut_queries(queries: Sequence[str], texts: Sequence[str], counts: Sequence[int], context: int) -> np.ndarray:
    """Say of each query whether the context cuts its text, shape (queries,).

    Args:
        queries: texts of the outcomes, empty where an image is the query.   texts, counts: of the task, with their
            lengths in tokens.   context: 0 where the model has none.
    """
    long = {text for text, count in zip(texts, counts, strict=True) if 0 < context < count}
    return np.array([text in long for text in queries], dtype=bool)


def truncation_warnings(found: Truncation | None) -> list[str]:
    """Return a line for the reader where enough is cut to matter."""
    if found is None or found.share < WORTH_TELLING:
        return []
    return [
        f"{100 * found.share:.1f} % of the texts are longer than the model's context of {found.context} tokens "
        f"(median {found.median:g}): it sees only their beginnings"
    ]
