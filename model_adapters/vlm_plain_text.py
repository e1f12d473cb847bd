"""Prompts as plain text: what a data set says can neither bring a picture nor end a turn of the conversation."""

from __future__ import annotations

import re
from typing import Any

from model_adapters.vlm_prompts import picture_marks

# Attributes of processors that name what stands for something else than text, and the mark that those of some versions
# of transformers use in between.
OTHER_MARKS = ("video_token", "audio_token", "eoi_token")
BETWEEN = "<|placeholder|>"


class PlainText:
    """Keeps special tokens in a prompt apart, as text of the same letters with a space behind the first one."""

    def __init__(self, processor: Any) -> None:
        """Take the special tokens of a processor and its tokenizer."""
        tokens = sorted(_special(processor), key=len, reverse=True)
        self._special = re.compile("|".join(map(re.escape, tokens)))

    def of(self, prompt: str) -> str:
        """Return a prompt without special tokens.

        ``Is </s> a tag?`` becomes ``Is < /s> a tag?``.
        """
        while (apart := self._special.sub(lambda found: f"{found[0][0]} {found[0][1:]}", prompt)) != prompt:
            prompt = apart
        return prompt


def _special(processor: Any) -> set[str]:
    """Return the texts that a processor or its tokenizer does not read as text; a single letter is always text."""
    tokenizer = processor.tokenizer
    added = getattr(tokenizer, "added_tokens_decoder", {}).values()
    others = [getattr(processor, name, None) for name in OTHER_MARKS]
    found = {
        BETWEEN,
        *picture_marks(processor),
        *map(str, filter(None, others)),
        *map(str, tokenizer.all_special_tokens),
        *(str(token) for token in added if token.special),
    }
    return {token for token in found if len(token) > 1}
