"""COSMOS's cross-modal attention (section 2.2): a view asks the tokens of the other modality. Of training alone."""

from __future__ import annotations

import math

import torch
from torch import nn

from goldieval.goldiclip.attention import attention, by_head, joined_heads, keys_values_of, queries_of
from goldieval.goldiclip.config import ModelConfig


class CrossPool(nn.Module):
    """Multi-head attention with one LayerNorm before the query and one before keys and values; no null slot, no MLP."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.attn = nn.MultiheadAttention(dim, heads, batch_first=True)
        self.ln_q, self.ln_k = nn.LayerNorm(dim), nn.LayerNorm(dim)

    def forward(self, asking: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
        """Add to vectors (n, views, dim) what they ask of tokens (n, length, dim) of the same sample."""
        heads = self.attn.num_heads
        queries = by_head(queries_of(self.attn, self.ln_q(asking)), heads)
        keys, values = (by_head(part, heads) for part in keys_values_of(self.attn, self.ln_k(tokens)).chunk(2, dim=-1))
        answered: torch.Tensor = self.attn.out_proj(joined_heads(attention(queries, keys, values)))
        return asking + answered


class CrossModal(nn.Module):
    """Two poolers with the maps of the tokens that they ask, and the scale of the distillation's contrast."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.words = nn.Linear(config.text_width, config.embed_dim)
        self.patches = nn.Linear(config.vision_width, config.embed_dim)
        self.of_words = CrossPool(config.embed_dim, config.pool_heads)
        self.of_patches = CrossPool(config.embed_dim, config.pool_heads)
        self.logit_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))

    def images(self, views: torch.Tensor, words: torch.Tensor) -> torch.Tensor:
        """Image features (n, views, dim) that asked the word states (n, length, text width) of one caption."""
        asked: torch.Tensor = self.of_words(views, self.words(words))
        return asked

    def texts(self, captions: torch.Tensor, patches: torch.Tensor) -> torch.Tensor:
        """Text features (n, captions, dim) that asked the patch tokens (n, patches, vision width) of one crop."""
        asked: torch.Tensor = self.of_patches(captions, self.patches(patches))
        return asked


class Grouping(nn.Module):
    """The scale of DreamLIP's contrast of grouped patches, its own."""

    def __init__(self) -> None:
        super().__init__()
        self.logit_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))
