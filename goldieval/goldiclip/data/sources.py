"""The corpus that a recipe names, and how it wants it shown."""

from __future__ import annotations

import os
from collections.abc import Callable
from itertools import groupby
from pathlib import Path

from goldieval.goldiclip.checkpoint import About
from goldieval.goldiclip.data.batches import Views
from goldieval.goldiclip.data.corpus import Corpus
from goldieval.goldiclip.data.jsonl import JsonLines
from goldieval.goldiclip.data.shapes import shapes_corpus
from goldieval.goldiclip.data.shards import Shards
from goldieval.goldiclip.recipe import DataSettings, Recipe
from goldieval.goldiclip.tokenizer import Tokenizer

MOST_WORKERS = 8
DRAWN = "drawn scenes"
UNNAMED = "images that its first checkpoint does not name"


def corpus_of(recipe: Recipe, tokenizer: Tokenizer, note: Callable[[str], None] = lambda line: None) -> Corpus:
    """Open the training data. note: is told when that takes a while.

    Raises:
        GoldievalError: the data are not there, or a shard is damaged.
    """
    data = recipe.data
    openers: dict[str, Callable[[], Corpus]] = {
        "shapes": lambda: shapes_corpus(data.scenes, recipe.model.image_size, tokenizer, note),
        "jsonl": lambda: JsonLines(Path(data.path), tokenizer, data.fields),
        "shards": lambda: Shards(data.path, tokenizer, data.fields, note),
    }
    return openers[data.source]()


def named(data: DataSettings, images: int) -> str:
    """Return what a corpus is called where a checkpoint says what it was trained on."""
    return DRAWN if data.source == "shapes" else f"{images:,} images of {Path(data.path).resolve().name}"


def history(begun: About | None) -> tuple[str, ...]:
    """Return what a checkpoint was trained on, in order; older ones say of drawn scenes alone."""
    if begun is None:
        return ()
    return tuple(begun.trained_on) or (DRAWN if begun.home else UNNAMED,)


def home_of(trained_on: tuple[str, ...]) -> str:
    """Return the built-in world that all of the training data came from, or an empty string."""
    return "shapes" if set(trained_on) == {DRAWN} else ""


def told(trained_on: tuple[str, ...]) -> str:
    """Return what a reader is told of the training data: ``trained on drawn scenes, then on 1,200 images of pets``.

    >>> told(("drawn scenes", "drawn scenes", "1,200 images of pets"))
    'trained on drawn scenes, then on 1,200 images of pets'
    """
    corpora = [corpus for corpus, _ in groupby(trained_on)]
    return f"trained on {', then on '.join(corpora)}" if corpora else ""


def workers_of(recipe: Recipe, processes: int) -> int:
    """Return how many workers a process starts: as the recipe says, else none for drawn scenes and some for files.

    processes: of the whole training; those of this machine, which share its cores, are what torchrun says, if it does.
    """
    if recipe.data.workers is not None:
        return recipe.data.workers
    if recipe.data.source == "shapes":
        return 0
    here = int(os.environ.get("LOCAL_WORLD_SIZE", processes))
    return max(1, min(MOST_WORKERS, (os.cpu_count() or 1) // here - 1))


def views_of(recipe: Recipe) -> Views:
    """Return how the recipe wants a sample shown."""
    data = recipe.data
    return Views(
        captions=data.captions,
        sentences=data.sentences,
        questions=data.questions,
        questions_as_captions=data.questions_as_captions,
        question_captions=data.question_captions,
        single_sentences=data.single_sentences,
        globals_=data.globals,
        locals_=data.locals,
        local_size=data.local_size,
        size=recipe.model.image_size,
        global_area=data.global_area,
        local_area=data.local_area,
        token_targets=data.token_targets,
        foils=data.foils if recipe.foiled else 0,
    )
