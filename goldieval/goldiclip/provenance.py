"""What a checkpoint says of the data that it was trained on, with those of the checkpoints that it started from."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

from goldieval.goldiclip.checkpoint import CheckpointInfo
from goldieval.goldiclip.data.addresses import shown
from goldieval.goldiclip.recipe import Recipe
from goldieval.goldiclip.recipe_data import DataSettings

DRAWN_SCENES = "drawn scenes"
UNNAMED = "images that its first checkpoint does not name"


def checkpoint_info(
    recipe: Recipe, images_seen: int, unique_images: int, trained_on_before: tuple[str, ...] = ()
) -> CheckpointInfo:
    """Return what a checkpoint of a run says of itself.

    Args:
        recipe: Recipe of the run.
        images_seen: Images seen, with those of the checkpoint that the run started from.
        unique_images: Images of the run's own corpus.
        trained_on_before: Names of the corpora of the checkpoint that the run started from.
    """
    trained_on = (*trained_on_before, corpus_name(recipe.data, unique_images))
    return CheckpointInfo(
        config=recipe.model,
        recipe=recipe.name,
        images_seen=images_seen,
        unique_images=unique_images,
        seed=recipe.seed,
        scoring=recipe.scoring,
        home=home_of(trained_on),
        notice=recipe.title,
        pools=recipe.pools,
        method=recipe.method,
        trained_on=trained_on,
    )


def corpus_name(data: DataSettings, images: int) -> str:
    """Return the name of a corpus in a checkpoint, such as ``1,200 images of pets``."""
    return DRAWN_SCENES if data.source == "shapes" else f"{images:,} images of {_place(data)}"


def _place(data: DataSettings) -> str:
    return shown(data.path).rpartition("/")[2] if data.is_stream else Path(data.path).resolve().name


def training_history(info: CheckpointInfo | None) -> tuple[str, ...]:
    """Return the names of the corpora that a checkpoint was trained on, in order; none without a checkpoint."""
    if info is None:
        return ()
    if info.trained_on:
        return tuple(info.trained_on)
    return (DRAWN_SCENES if info.home else UNNAMED,)  # older checkpoints do not name their corpora


def home_of(trained_on: tuple[str, ...]) -> str:
    """Return the built-in world that all of the training data came from, or an empty string."""
    return "shapes" if set(trained_on) == {DRAWN_SCENES} else ""


def training_sentence(trained_on: tuple[str, ...]) -> str:
    """Return the training data in words, or an empty string where they are not known.

    >>> training_sentence(("drawn scenes", "drawn scenes", "1,200 images of pets"))
    'trained on drawn scenes, then on 1,200 images of pets'
    """
    corpora = [corpus for corpus, _ in groupby(trained_on)]
    return f"trained on {', then on '.join(corpora)}" if corpora else ""
