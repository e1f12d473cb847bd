"""Numbers of tokens of a task's texts, kept beside the stored embeddings, so that counting again needs no tokenizer."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from goldieval.core.memory import Memory
from goldieval.data.roots import store_root
from goldieval.models.adapter import Model
from goldieval.models.remembered import code_versions

MOST = 200  # lists of texts


class TokenCounts:
    """Counts the tokens of texts with a model, or recalls what a model with the same text tower has counted."""

    def __init__(self, model: Model, identity: str, cache: bool) -> None:
        """Set the model.

        Args:
            model: counts tokens if it has ``count_tokens``.
            identity: identity of its text tower, which includes its tokenizer.
            cache: whether counts are recalled and kept.
        """
        self._count: Any = getattr(model, "count_tokens", None)
        self._identity = identity
        self._memory = Memory(store_root() / ".remembered" / "tokens", MOST) if cache and code_versions() else None

    def of(self, texts: Sequence[str]) -> list[int] | None:
        """Return the number of tokens of each text before truncation, or None if that is unknown."""
        if self._count is None or not texts:
            return None
        if self._memory is None:
            return self._count(texts)  # type: ignore[no-any-return]
        digest = hashlib.sha256(json.dumps(list(texts)).encode()).hexdigest()
        key = {"text tower": self._identity, "texts": [len(texts), digest], "code": code_versions()}
        known = self._memory.recall(key)
        if isinstance(known, dict) and _fits(known.get("counts", ()), len(texts)):
            return known["counts"]  # type: ignore[no-any-return]
        counts: list[int] | None = self._count(texts)
        if _fits(counts, len(texts)):
            self._memory.keep(key, {"counts": counts})
        return counts


def _fits(counts: object, texts: int) -> bool:
    """Return whether a value is one number per text, or None."""
    if counts is None:
        return True
    return isinstance(counts, list) and len(counts) == texts and all(type(count) is int for count in counts)
