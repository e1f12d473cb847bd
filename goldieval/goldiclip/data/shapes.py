"""The built-in world as a finite training corpus, drawn once on a machine and kept in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from itertools import chain

import numpy as np
import torch

from goldieval.data.shapes import draw, foils, long_caption, questions, sample_scene, short_captions
from goldieval.goldiclip.data.corpus import Ids, Sample
from goldieval.goldiclip.data.processes import cores, in_processes
from goldieval.goldiclip.data.shapes_cache import cached, file_of
from goldieval.goldiclip.tokenizer import Tokenizer

SHORT_CAPTIONS, QUESTIONS = 4, 6
DOMINANT_SHARE = 4  # every fourth scene has one large object among small ones
CHUNK = 500  # scenes that a process draws before it takes the next ones


@dataclass(frozen=True)
class ShapesCorpus:
    """Pictures (n, side, side, 3) uint8; for each as token ids: sentences, (question, answer) pairs and foils."""

    pictures: torch.Tensor
    sentences: list[list[Ids]]
    questions: list[list[tuple[Ids, Ids]]]
    foils: list[list[list[Ids]]]

    def __len__(self) -> int:
        return len(self.pictures)

    def order(self, generator: torch.Generator) -> torch.Tensor:
        return torch.randperm(len(self), generator=generator)

    def sample(self, row: int) -> Sample:
        return Sample(self.pictures[row], self.sentences[row], self.questions[row], foils=self.foils[row])


def shapes_corpus(
    scenes: int, resolution: int, tokenizer: Tokenizer, note: Callable[[str], None] = lambda line: None
) -> ShapesCorpus:
    """Return the first ``scenes`` of the training split at a resolution, with what is said of them.

    They are drawn once and then read from the user's cache folder. note: is told when drawing takes a while.
    """
    file = file_of(scenes, resolution, tokenizer)
    return ShapesCorpus(*cached(file, scenes, resolution, lambda: _drawn(scenes, resolution, tokenizer, note)))


Drawn = tuple[torch.Tensor, list[list[Ids]], list[list[tuple[Ids, Ids]]], list[list[list[Ids]]]]
Chunk = tuple[np.ndarray, list[list[Ids]], list[list[tuple[Ids, Ids]]], list[list[list[Ids]]]]


def _drawn(scenes: int, resolution: int, tokenizer: Tokenizer, note: Callable[[str], None]) -> Drawn:
    chunks = [range(start, min(start + CHUNK, scenes)) for start in range(0, scenes, CHUNK)]
    job = partial(_chunk, resolution=resolution, tokenizer=tokenizer)
    processes = min(len(chunks), cores())
    if len(chunks) > 1:
        note(f"drawing {scenes:,} scenes in {processes} processes; the next run finds them in the cache")
    return _joined(in_processes(job, chunks, processes))


def _joined(parts: Iterable[Chunk]) -> Drawn:
    pictures, said, asked, against = zip(*parts, strict=True)
    return torch.from_numpy(np.concatenate(pictures)), list(chain(*said)), list(chain(*asked)), list(chain(*against))


def _chunk(indices: range, resolution: int, tokenizer: Tokenizer) -> Chunk:
    pictures = np.empty((len(indices), resolution, resolution, 3), dtype=np.uint8)
    said: list[list[Ids]] = []
    asked: list[list[tuple[Ids, Ids]]] = []
    against: list[list[list[Ids]]] = []
    for place, index in enumerate(indices):
        scene = sample_scene("train", index, "dominant" if index % DOMINANT_SHARE == 0 else "scene")
        pictures[place] = np.asarray(draw(scene, resolution))
        texts = [text for text, _ in short_captions(scene, SHORT_CAPTIONS)] + [text for text, _ in long_caption(scene)]
        said.append([tokenizer.ids(text) for text in dict.fromkeys(texts)])
        asked.append([(tokenizer.ids(q.text), tokenizer.ids(q.answer)) for q in questions(scene, QUESTIONS)])
        against.append([[tokenizer.ids(text) for text, _ in group] for group in foils(scene)])
    return pictures, said, asked, against
