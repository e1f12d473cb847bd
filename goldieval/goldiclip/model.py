"""GoldiCLIP-R: two towers, shared projection, text-conditioned pooling, decoder and heads. No loss inside."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import nn

from goldieval.goldiclip.config import ModelConfig
from goldieval.goldiclip.cross_modal import CrossModal, Grouping
from goldieval.goldiclip.decoder import LONGEST_ANSWER, make_decoder
from goldieval.goldiclip.dense import at_least_a_patch
from goldieval.goldiclip.pooling import TextConditionedPool
from goldieval.goldiclip.towers import TextTower, VisionTower


class ImageFeatures(NamedTuple):
    """pooled: (n, dim) projected class token.   patches: (n, patches, dim) projected.   raw: (n, patches, width)."""

    pooled: torch.Tensor
    patches: torch.Tensor
    raw: torch.Tensor


class GoldiClip(nn.Module):
    """The whole model; which parts exist is the config's business."""

    def __init__(self, config: ModelConfig, logit_scale: float = math.log(1 / 0.07), logit_bias: float = -10.0) -> None:
        super().__init__()
        self.config = config
        self.vision, self.text = VisionTower(config), TextTower(config)
        self.image_projection = nn.Linear(config.vision_width, config.embed_dim, bias=False)
        self.text_projection = nn.Linear(config.text_width, config.embed_dim, bias=False)
        nn.init.normal_(self.image_projection.weight, std=config.vision_width**-0.5)
        nn.init.normal_(self.text_projection.weight, std=config.text_width**-0.5)
        self.pool = TextConditionedPool(config.embed_dim, config.pool_heads)
        self.logit_scale = nn.Parameter(torch.tensor(logit_scale))
        self.logit_bias = nn.Parameter(torch.tensor(logit_bias))
        self.decoder = make_decoder(config)
        if config.prototypes:
            self.agnostic_head = DinoHead(config.embed_dim, config.prototypes)
            self.conditioned_head = DinoHead(config.embed_dim, config.prototypes)
        if config.token_classes:
            self.token_head = TokenHead(config.vision_width, config.vocab_size)
        if config.cross_modal:
            self.cross_modal = CrossModal(config)
        if config.grouping:
            self.grouping = Grouping()

    def image_features(self, pixels: torch.Tensor) -> ImageFeatures:
        """Encode pictures (n, 3, height, width)."""
        start, patches = self.vision(pixels)
        return ImageFeatures(self.image_projection(start), self.image_projection(patches), patches)

    def dense(self, pixels: torch.Tensor, correlated: bool) -> torch.Tensor:
        """Project the patches of windows (n, 3, height, width) of any size; return (n, rows, columns, dim)."""
        patch = self.config.patch_size
        pixels = at_least_a_patch(pixels, patch)
        height, width = (side // patch for side in pixels.shape[-2:])
        _, tokens = self.vision(pixels[..., : height * patch, : width * patch], correlated)
        patches: torch.Tensor = self.image_projection(tokens)
        return patches.reshape(len(pixels), height, width, -1)

    def encode_image(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return the global feature (n, dim), not normalised."""
        return self.image_features(pixels).pooled

    def encode_text(self, ids: torch.Tensor) -> torch.Tensor:
        """Return the text feature (n, dim), not normalised, of ids of any length up to the context."""
        end, _ = self.text(ids)
        projected: torch.Tensor = self.text_projection(end)
        return projected

    def answer_logits(self, question: torch.Tensor, answer: torch.Tensor, features: ImageFeatures) -> torch.Tensor:
        """Return next-token logits of answers (n, length, vocabulary).

        Args:
            question, answer: (n, length), see ``decoder.Decoder``.   features: of n images, or of fewer that divide n:
                then the first n / images questions are asked about the first image, and so on.
        """
        assert self.decoder is not None, "this model has no decoder"
        logits: torch.Tensor = self.decoder(self.text, question, answer, features.raw, *self._asked(question, features))
        return logits

    def _asked(self, question: torch.Tensor, features: ImageFeatures) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the patches pooled for each question (n, dim) and its token states (n, length, text width)."""
        end, states = self.text(question)
        asked = self.text_projection(end).unflatten(0, (len(features.patches), -1))
        return self.pool(asked, features.patches).flatten(0, 1), states

    @torch.no_grad()
    def generate(self, question: torch.Tensor, features: ImageFeatures, longest: int = LONGEST_ANSWER) -> torch.Tensor:
        """Answer greedily; return ids (n, up to ``longest``) that stop at, and are padded with, end-of-text."""
        assert self.decoder is not None, "this model has no decoder"
        end, asked = self.config.end_of_text, self._asked(question, features)
        answer = torch.full((len(question), 1), end - 1, device=question.device)
        for _ in range(longest):
            logits = self.decoder(self.text, question, answer, features.raw, *asked)
            following = logits[:, -1].argmax(-1, keepdim=True)
            ended = (answer[:, 1:] == end).any(1, keepdim=True)
            answer = torch.cat([answer, torch.where(ended, end, following)], dim=1)
            if bool((answer[:, 1:] == end).any(1).all()):
                break
        return answer[:, 1:]


class DinoHead(nn.Module):
    """MLP, unit-norm bottleneck, unit-norm prototypes (DINO); logits (…, prototypes)."""

    def __init__(self, dim: int, prototypes: int, hidden: int = 256, bottleneck: int = 64) -> None:
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(dim, hidden), nn.GELU(), nn.Linear(hidden, bottleneck))
        self.prototypes = nn.Parameter(torch.randn(prototypes, bottleneck))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        unit = nn.functional.normalize(self.mlp(features).float(), dim=-1)
        with torch.autocast(features.device.type, enabled=False):
            return unit @ nn.functional.normalize(self.prototypes.float(), dim=-1).T


class TokenHead(nn.Module):
    """SuperCLIP's head: mean of the patch tokens, LayerNorm, one logit a token of the vocabulary (section 3.1)."""

    def __init__(self, width: int, vocab_size: int) -> None:
        super().__init__()
        self.ln, self.classes = nn.LayerNorm(width), nn.Linear(width, vocab_size)
        nn.init.normal_(self.classes.weight, std=width**-0.5)
        nn.init.zeros_(self.classes.bias)

    def forward(self, patches: torch.Tensor) -> torch.Tensor:
        """(n, patches, width) to (n, vocabulary)."""
        logits: torch.Tensor = self.classes(self.ln(patches.mean(1)))
        return logits
