"""FLAIR's released weights: ``flair:flair-merged30m``, ``flair:OWNER/REPO/FILE@REVISION``, ``flair@FILE``.

Scores are text-conditioned by default, as in the paper; the alternatives are ``--scoring global`` and ``shortlist:K``.
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
from model_adapters.fill import fill
from model_adapters.layout import adapter, clip_of, only_model
from model_adapters.locate import locate
from model_adapters.pool_weights import pool_weights
from model_adapters.tensors import read
from model_adapters.with_options import OPTIONS

POOL = "visual_proj."
POOL_HEADS = 8  # for any width; it cannot be derived from the tensors
PROJECTIONS = {"image_post.proj": "visual.proj", "text_post.proj": "text_projection"}


@notes_reads
@accepts_options(*(name for name in OPTIONS if name != "pooling"), "drop")
def load(spec: ModelSpec, options: LoadOptions) -> Model:
    """Load a checkpoint in the layout of FLAIR's released code, of any size.

    Raises:
        GoldievalError: The file or name does not exist, or its layout differs.
    """
    import torch

    from goldieval.models.torch_adapter import TorchAdapter

    class Flair(TorchAdapter):
        """Adds the members that text-conditioned scoring requires."""

        scoring = "conditioned"

        def patch_tokens(self, pixels: torch.Tensor) -> torch.Tensor:
            """Apply the final LayerNorm and the same projection as for the class token."""
            visual: Any = self.module.visual
            with self._autocast():
                hidden = visual.transformer(visual._embeds(upload(pixels, self.device)))
                patches: torch.Tensor = visual._pool(hidden)[1] @ visual.proj
            return patches

        @property
        def pool(self) -> Any:
            return self.module.pool

    stored = read(locate(spec, spec.name, options))
    found, source = only_model(stored, spec)
    state = {PROJECTIONS.get(name, name): tensor for name, tensor in found.items()}
    pooling = {name.removeprefix(POOL): state.pop(name) for name in list(state) if name.startswith(POOL)}
    if not pooling or "text_projection" not in state:
        raise GoldievalError(f"{stored.file} is not a FLAIR checkpoint: it has no {POOL}… or no text_post.proj.")
    clip = clip_of(state, stored, source, also=len(pooling))
    heads = int(stored.config.get("pool_heads", POOL_HEADS))
    clip.module.pool = pool_of(pooling, state["visual.proj"].shape[1], heads, stored.file)
    return adapter(replace(clip, attached=("pool",)), spec, options, kind=Flair)


def pool_of(state: dict[str, Any], dim: int, heads: int, file: Path) -> Any:
    """Return our pooling with the weights of torch's attention and of the LayerNorms before it."""
    from goldieval.goldiclip.pooling import TextConditionedPool

    ours = {name: tensor for name, tensor in state.items() if name.startswith("ln_")}
    ours |= pool_weights(state, dim, heads, file)
    pool = TextConditionedPool(dim, heads)
    fill(pool, ours, [], file, "FLAIR's pooling")
    return pool
