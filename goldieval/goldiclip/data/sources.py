"""Opens the training data that a recipe names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from goldieval.core.errors import GoldievalError
from goldieval.goldiclip.agreement import Agreement
from goldieval.goldiclip.data.batches import Batches
from goldieval.goldiclip.data.corpus import Corpus
from goldieval.goldiclip.data.jsonl import JsonLines
from goldieval.goldiclip.data.shapes import ShapesCorpus, shapes_corpus
from goldieval.goldiclip.data.shards import Shards
from goldieval.goldiclip.data.stream.batches import StreamBatches
from goldieval.goldiclip.data.stream.shards import StreamedShards
from goldieval.goldiclip.recipe import Recipe
from goldieval.goldiclip.tokenizer import Tokenizer

AnyCorpus = Corpus | StreamedShards


def corpus_of(recipe: Recipe, tokenizer: Tokenizer, note: Callable[[str], None] = lambda line: None) -> AnyCorpus:
    """Open the training data of a recipe.

    Args:
        recipe: The recipe.
        tokenizer: Turns texts into token ids.
        note: Called with a line where opening takes a while.

    Raises:
        GoldievalError: The data are missing, or none of them can be read.
    """
    data = recipe.data
    openers: dict[str, Callable[[], AnyCorpus]] = {
        "shapes": lambda: _scenes(recipe, tokenizer, note),
        "jsonl": lambda: JsonLines(Path(data.path), tokenizer, data.fields),
        "shards": lambda: Shards(data.path, tokenizer, data.fields, note),
        "stream": lambda: StreamedShards(data.path, data.samples, tokenizer, data.fields, data.shuffle),
    }
    return openers["stream" if data.is_stream else data.source]()


def _scenes(recipe: Recipe, tokenizer: Tokenizer, note: Callable[[str], None]) -> ShapesCorpus:
    data, side = recipe.data, recipe.model.image_size
    return shapes_corpus(data.scenes, side, tokenizer, note, data.first_scene, foregrounds=data.redraw > 0)


def check_same_data(corpus: AnyCorpus, agreement: Agreement) -> None:
    """Refuse to train where the processes, which may be on several machines, have different data; all of them ask.

    Raises:
        GoldievalError: A process has other data than rank 0.
    """
    if differing := agreement.differing(corpus.extent()):
        name, first, other = differing
        but = ", but others" if str(first) == str(other) else ""
        raise GoldievalError(
            f"the training data differ: {agreement.name(0)} has {first}, {name} has {other}{but}. "
            "All processes need the same files."
        )


def batches_of(
    corpus: AnyCorpus, tokenizer: Tokenizer, recipe: Recipe, rank: int, world: int, max_bad_samples: int
) -> Batches | StreamBatches:
    """Return the batches of one process.

    Args:
        corpus: The training data.
        tokenizer: Frames and pads token ids.
        recipe: The recipe.
        rank: This process.
        world: Number of processes.
        max_bad_samples: Bad samples that a batch may meet before it gives up.

    Raises:
        GoldievalError: The data are too few for a batch, or cannot be shared among the processes.
    """
    if isinstance(corpus, StreamedShards):
        return StreamBatches(corpus, tokenizer, recipe, rank, world, max_bad_samples)
    return Batches(corpus, tokenizer, recipe, rank, world, max_bad_samples)


def shards_of_stream(corpus: AnyCorpus) -> int | None:
    """Return the number of shards of a stream, None for other data."""
    return len(corpus.addresses) if isinstance(corpus, StreamedShards) else None
