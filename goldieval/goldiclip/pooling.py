"""Text-conditioned attention pooling: a text is the query, the patches of an image are keys and values (FLAIR, 1.2).

Queries are projected once for each text, keys and values once for each image; scoring in tiles reuses both.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

from goldieval.goldiclip.attention import attention, joined_heads
from goldieval.goldiclip.objectives.blocks import recomputed, rows_within


class KeysValues(NamedTuple):
    """Projected keys and values of images.

    Attributes:
        keys: Shape (images, heads, patches, head width).
        values: Shape (images, heads, patches, head width).
    """

    keys: torch.Tensor
    values: torch.Tensor


class TextConditionedPool(nn.Module):
    """Multi-head attention of text queries over patches and a null slot, so that unrelated text may attend to nothing.

    The null slot is a zero key with a zero value. There is no residual, so no text leaks into the pooled feature.
    """

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.dim, self.heads = dim, heads
        self.ln_q, self.ln_k, self.ln_v = nn.LayerNorm(dim), nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.query, self.key, self.value = nn.Linear(dim, dim), nn.Linear(dim, dim), nn.Linear(dim, dim)
        self.out = nn.Linear(dim, dim)
        for layer in (self.query, self.key, self.value):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)
        nn.init.zeros_(self.out.bias)

    def queries(self, texts: torch.Tensor) -> torch.Tensor:
        """Project text features to queries.

        Args:
            texts: Shape (..., dim), not normalised: the LayerNorm's epsilon would change the result.

        Returns:
            Shape (..., heads, head width).
        """
        projected: torch.Tensor = self.query(self.ln_q(texts))
        return projected.view(*projected.shape[:-1], self.heads, -1)

    def keys_values(self, patches: torch.Tensor) -> KeysValues:
        """Project patch features (images, patches, dim) to keys and values."""
        shape = (*patches.shape[:2], self.heads, -1)
        keys = self.key(self.ln_k(patches)).view(shape).transpose(1, 2)
        values = self.value(self.ln_v(patches)).view(shape).transpose(1, 2)
        return KeysValues(keys, values)

    def attend(self, queries: torch.Tensor, memory: KeysValues) -> torch.Tensor:
        """Pool each image for its texts.

        Args:
            queries: Shape (images, texts, heads, head width).
            memory: Keys and values of the same images.

        Returns:
            Shape (images, texts, dim).
        """
        keys, values = F.pad(memory.keys, (0, 0, 0, 1)), F.pad(memory.values, (0, 0, 0, 1))
        mixed: torch.Tensor = self.out(joined_heads(attention(queries.transpose(1, 2), keys, values)))
        return mixed

    def forward(self, texts: torch.Tensor, patches: torch.Tensor) -> torch.Tensor:
        """Pool patches (images, patches, dim) for texts (images, texts, dim); return (images, texts, dim)."""
        return self.attend(self.queries(texts), self.keys_values(patches))

    def attention(self, texts: torch.Tensor, patches: torch.Tensor) -> torch.Tensor:
        """Return the attention weights (images, heads, texts, patches + 1); the last column is the null slot."""
        queries, (keys, _) = self.queries(texts).transpose(1, 2), self.keys_values(patches)
        logits = queries @ F.pad(keys, (0, 0, 0, 1)).transpose(-1, -2) * keys.shape[-1] ** -0.5
        weights: torch.Tensor = logits.softmax(-1)
        return weights


def pooled_views(pool: TextConditionedPool, texts: torch.Tensor, patches: torch.Tensor) -> torch.Tensor:
    """Pool views of images for texts of the images, without keeping keys and values for the backward pass.

    Args:
        pool: Text-conditioned pooling.
        texts: Text features, not normalised, shape (b, texts, d); they are projected once for all views of an image.
        patches: Patch features of the views, one image after another, shape (b * views, patches, d).

    Returns:
        Shape (b * views, texts, d).
    """
    queries = pool.queries(texts).repeat_interleave(len(patches) // len(texts), dim=0)

    def pooled(queries: torch.Tensor, patches: torch.Tensor) -> torch.Tensor:
        return pool.attend(queries, pool.keys_values(patches))

    return recomputed(pooled, (queries, patches), block=rows_within(4 * 8 * patches[0].numel()))
