"""Adapters of open_clip modules, with exact text trimming where the text tower allows it."""

from __future__ import annotations

from typing import Any

from goldieval.core.transfers import upload
from goldieval.models.adapter import Model


def adapter_of(module: Any, preprocess: Any, tokenizer: Any, kind: Any = None, **about: Any) -> Model:
    """Wrap an open_clip module, with exact text trimming and dense features if its towers allow them.

    Args:
        module: The module.
        preprocess: Its image transform.
        tokenizer: Its tokenizer.
        kind: Class of the adapter, for families that offer more than ``TorchAdapter``.
        about: Further arguments of ``TorchAdapter``.
    """
    from goldieval.models.torch_adapter import TorchAdapter
    from model_adapters.open_clip_dense import dense, dense_tower, patch_features

    tower, vision = trimmable_tower(module), dense_tower(module)

    class Trimming(TorchAdapter):
        def encode_text(self, tokens: Any) -> Any:
            with self._autocast():
                return encode_any_length(tower, upload(tokens, self.device))

    class WithPatches(TorchAdapter):
        def dense(self, pixels: Any, attention: str) -> Any:
            with self._autocast():
                return dense(vision, upload(pixels, self.device), attention)

        def patch_features(self, pixels: Any) -> Any:
            with self._autocast():
                return patch_features(vision, upload(pixels, self.device))

    bases = [base for base, has in ((Trimming, tower), (WithPatches, vision)) if has is not None]
    wrapped = type("OpenClip", (*bases, kind or TorchAdapter), {})
    made: Model = wrapped(module, preprocess, tokenizer, trims=tower is not None, **about)
    return made


def trimmable_tower(module: Any) -> Any | None:
    """Return the text tower if removing a text's padding cannot change its embedding, else None.

    This holds for a causal mask with end-token pooling, but not for towers that attend to padding (SigLIP).
    """
    from open_clip.transformer import TextTransformer

    tower = getattr(module, "text", module)
    causal = getattr(tower, "attn_mask", None) is not None
    pools_end = getattr(tower, "text_pool_type", getattr(tower, "pool_type", "")) in ("argmax", "eos")
    plain = not isinstance(tower, TextTransformer) or (tower.cls_emb is None and not tower.use_pad_mask)
    return tower if causal and pools_end and plain and hasattr(tower, "token_embedding") else None


def encode_any_length(tower: Any, tokens: Any) -> Any:
    """Encode token ids of any length up to the context; open_clip's own forward accepts only the full context."""
    from open_clip.transformer import text_global_pool

    length = tokens.shape[1]
    dtype = tower.transformer.get_cast_dtype()
    hidden = tower.token_embedding(tokens).to(dtype) + tower.positional_embedding[:length].to(dtype)
    hidden = tower.ln_final(tower.transformer(hidden, attn_mask=tower.attn_mask[:length, :length]))
    pool = getattr(tower, "text_pool_type", None) or tower.pool_type
    end = getattr(tower, "text_eos_id", getattr(tower, "eos_id", None))
    pooled = text_global_pool(hidden, tokens, pool, eos_token_id=end)
    projection = tower.text_projection
    if projection is None:
        return pooled
    return projection(pooled) if callable(projection) else pooled @ projection
