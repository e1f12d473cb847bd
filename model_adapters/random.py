"""A small untrained CLIP as a chance-level baseline: ``random``, or ``random:SEED``."""

from __future__ import annotations

from goldieval.core.errors import GoldievalError
from goldieval.models.adapter import LoadOptions, Model
from goldieval.models.spec import ModelSpec
from model_adapters.open_clip import seeded
from model_adapters.open_clip_adapter import adapter_of

ARCHITECTURE = {
    "embed_dim": 64,
    "vision_cfg": {"image_size": 64, "layers": 2, "width": 64, "head_width": 32, "patch_size": 16},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 2},
}


def load(spec: ModelSpec, options: LoadOptions) -> Model:
    """Build the model from a seed (0 by default); nothing is read or downloaded."""
    import open_clip
    from open_clip.transform import PreprocessCfg, image_transform_v2

    if spec.where or (spec.name and not spec.name.isdecimal()):
        raise GoldievalError(f"model {spec.text!r}: write random, or random:SEED with an integer.")
    with seeded(int(spec.name or 0)):
        module = open_clip.CLIP(**ARCHITECTURE)
    return adapter_of(
        module.to(options.device),
        image_transform_v2(PreprocessCfg(size=64), is_train=False),
        open_clip.SimpleTokenizer(),
        spec=spec.text,
        family="random",
        precision=options.precision,
        home="shapes",
        notice="untrained: every score should be at chance",
    )
