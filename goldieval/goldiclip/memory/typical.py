"""A batch as training data give it: its shapes and the lengths of its texts count, its pictures do not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from goldieval.goldiclip.data.batch import Batch
from goldieval.goldiclip.data.batches import Batches
from goldieval.goldiclip.data.corpus import Foreground, Ids, Sample
from goldieval.goldiclip.data.images import CutImages, DrawnImages, Images
from goldieval.goldiclip.data.jitter import CHANGES, colour_maps
from goldieval.goldiclip.data.redrawing import Redrawing
from goldieval.goldiclip.data.synthetic import SyntheticCorpus
from goldieval.goldiclip.recipe import Recipe
from goldieval.goldiclip.tokenizer import Tokenizer

FOILS = 4  # candidates of a group of foils


@dataclass(frozen=True)
class TypicalCorpus(SyntheticCorpus):
    """Samples with as many questions and foils as a recipe asks for.

    Attributes:
        questions: Questions of a sample.
        groups: Groups of foils of a sample.
        long: Whether every sentence fills the context.
    """

    questions: int = 1
    groups: int = 1
    long: bool = False

    def sample(self, row: int) -> Sample:
        usual = SyntheticCorpus.sample(self, row)
        sentences: Sequence[Ids] = usual.sentences
        if self.long:
            sentences = [sentence * self.tokenizer.context_length for sentence in sentences]
        groups = [[sentences[0]] * FOILS] * self.groups
        return replace(usual, sentences=sentences, questions=list(usual.questions) * self.questions, foils=groups)


def typical_batch(recipe: Recipe, processes: int, long: bool = False) -> Batch:
    """Return the share of one of several processes of a batch, on the host.

    Args:
        recipe: The recipe.
        processes: Number of processes.
        long: Whether every caption fills the context, which is the most that data can ask for.
    """
    patch, data, total = recipe.model.patch_size, recipe.data, recipe.optimiser.batch_size
    tokenizer = Tokenizer(recipe.model.merges, recipe.model.context_length)
    corpus = TypicalCorpus(total, patch, tokenizer, data.questions, data.foils, long)
    tiny = recipe.model_copy(
        update={
            "model": recipe.model.model_copy(update={"image_size": patch}),
            "data": data.model_copy(update={"local_size": patch, "redraw": 0.0, "jitter": 0.0}),
        }
    )  # texts are drawn and framed as in training; pictures, which take longest, are left out
    batch = Batches(corpus, tokenizer, tiny, rank=0, world=processes).at(0)
    return replace(batch, images=_empty_images(len(batch), recipe))


def _empty_images(count: int, recipe: Recipe) -> Images:
    side, local, data = recipe.model.image_size, recipe.data.local_size, recipe.data
    pictures = torch.empty(count, side, side, 3, dtype=torch.uint8)
    jitter = colour_maps(data.jitter, np.zeros((count, data.locals, CHANGES))) if data.jitter else None
    if data.redraw:  # where the model is, the pictures of other backgrounds are made and cut
        first, local_boxes = (torch.zeros(count, crops, 4) for crops in (data.globals, data.locals))
        foregrounds = [Foreground(torch.zeros(side, side, dtype=torch.uint8), 0)] * count
        redrawing = Redrawing.drawn(foregrounds, data.redraw, np.zeros((count, data.locals, 2)))
        return DrawnImages(pictures, first, local_boxes, local, redrawing, jitter)
    return CutImages(
        squares=pictures,
        global_crops=torch.empty(count, data.globals, side, side, 3, dtype=torch.uint8),
        local_crops=torch.empty(count, data.locals, local, local, 3, dtype=torch.uint8),
        jitter=jitter,
    )
