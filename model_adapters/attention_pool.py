"""Beta-CLIP's text-conditioned pooling: attention over patches, and an MLP on what was attended to (its code)."""

from __future__ import annotations

from collections import OrderedDict

import torch
import torch.nn.functional as F
from torch import nn

from goldieval.goldiclip.attention import attention, joined_heads
from goldieval.goldiclip.pooling import KeysValues


class AttentionPool(nn.Module):
    """Multi-head attention of a text over the patches of an image, then a residual MLP.

    Texts and patches are normalised to unit length first. Unlike FLAIR's pooling there is no null slot, and the pooled
    feature is no linear function of what was attended to.

    Attributes:
        null_slot: Whether a text may attend to nothing.
    """

    null_slot = False

    def __init__(self, dim: int, heads: int) -> None:
        from open_clip.transformer import QuickGELU

        super().__init__()
        self.dim, self.heads = dim, heads
        self.query, self.key, self.value = nn.Linear(dim, dim), nn.Linear(dim, dim), nn.Linear(dim, dim)
        self.out, self.ln_2 = nn.Linear(dim, dim), nn.LayerNorm(dim)
        layers = (("c_fc", nn.Linear(dim, 4 * dim)), ("gelu", QuickGELU()), ("c_proj", nn.Linear(4 * dim, dim)))
        self.mlp = nn.Sequential(OrderedDict(layers))

    def queries(self, texts: torch.Tensor) -> torch.Tensor:
        """Project text features (..., dim) to queries, shape (..., heads, head width)."""
        projected: torch.Tensor = self.query(F.normalize(texts, dim=-1))
        return projected.view(*projected.shape[:-1], self.heads, -1)

    def keys_values(self, patches: torch.Tensor) -> KeysValues:
        """Project patch features (images, patches, dim) to keys and values."""
        units, shape = F.normalize(patches, dim=-1), (*patches.shape[:2], self.heads, -1)
        return KeysValues(
            self.key(units).view(shape).transpose(1, 2),
            self.value(units).view(shape).transpose(1, 2),
        )

    def finish(self, attended: torch.Tensor) -> torch.Tensor:
        """Return pooled features of the output of attention, shape (..., dim)."""
        finished: torch.Tensor = attended + self.mlp(self.ln_2(attended))
        return finished

    def forward(self, texts: torch.Tensor, patches: torch.Tensor) -> torch.Tensor:
        """Pool patches (images, patches, dim) for texts (images, texts, dim); return (images, texts, dim)."""
        keys, values = self.keys_values(patches)
        mixed = attention(self.queries(texts).transpose(1, 2), keys, values)
        return self.finish(self.out(joined_heads(mixed)))
