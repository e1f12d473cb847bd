"""The built-in world as a finite training corpus, drawn once per machine and kept in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain

import numpy as np
import torch

from goldieval.data.shapes import draw, foils, long_caption, questions, short_captions, split_seeds
from goldieval.goldiclip.data.corpus import Bad, Extent, Ids, Sample
from goldieval.goldiclip.data.foregrounds import Foregrounds, foregrounds_of
from goldieval.goldiclip.data.order import Order, Shuffle
from goldieval.goldiclip.data.shapes_cache import cached, file_of
from goldieval.goldiclip.data.training_scenes import in_chunks, training_scene
from goldieval.goldiclip.tokenizer import Tokenizer

SHORT_CAPTIONS, QUESTIONS = 4, 6  # of a scene


@dataclass(frozen=True)
class ShapesCorpus:
    """Drawn scenes with their texts as token ids.

    Attributes:
        pictures: Shape (n, side, side, 3), uint8.
        sentences: Sentences of each scene.
        questions: Pairs of a question and its answer of each scene.
        foils: Groups of a true caption and its foils of each scene.
        foregrounds: What each picture shows in front of its background, where that is exchanged.
    """

    pictures: torch.Tensor
    sentences: list[list[Ids]]
    questions: list[list[tuple[Ids, Ids]]]
    foils: list[list[list[Ids]]]
    foregrounds: Foregrounds | None = None

    @property
    def bad(self) -> Sequence[Bad]:
        return ()

    def __len__(self) -> int:
        return len(self.pictures)

    def order(self, seed: int) -> Order:
        return Shuffle(len(self), seed)

    def extent(self) -> Extent:
        return Extent(len(self))

    def sample(self, row: int) -> Sample:
        foreground = self.foregrounds[row] if self.foregrounds is not None else None
        texts = self.sentences[row], self.questions[row]
        return Sample(self.pictures[row], *texts, foils=self.foils[row], foreground=foreground)


def shapes_corpus(
    scenes: int,
    resolution: int,
    tokenizer: Tokenizer,
    note: Callable[[str], None] = lambda line: None,
    first: int = 0,
    foregrounds: bool = False,
) -> ShapesCorpus:
    """Return consecutive scenes of the training split; they are drawn once and then read from the cache folder.

    Args:
        scenes: Number of scenes.
        resolution: Side of a picture in pixels.
        tokenizer: Turns texts into token ids.
        note: Called with a line where drawing takes a while.
        first: The first of the scenes, from 0.
        foregrounds: Whether the scenes are to be shown on other backgrounds than their own.

    Raises:
        TaskError: The training split has no scenes so far.
    """
    wanted = range(first, first + scenes)
    split_seeds("train", wanted.stop)  # refuses what it does not have
    file = file_of(scenes, resolution, tokenizer, first)
    content = cached(file, scenes, resolution, lambda: _drawn(wanted, resolution, tokenizer, note))
    return ShapesCorpus(*content, foregrounds_of(wanted, resolution, note) if foregrounds else None)


Drawn = tuple[torch.Tensor, list[list[Ids]], list[list[tuple[Ids, Ids]]], list[list[list[Ids]]]]
Chunk = tuple[np.ndarray, list[list[Ids]], list[list[tuple[Ids, Ids]]], list[list[list[Ids]]]]


def _drawn(scenes: range, resolution: int, tokenizer: Tokenizer, note: Callable[[str], None]) -> Drawn:
    job = partial(_chunk, resolution=resolution, tokenizer=tokenizer)
    return _joined(in_chunks(job, scenes, f"{len(scenes):,} scenes", note))


def _joined(parts: Iterable[Chunk]) -> Drawn:
    pictures, *texts = zip(*parts, strict=True)
    sentences, questions, foils = (list(chain(*own)) for own in texts)
    return torch.from_numpy(np.concatenate(pictures)), sentences, questions, foils


def _chunk(indices: range, resolution: int, tokenizer: Tokenizer) -> Chunk:
    pictures = np.empty((len(indices), resolution, resolution, 3), dtype=np.uint8)
    sentences: list[list[Ids]] = []
    pairs: list[list[tuple[Ids, Ids]]] = []
    groups: list[list[list[Ids]]] = []
    for place, index in enumerate(indices):
        scene = training_scene(index)
        pictures[place] = np.asarray(draw(scene, resolution))
        texts = [text for text, _ in short_captions(scene, SHORT_CAPTIONS)] + [text for text, _ in long_caption(scene)]
        sentences.append([tokenizer.ids(text) for text in dict.fromkeys(texts)])
        pairs.append([(tokenizer.ids(q.text), tokenizer.ids(q.answer)) for q in questions(scene, QUESTIONS)])
        groups.append([[tokenizer.ids(text) for text, _ in group] for group in foils(scene)])
    return pictures, sentences, pairs, groups
