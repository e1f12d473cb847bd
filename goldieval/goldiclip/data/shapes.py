"""The built-in world as a finite training corpus, drawn once and kept in memory."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from goldieval.data.shapes import draw, long_caption, questions, sample_scene, short_captions
from goldieval.goldiclip.tokenizer import Tokenizer

SHORT_CAPTIONS, QUESTIONS = 4, 6
DOMINANT_SHARE = 4  # every fourth scene has one large object among small ones


@dataclass(frozen=True)
class Corpus:
    """Pictures (n, side, side, 3) uint8; for each, sentences and (question, answer) pairs as token ids."""

    pictures: torch.Tensor
    sentences: list[list[list[int]]]
    questions: list[list[tuple[list[int], list[int]]]]

    def __len__(self) -> int:
        return len(self.pictures)


def shapes_corpus(scenes: int, resolution: int, tokenizer: Tokenizer) -> Corpus:
    """Draw the first ``scenes`` of the training split at a resolution and tokenise what is said of them."""
    pictures = np.empty((scenes, resolution, resolution, 3), dtype=np.uint8)
    said: list[list[list[int]]] = []
    asked: list[list[tuple[list[int], list[int]]]] = []
    for index in range(scenes):
        scene = sample_scene("train", index, "dominant" if index % DOMINANT_SHARE == 0 else "scene")
        pictures[index] = np.asarray(draw(scene, resolution))
        texts = [text for text, _ in short_captions(scene, SHORT_CAPTIONS)] + [text for text, _ in long_caption(scene)]
        said.append([tokenizer.ids(text) for text in dict.fromkeys(texts)])
        asked.append([(tokenizer.ids(q.text), tokenizer.ids(q.answer)) for q in questions(scene, QUESTIONS)])
    return Corpus(torch.from_numpy(pictures), said, asked)
