"""CLIP's tokenizer with only the first merges of its BPE file: a small vocabulary for small models."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from open_clip import SimpleTokenizer

SPECIAL = ("<start_of_text>", "<end_of_text>")
BYTES = 512  # 256 bytes, and 256 bytes at the end of a word


class Tokenizer(SimpleTokenizer):  # type: ignore[misc]
    """Tokenises any text: words without a token of their own are split into known pieces, in the extreme into bytes."""

    def __init__(self, merges: int, context_length: int) -> None:
        """Make a tokenizer.

        Args:
            merges: Number of merges that are kept; all 48,894 give CLIP's tokenizer itself.
            context_length: Largest number of tokens of a text, with start and end of text.
        """
        super().__init__(context_length=context_length)  # reads the whole BPE file
        all_ranks: dict[tuple[str, ...], int] = vars(self)["bpe_ranks"]
        all_ids: dict[str, int] = vars(self)["encoder"]
        ranked = sorted(all_ranks, key=all_ranks.__getitem__)[:merges]
        pieces = sorted(all_ids, key=all_ids.__getitem__)[:BYTES]
        vocabulary = [*pieces, *("".join(merge) for merge in ranked), *SPECIAL]
        self.encoder = {piece: number for number, piece in enumerate(vocabulary)}
        self.decoder = dict(enumerate(vocabulary))
        self.bpe_ranks = {merge: rank for rank, merge in enumerate(ranked)}
        self.vocab_size = len(vocabulary)
        self.all_special_ids = [self.encoder[token] for token in SPECIAL]
        self.sot_token_id, self.eot_token_id = self.all_special_ids

    def ids(self, text: str) -> list[int]:
        """Return the token ids of a text without start, end, padding or truncation."""
        encoded: list[int] = self.encode(text)
        return encoded

    def padded(self, texts: Sequence[Sequence[int]], pad_to: int | None = None) -> torch.Tensor:
        """Frame texts with start and end of text, truncate them to the context and pad them with zeros.

        Args:
            texts: Token ids of each text.
            pad_to: Length of the rows; that of the longest text by default.

        Returns:
            Shape (texts, length).
        """
        room = self.context_length - 2
        framed = [[self.sot_token_id, *ids[:room], self.eot_token_id] for ids in texts]
        length = pad_to or max(map(len, framed))
        rows = [ids + [0] * (length - len(ids)) for ids in framed]
        return torch.tensor(rows, dtype=torch.long).view(len(rows), length)
