"""Opens the training data that a recipe names."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from goldieval.goldiclip.data.corpus import Corpus
from goldieval.goldiclip.data.jsonl import JsonLines
from goldieval.goldiclip.data.shapes import shapes_corpus
from goldieval.goldiclip.data.shards import Shards
from goldieval.goldiclip.recipe import Recipe
from goldieval.goldiclip.tokenizer import Tokenizer

MAX_WORKERS = 8


def corpus_of(recipe: Recipe, tokenizer: Tokenizer, note: Callable[[str], None] = lambda line: None) -> Corpus:
    """Open the training data of a recipe.

    Args:
        recipe: The recipe.
        tokenizer: Turns texts into token ids.
        note: Called with a line where opening takes a while.

    Raises:
        GoldievalError: The data are missing, or a shard is damaged.
    """
    data = recipe.data
    openers: dict[str, Callable[[], Corpus]] = {
        "shapes": lambda: shapes_corpus(data.scenes, recipe.model.image_size, tokenizer, note),
        "jsonl": lambda: JsonLines(Path(data.path), tokenizer, data.fields),
        "shards": lambda: Shards(data.path, tokenizer, data.fields, note),
    }
    return openers[data.source]()


def workers_of(recipe: Recipe, processes: int) -> int:
    """Return the number of data workers of each process: the recipe's, else none for drawn scenes and some for files.

    Args:
        recipe: The recipe.
        processes: Processes of the whole training. Where torchrun tells the number of processes on this machine, which
            share its cores, that number counts.
    """
    if recipe.data.workers is not None:
        return recipe.data.workers
    if recipe.data.source == "shapes":
        return 0
    local_processes = int(os.environ.get("LOCAL_WORLD_SIZE", processes))
    return max(1, min(MAX_WORKERS, (os.cpu_count() or 1) // local_processes - 1))
