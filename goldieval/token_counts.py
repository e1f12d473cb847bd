"""How long texts are to a model's tokenizer, before it cuts them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from goldieval.record import Truncation

WORTH_TELLING = 0.01  # share of texts that are cut


def token_counts(tokenizer: Any, texts: Sequence[str]) -> list[int] | None:
    """Return the tokens of each text with its start and end marks, uncut; None where the tokenizer cannot tell.

    It can if it is open_clip's own (``encode`` gives the ids without marks) or wraps one of transformers.
    """
    if hasattr(tokenizer, "encode") and hasattr(tokenizer, "sot_token_id"):
        return [len(tokenizer.encode(text)) + 2 for text in texts]
    if hasattr(tokenizer, "clean_fn") and callable(getattr(tokenizer, "tokenizer", None)):
        return [len(ids) for ids in tokenizer.tokenizer([tokenizer.clean_fn(text) for text in texts])["input_ids"]]
    return None


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


def told(found: Truncation | None) -> list[str]:
    """Return a line for the reader where enough is cut to matter."""
    if found is None or found.share < WORTH_TELLING:
        return []
    return [
        f"{100 * found.share:.1f} % of the texts are longer than the model's context of {found.context} tokens "
        f"(median {found.median:g}): it sees only their beginnings"
    ]
