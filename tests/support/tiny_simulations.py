"""A recipe with every kind of objective, small enough that a simulated and a measured step take a second."""

from __future__ import annotations

from typing import Any

from goldieval.goldiclip.recipe import Recipe

SIZES: dict[str, Any] = {
    **{"image_size": 32, "patch_size": 8, "vision_width": 64, "vision_layers": 2, "vision_heads": 2, "merges": 300},
    **{"text_width": 64, "text_layers": 2, "text_heads": 2, "embed_dim": 64, "pool_heads": 2, "decoder_layers": 2},
}


def recipe_of(
    batch_size: int = 16, precision: str = "no", data: dict[str, Any] | None = None, **execution: Any
) -> Recipe:
    """Return a recipe that contrasts, pools, distils and decodes.

    Args:
        batch_size: Images of a step.
        precision: Mixed precision.
        data: Changes of how samples are shown.
        execution: How a step is computed.
    """
    objectives = ("sigmoid", "conditioned", "distil_agnostic", "distil_conditioned", "vqa")
    return Recipe.model_validate(
        {
            "name": "simulated",
            "title": "a test",
            "model": {**SIZES, "decoder": "through_encoder"},
            "data": {"scenes": 100, "captions": 3, "locals": 2, "local_size": 16, **(data or {})},
            "objectives": dict.fromkeys(objectives, 1.0),
            "teacher": {"loss": "info_nce"},
            "weighting": {"kind": "uncertainty"},
            "optimiser": {"steps": 4, "batch_size": batch_size, "warm_up": 1, "precision": precision},
            "execution": execution,
        }
    )
