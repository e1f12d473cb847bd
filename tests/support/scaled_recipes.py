"""Shipped recipes at a size at which a step takes a fraction of a second: all of them but for sizes."""

from __future__ import annotations

from typing import Any

from goldieval.goldiclip.data.shapes import ShapesCorpus, shapes_corpus
from goldieval.goldiclip.recipe import Recipe
from goldieval.goldiclip.recipe_files import load_recipe
from goldieval.goldiclip.tokenizer import Tokenizer

IMAGES, SIDE, MERGES = 32, 32, 300
TOWERS = {
    **{"image_size": SIDE, "patch_size": 8, "embed_dim": 32, "pool_heads": 2, "merges": MERGES},
    **{f"{tower}_{part}": value for tower in ("vision", "text") for part, value in {"width": 32, "heads": 2}.items()},
}


def scaled(name: str, layers: int = 1, batch_size: int = 4, steps: int = 2, **parts: dict[str, Any]) -> Recipe:
    """Return a shipped recipe at a tiny size, on the drawn world.

    Args:
        name: Name of the recipe.
        layers: Blocks of each tower.
        batch_size: Images per step.
        steps: Number of steps.
        parts: Changes of parts of the recipe, for example ``execution={"micro_batches": 2}``.
    """
    content = load_recipe(name).model_dump()
    model, data = content["model"], content["data"]
    model |= TOWERS | {"vision_layers": layers, "text_layers": layers, "decoder_layers": layers}
    model["prototypes"] = min(16, model["prototypes"])
    data |= {"source": "shapes", "path": "", "fields": (), "scenes": IMAGES, "workers": 0}
    data["captions"] = min(3, data["captions"])
    data["single_sentences"] = min(data["single_sentences"], data["captions"])
    data |= {"locals": min(2, data["locals"]), "local_size": 16}
    content["optimiser"] |= {"steps": steps, "batch_size": batch_size, "warm_up": 0}
    content |= {"init": "", "warm_start": None, "evaluation": {}, "save_every": 1}
    changed = {key: content[key] | changes for key, changes in parts.items()}
    return Recipe.model_validate(content | changed)


def scaled_corpus() -> ShapesCorpus:
    """Return the images that scaled recipes train on."""
    return shapes_corpus(IMAGES, SIDE, Tokenizer(MERGES, 77), foregrounds=True)
