"""The smallest recipe that trains, evaluates and stops."""

from __future__ import annotations

from typing import Any

RECIPE: dict[str, Any] = {
    "name": "mine",
    "title": "a test",
    "model": {
        **{"image_size": 32, "vision_width": 32, "vision_layers": 1, "vision_heads": 2, "merges": 300},
        **{"text_width": 32, "text_layers": 1, "text_heads": 2, "embed_dim": 32},
    },
    "data": {"scenes": 40, "captions": 1},
    "objectives": {"softmax": 1.0},
    "optimiser": {"steps": 4, "batch_size": 8, "warm_up": 1},
    "evaluation": {"every": 2, "tasks": ["shapes-zeroshot", "shapes-vqa"], "limit": 12},
    "seed": 3,
}
