"""Operations of a ViT-B/16 with text-conditioned pooling, counted from its layers: nothing is computed, on torch's meta device."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from goldieval.core.yaml_files import read_yaml
from goldieval.goldiclip.config import ModelConfig
from goldieval.goldiclip.model import GoldiClip
from goldieval.goldiclip.recipe_files import SIZES
from goldieval.scoring.conditioned import BLOCKS

CONFIG = ModelConfig.model_validate(read_yaml(SIZES)["b16"])
PATCHES, DIM = (CONFIG.image_size // CONFIG.patch_size) ** 2, CONFIG.embed_dim

# Of one picture-text pair: attention over the patches and the null slot, and the triangular output projection in blocks.
CONDITIONED_FLOP = 4 * (PATCHES + 1) * DIM + DIM * DIM * (BLOCKS + 1) / BLOCKS
COSINE_FLOP = 2 * DIM


@cache
def _model() -> GoldiClip:
    with torch.device("meta"):
        return GoldiClip(CONFIG)


def _counted(work: Callable[[], object]) -> int:
    with (
        FlopCounterMode(display=False) as counter,
        sdpa_kernel(SDPBackend.MATH),
    ):  # torch counts no fused attention here
        work()
    return int(counter.get_total_flops())


@cache
def image_flop() -> int:
    """Return the operations of the image tower for one picture or one window of 224 x 224."""
    side = CONFIG.image_size
    return _counted(lambda: _model().image_features(torch.empty(1, 3, side, side, device="meta")))


@cache
def text_flop(tokens: int) -> int:
    """Return the operations of the text tower for one text of so many tokens."""
    return _counted(lambda: _model().encode_text(torch.empty(1, tokens, dtype=torch.long, device="meta")))
