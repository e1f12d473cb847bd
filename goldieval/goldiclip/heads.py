"""Heads that only training uses: of distillation, of DINO and of token classes."""

from __future__ import annotations

import torch
from torch import nn

from goldieval.goldiclip.config import TokenPooling
from goldieval.goldiclip.precision import in_float32


class DinoHead(nn.Module):
    """DINO's head: MLP, bottleneck of unit norm, prototypes of unit norm; maps (..., dim) to (..., prototypes)."""

    def __init__(self, dim: int, prototypes: int, hidden: int = 256, bottleneck: int = 64) -> None:
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(dim, hidden), nn.GELU(), nn.Linear(hidden, bottleneck))
        self.prototypes = nn.Parameter(torch.randn(prototypes, bottleneck))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        unit = nn.functional.normalize(self.mlp(features).float(), dim=-1)
        with in_float32(unit):
            return unit @ nn.functional.normalize(self.prototypes.float(), dim=-1).T


class DistillationHead(nn.Module):
    """A projection of its own for distillation: what tells crops of one image apart need not be in the features.

    The last layer has no bias, which would give all images something in common.
    """

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.hidden = hidden
        self.mlp = nn.Sequential(nn.Linear(dim, hidden), nn.GELU(), nn.Linear(hidden, dim, bias=False))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Map features (..., dim) to (..., dim)."""
        projected: torch.Tensor = self.mlp(features)
        return projected


class TokenHead(nn.Module):
    """SuperCLIP's head (section 3.1): LayerNorm, one logit per token of the vocabulary, pooled over the patches.

    ``mean`` classifies the mean of the patch tokens, as SuperCLIP does. ``patches`` classifies every patch and adds up
    what they say: the softmax of the pooled logits is the distribution over patches and tokens together, summed over
    the patches. A token is then learned by the patches that show it, and not by all of them.
    """

    def __init__(self, width: int, vocab_size: int, pooling: TokenPooling = "mean") -> None:
        super().__init__()
        self.ln, self.classes, self.pooling = nn.LayerNorm(width), nn.Linear(width, vocab_size), pooling
        nn.init.normal_(self.classes.weight, std=width**-0.5)
        nn.init.zeros_(self.classes.bias)

    def forward(self, patches: torch.Tensor) -> torch.Tensor:
        """Map patch tokens (n, patches, width) to logits (n, vocabulary), float32 also under autocast."""
        return self.logits(self.classified(patches))

    def classified(self, patches: torch.Tensor) -> torch.Tensor:
        """Return what is classified of patch tokens (n, patches, width).

        Returns:
            Their mean in float32, shape (n, width), or with ``patches`` the patch tokens themselves.
        """
        return patches.mean(1, dtype=torch.float32) if self.pooling == "mean" else patches

    def logits(self, classified: torch.Tensor) -> torch.Tensor:
        """Map what ``classified`` returns to logits (n, vocabulary) in float32; rows may be a part of the images."""
        with in_float32(classified):
            logits: torch.Tensor = self.classes(self.ln(classified.float()))
            return logits if self.pooling == "mean" else logits.logsumexp(1)
