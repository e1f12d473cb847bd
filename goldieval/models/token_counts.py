"""Number of tokens of texts under a model's tokenizer, before truncation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def token_counts(tokenizer: Any, texts: Sequence[str]) -> list[int] | None:
    """Return the number of tokens of each text with start and end token, before truncation, or None if unknown.

    It is known for open_clip's own tokenizer (``encode`` returns ids without marks) and for wrappers of transformers.
    """
    if hasattr(tokenizer, "encode") and hasattr(tokenizer, "sot_token_id"):
        return [len(tokenizer.encode(text)) + 2 for text in texts]
    if getattr(tokenizer, "tokenizer_mode", "") == "clips":  # start, end and class token are added by open_clip
        cleaned = [tokenizer.clean_fn(text) for text in texts]
        return [len(ids) + 3 for ids in tokenizer.tokenizer(cleaned, add_special_tokens=False)["input_ids"]]
    if hasattr(tokenizer, "clean_fn") and callable(getattr(tokenizer, "tokenizer", None)):
        return [len(ids) for ids in tokenizer.tokenizer([tokenizer.clean_fn(text) for text in texts])["input_ids"]]
    return None
