"""Parts of a recipe that have a scale, a head or a bound of their own: all of them together."""

from __future__ import annotations

from typing import Any

MODEL: dict[str, Any] = {
    "token_classes": True,
    "token_pooling": "patches",
    "distillation_head": 24,
    "conditioned_scale": True,
}
TEACHER: dict[str, Any] = {"loss": "info_nce", "scale": 5.0, "largest_scale": 20.0}
WEIGHTING: dict[str, Any] = {"kind": "uncertainty", "warm_up": 2, "relative": 1.0}
DISTILLATION = {"distil_agnostic": 0.5, "distil_conditioned": 0.5}
OBJECTIVES = {"softmax": 1.0, "conditioned": 2.0, "token_classes": 1.0, **DISTILLATION}
