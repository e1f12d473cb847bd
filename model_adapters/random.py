"""A small untrained CLIP as a chance-level baseline: ``random``, or ``random:SEED``."""

from __future__ import annotations

from functools import partial
from typing import Any

from goldieval.core.errors import GoldievalError
from goldieval.models.adapter import LoadOptions, Model
from goldieval.models.spec import ModelSpec
from goldieval.models.spec_options import accepts_options
from model_adapters.open_clip_build import seeded
from model_adapters.open_clip_sizes import Sizes
from model_adapters.with_options import OPTIONS, PlainModel, with_options

ARCHITECTURE: dict[str, Any] = {
    "embed_dim": 64,
    "vision_cfg": {"image_size": 64, "layers": 2, "width": 64, "head_width": 32, "patch_size": 16},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 2},
}


@accepts_options(*OPTIONS)
def load(spec: ModelSpec, options: LoadOptions) -> Model:
    """Build the model from a seed (0 by default); nothing is read or downloaded."""
    import open_clip

    if spec.where or (spec.name and not spec.name.isdecimal()):
        raise GoldievalError(f"model {spec.text!r}: write random, or random:SEED with an integer.")
    seed = int(spec.name or 0)
    plain = PlainModel(
        _built(seed, Sizes()),
        partial(_built, seed),
        lambda context: open_clip.SimpleTokenizer(context_length=context or ARCHITECTURE["text_cfg"]["context_length"]),
    )
    return with_options(
        plain, spec, options, family="random", home="shapes", notice="untrained: every score should be at chance"
    )


def _built(seed: int, sizes: Sizes) -> Any:
    import open_clip

    vision, text = ARCHITECTURE["vision_cfg"], ARCHITECTURE["text_cfg"]
    vision = vision | {"image_size": sizes.image or vision["image_size"]}
    text = text | {"context_length": sizes.context or text["context_length"]}
    with seeded(seed):
        return open_clip.CLIP(
            **(ARCHITECTURE | {"vision_cfg": vision, "text_cfg": text}), quick_gelu=bool(sizes.quick_gelu)
        )
