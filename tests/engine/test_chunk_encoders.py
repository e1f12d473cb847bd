"""A chunk of pictures or texts: each content keeps its own embedding."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import torch

from goldieval.core.meter import SilentMeter
from goldieval.engine.chunk_encoders import image_chunk_encoder, text_chunk_encoder
from goldieval.engine.chunks import Chunk
from goldieval.models.decoders import Threads
from goldieval.models.inputs import Batching


class Spelling:
    """A model whose embeddings show what it saw: of a text its letters added up, of a picture its first pixel."""

    def preprocess(self, image: str) -> torch.Tensor:
        return torch.tensor([float(ord(image))])

    def tokenize(self, texts: list[str]) -> torch.Tensor:
        return torch.tensor([[ord(letter) for letter in text] + [0] * (9 - len(text)) for text in texts])

    def trim(self, tokens: torch.Tensor) -> torch.Tensor:
        return tokens[:, : int((tokens != 0).sum(1).max())]

    def encode_image(self, pixels: torch.Tensor) -> torch.Tensor:
        return pixels

    def encode_text(self, tokens: torch.Tensor) -> torch.Tensor:
        return tokens.sum(1, keepdim=True)


class Letter:
    """A picture that is a letter; ``x`` cannot be opened."""

    def __init__(self, letter: str) -> None:
        self.letter = letter

    def open(self) -> str:
        if self.letter == "x":
            raise OSError("broken")
        return self.letter


def test_texts_sorted_and_trimmed_keep_their_own_embedding() -> None:
    texts = {text: text for text in ("ccc", "a", "eeeeeeee", "bb", "d", "ffff")}
    compute = text_chunk_encoder(Spelling(), texts, Batching(texts=2), SilentMeter())  # type: ignore[arg-type]
    ((_, (keys, vectors, failed)),) = compute([Chunk(tuple(texts))])
    assert dict(zip(keys, vectors[:, 0], strict=True)) == {text: sum(map(ord, text)) for text in texts} and not failed


def test_a_picture_that_cannot_be_opened_does_not_move_the_others() -> None:
    sources = {f"key {letter}": Letter(letter) for letter in "axbcd"}
    with ThreadPoolExecutor(2) as pool:
        compute = image_chunk_encoder(  # type: ignore[arg-type]
            Spelling(), sources, Batching(images=2), Threads(Spelling().preprocess, pool), SilentMeter()
        )
        ((_, (keys, vectors, failed)),) = compute([Chunk(tuple(sources))])
    assert dict(zip(keys, vectors[:, 0], strict=True)) == {f"key {letter}": ord(letter) for letter in "abcd"}
    assert {key: str(error) for key, error in failed.items()} == {"key x": "broken"}
