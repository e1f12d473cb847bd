"""Beta-CLIP's released weights: ``betaclip@FILE``.

Its scores are cosines of the class token by default. ``--scoring conditioned`` pools the patches of every image for
every text: each patch of the last block receives only its own value, as in training. The published text-conditioned
retrieval pools each image for its own caption only, which shows the answer to the model; it is not offered here.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from goldieval.core.errors import GoldievalError
from goldieval.core.reads import notes_reads
from goldieval.core.transfers import upload
from goldieval.models.adapter import LoadOptions, Model
from goldieval.models.spec import ModelSpec
from goldieval.models.spec_options import accepts_options
from model_adapters.clip_names import TIMM, renamed, stretched
from model_adapters.fgclip import KEPT
from model_adapters.fill import fill
from model_adapters.layout import adapter, clip_of, only_model
from model_adapters.layout_sizes import State
from model_adapters.locate import locate
from model_adapters.pool_weights import pool_weights
from model_adapters.tensors import read
from model_adapters.with_options import OPTIONS

FIRST = "visual.patch_embed.proj.weight"
POOL, POOL_HEADS = "text_conditioned_patches_block.", 8  # for any width; it cannot be derived from the tensors
TRAINING = "logit_scale_tci_diversity"
NEEDED = ("visual.pos_embed", "visual.cls_token", "image_projection", "positional_embedding")


@notes_reads
@accepts_options(*(name for name in OPTIONS if name != "pooling"), "drop")
def load(spec: ModelSpec, options: LoadOptions) -> Model:
    """Load a checkpoint in the layout of beta-CLIP's released code, of any size.

    Raises:
        GoldievalError: The file does not exist, or its layout differs.
    """
    import torch

    from goldieval.models.torch_adapter import TorchAdapter

    class BetaClip(TorchAdapter):
        """Adds the members that text-conditioned scoring requires."""

        def patch_tokens(self, pixels: torch.Tensor) -> torch.Tensor:
            """Return patches of a last block without attention, after the final LayerNorm and the projection."""
            from model_adapters.open_clip_dense import dense

            with self._autocast():
                return dense(self.module.visual, upload(pixels, self.device), "value").flatten(1, 2)

        @property
        def pool(self) -> Any:
            return self.module.pool

    stored = read(locate(spec, spec.name, options))
    found, source = only_model(stored, spec, first=FIRST)
    pooling = {name.removeprefix(POOL): found.pop(name) for name in list(found) if name.startswith(POOL)}
    state = state_of(found, stored.file)
    stored = replace(stored, config={**stored.config, "quick_gelu": True})
    clip = clip_of(state, stored, source, also=len(pooling))
    clip.module.pool = pool_of(pooling, state["visual.proj"].shape[1], stored.file)
    return adapter(replace(clip, attached=("pool",)), spec, options, kind=BetaClip)


def state_of(found: State, file: Path) -> State:
    """Return the tensors of both towers by the names of CLIP.

    Raises:
        GoldievalError: One that the layout has is missing.
    """
    if missing := [name for name in NEEDED if name not in found]:
        raise GoldievalError(f"{file} is not a beta-CLIP checkpoint: it has no {missing[0]}.")
    own = {name: tensor for name, tensor in found.items() if not name.startswith(TRAINING)}
    own["visual.pos_embed"] = own["visual.pos_embed"].flatten(0, -2)
    own["visual.cls_token"] = own["visual.cls_token"].flatten()
    own["visual.proj"] = own.pop("image_projection")
    rest = own.pop("positional_embedding_res", None)
    if rest is not None:
        own["positional_embedding"] = stretched(own["positional_embedding"], rest, KEPT)
    return renamed(own, TIMM, file)


def pool_of(state: State, dim: int, file: Path) -> Any:
    """Return the pooling with its weights.

    Raises:
        GoldievalError: The file has no pooling, or one with LayerNorms before it, or a tensor is missing.
    """
    from model_adapters.attention_pool import AttentionPool

    if not state:
        raise GoldievalError(
            f"{file} has no {POOL}…: it was trained without text-conditioned pooling, and is a CLIP in timm's layout."
        )
    ours = {name: tensor for name, tensor in state.items() if name != "logit_scale" and not name.startswith("attn.")}
    ours |= pool_weights(state, dim, POOL_HEADS, file)
    pool = AttentionPool(dim, POOL_HEADS)
    fill(pool, ours, [], file, "beta-CLIP's pooling")
    return pool
