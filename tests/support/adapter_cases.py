"""What the tests of models in several files share: adapters, checkpoint refusals, named weights, embeddings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from helpers import one_line

from goldieval import load_model
from goldieval.core.errors import GoldievalError

TINY: dict[str, Any] = {
    "embed_dim": 32,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 32, "head_width": 16, "patch_size": 16},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2},
}


SIGLIP_TEXT = TINY["text_cfg"] | {"no_causal_mask": True, "pool_type": "last"}


ARCHITECTURES = {
    "TINY": TINY,
    "TINY-custom": TINY | {"custom_text": True},
    "TINY-quickgelu": TINY | {"quick_gelu": True},
    "TINY-attends-to-padding": TINY | {"custom_text": True, "text_cfg": SIGLIP_TEXT},
    "TINY-wide": TINY | {"embed_dim": 48},
}


def refused(spec: str, **options: Any) -> str:
    """Return the error line with which a model is refused."""
    with pytest.raises(GoldievalError) as caught:
        load_model(spec, **options)
    return one_line(str(caught.value))


class Evil:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.marker,)
