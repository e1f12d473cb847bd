"""COSMOS's cross-modal attention (section 2.2), used in training alone: a view attends to the other modality."""

from __future__ import annotations

import math

import torch
from torch import nn

from goldieval.goldiclip.attention import attention, by_head, joined_heads, keys_values_of, queries_of
from goldieval.goldiclip.config import ModelConfig


class CrossPool(nn.Module):
    """Multi-head attention with a LayerNorm for queries and one for keys and values; without null slot and MLP."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.attn = nn.MultiheadAttention(dim, heads, batch_first=True)
        self.ln_q, self.ln_k = nn.LayerNorm(dim), nn.LayerNorm(dim)

    def forward(self, views: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
        """Return views (n, views, dim) plus their attention to tokens (n, length, dim) of the same sample."""
        heads = self.attn.num_heads
        queries = by_head(queries_of(self.attn, self.ln_q(views)), heads)
        keys, values = (by_head(part, heads) for part in keys_values_of(self.attn, self.ln_k(tokens)).chunk(2, dim=-1))
        attended: torch.Tensor = self.attn.out_proj(joined_heads(attention(queries, keys, values)))
        return views + attended


class CrossModal(nn.Module):
    """Cross-modal attention in both directions, and the logit scale of the distillation.

    Attributes:
        words: Projection of word states, text width to dim.
        patches: Projection of patch tokens, vision width to dim.
        of_words: Attention of image features to words.
        of_patches: Attention of text features to patches.
        logit_scale: Logarithm of the scale.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.words = nn.Linear(config.text_width, config.embed_dim)
        self.patches = nn.Linear(config.vision_width, config.embed_dim)
        self.of_words = CrossPool(config.embed_dim, config.pool_heads)
        self.of_patches = CrossPool(config.embed_dim, config.pool_heads)
        self.logit_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))

    def images(self, views: torch.Tensor, words: torch.Tensor) -> torch.Tensor:
        """Let image features attend to the words of one caption.

        Args:
            views: Image features, shape (n, views, dim).
            words: Word states of the text tower, shape (n, length, text width).

        Returns:
            Shape (n, views, dim).
        """
        attended: torch.Tensor = self.of_words(views, self.words(words))
        return attended

    def texts(self, captions: torch.Tensor, patches: torch.Tensor) -> torch.Tensor:
        """Let text features attend to the patches of one crop.

        Args:
            captions: Text features, shape (n, captions, dim).
            patches: Patch tokens of the image tower, shape (n, patches, vision width).

        Returns:
            Shape (n, captions, dim).
        """
        attended: torch.Tensor = self.of_patches(captions, self.patches(patches))
        return attended


class Grouping(nn.Module):
    """The logit scale of DreamLIP's contrast of grouped patches."""

    def __init__(self) -> None:
        super().__init__()
        self.logit_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))
