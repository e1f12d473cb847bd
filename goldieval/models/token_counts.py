"""How long texts are to a model's tokenizer, before it cuts them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def token_counts(tokenizer: Any, texts: Sequence[str]) -> list[int] | None:
    """Return the tokens of each text with its start and end marks, uncut; None where the tokenizer cannot tell.

    It can if it is open_clip's own (``encode`` gives the ids without marks) or wraps one of transformers.
    """
    if hasattr(tokenizer, "encode") and hasattr(tokenizer, "sot_token_id"):
        return [len(tokenizer.encode(text)) + 2 for text in texts]
    if hasattr(tokenizer, "clean_fn") and callable(getattr(tokenizer, "tokenizer", None)):
        return [len(ids) for ids in tokenizer.tokenizer([tokenizer.clean_fn(text) for text in texts])["input_ids"]]
    return None
