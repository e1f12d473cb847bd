"""GoldiCLIP-R: two towers, shared projection, text-conditioned pooling, decoder and heads. No loss inside."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import nn

from goldieval.goldiclip.answers import LONGEST_ANSWER, longest_of, next_token_logits
from goldieval.goldiclip.config import ModelConfig
from goldieval.goldiclip.cross_modal import CrossModal, Grouping
from goldieval.goldiclip.decoder import make_decoder
from goldieval.goldiclip.dense import at_least_a_patch
from goldieval.goldiclip.heads import DinoHead, DistillationHead, TokenHead
from goldieval.goldiclip.pooling import TextConditionedPool
from goldieval.goldiclip.towers import TextTower, VisionTower

FEATURE_KINDS = ("agnostic", "conditioned")  # of what is distilled: without a text, and pooled for one
TOKENS_PER_CHECK = 4  # after so many, a device is asked whether all answers have ended


class ImageFeatures(NamedTuple):
    """Features of n images.

    Attributes:
        pooled: Projected class token, shape (n, dim).
        patches: Projected patch tokens, shape (n, patches, dim).
        raw: Patch tokens of the image tower, shape (n, patches, vision width).
    """

    pooled: torch.Tensor
    patches: torch.Tensor
    raw: torch.Tensor


class GoldiClip(nn.Module):
    """The whole model; its config says which parts exist.

    Attributes:
        config: Sizes and parts.
        logit_scale: Logarithm of the scale of the contrastive losses.
        logit_bias: Bias of the sigmoid losses.
    """

    def __init__(
        self,
        config: ModelConfig,
        logit_scale: float = math.log(1 / 0.07),
        logit_bias: float = -10.0,
        conditioned: tuple[float, float] = (math.log(10), 0.0),
    ) -> None:
        """Make a model with random weights.

        Args:
            config: Sizes and parts.
            logit_scale: Start of the logarithm of the scale of the contrastive losses.
            logit_bias: Start of the bias of the sigmoid losses.
            conditioned: Start of the same two for the conditioned sigmoid loss, where it has its own.
        """
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
        if config.conditioned_scale:
            self.conditioned_logit_scale, self.conditioned_logit_bias = (
                nn.Parameter(torch.tensor(start)) for start in conditioned
            )
        self.decoder = make_decoder(config)
        if config.prototypes:
            self.agnostic_head = DinoHead(config.embed_dim, config.prototypes)
            self.conditioned_head = DinoHead(config.embed_dim, config.prototypes)
        if config.token_classes:
            self.token_head = TokenHead(config.vision_width, config.vocab_size, config.token_pooling)
        if config.cross_modal:
            self.cross_modal = CrossModal(config)
        if config.grouping:
            self.grouping = Grouping()
        if config.distillation_head:
            self.distillation_head = nn.ModuleDict(
                {kind: DistillationHead(config.embed_dim, config.distillation_head) for kind in FEATURE_KINDS}
            )

    @property
    def conditioned_logits(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Scale and bias of the conditioned sigmoid loss: its own, or those of the losses of global features."""
        if self.config.conditioned_scale:
            return self.conditioned_logit_scale.exp(), self.conditioned_logit_bias
        return self.logit_scale.exp(), self.logit_bias

    def image_features(self, pixels: torch.Tensor) -> ImageFeatures:
        """Encode images of shape (n, 3, height, width)."""
        start, patches = self.vision(pixels)
        return ImageFeatures(self.image_projection(start), self.image_projection(patches), patches)

    def global_features(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return the global feature (n, dim), not normalised, as ``image_features`` but for rounding, for less work."""
        projected: torch.Tensor = self.image_projection(self.vision.class_tokens(pixels))
        return projected

    def dense(self, pixels: torch.Tensor, attention: str) -> torch.Tensor:
        """Return projected patch tokens of windows of any size.

        Args:
            pixels: Shape (n, 3, height, width).
            attention: Attention of the last block, see ``dense.last_block``.

        Returns:
            Shape (n, rows, columns, dim).
        """
        projected: torch.Tensor = self.image_projection(self.patch_features(pixels, attention))
        return projected

    def patch_features(self, pixels: torch.Tensor, attention: str = "plain") -> torch.Tensor:
        """Return patch tokens of windows of any size, after the final LayerNorm and before the projection.

        Args:
            pixels: Shape (n, 3, height, width).
            attention: Attention of the last block, see ``dense.last_block``.

        Returns:
            Shape (n, rows, columns, width).
        """
        patch = self.config.patch_size
        pixels = at_least_a_patch(pixels, patch)
        height, width = (side // patch for side in pixels.shape[-2:])
        _, tokens = self.vision(pixels[..., : height * patch, : width * patch], attention)
        patches: torch.Tensor = tokens.reshape(len(pixels), height, width, -1)
        return patches

    def encode_image(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return the global feature (n, dim), not normalised."""
        return self.image_features(pixels).pooled

    def encode_text(self, ids: torch.Tensor) -> torch.Tensor:
        """Return text features (n, dim), not normalised, of token ids (n, length) with length up to the context."""
        end, _ = self.text(ids)
        projected: torch.Tensor = self.text_projection(end)
        return projected

    def answer_states(self, question: torch.Tensor, answer: torch.Tensor, features: ImageFeatures) -> torch.Tensor:
        """Return the states from which an answer's next tokens are predicted, shape (n, answer length, text width).

        Args:
            question: Framed ids, shape (n, length), see ``decoder.Decoder``.
            answer: Ids, shape (n, answer length).
            features: Features of n images, or of a number that divides n: then the first n / images questions are about
                the first image, and so on.
        """
        assert self.decoder is not None, "this model has no decoder"
        pooled, states = self._pooled_for(question, features)
        written: torch.Tensor = self.decoder(self.text, question, answer, features.raw, pooled, states)
        return written

    def next_token_logits(self, states: torch.Tensor) -> torch.Tensor:
        """Return logits of the vocabulary for states of an answer, float32: of all, or of those that a loss needs."""
        return next_token_logits(self.text, states)

    def _pooled_for(self, question: torch.Tensor, features: ImageFeatures) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the patches pooled for each question (n, dim) and its token states (n, length, text width)."""
        end, states = self.text(question)
        queries = self.text_projection(end).unflatten(0, (len(features.patches), -1))
        return self.pool(queries, features.patches).flatten(0, 1), states

    @torch.no_grad()
    def generate(self, question: torch.Tensor, features: ImageFeatures, longest: int = LONGEST_ANSWER) -> torch.Tensor:
        """Answer questions by greedy decoding.

        Args:
            question: Framed ids, shape (n, length).
            features: See ``answer_states``.
            longest: Largest number of tokens of an answer.

        Returns:
            Ids of shape (n, up to ``longest``) that stop at, and are padded with, end of text.
        """
        assert self.decoder is not None, "this model has no decoder"
        end, (pooled, states) = self.config.end_of_text, self._pooled_for(question, features)
        answer = torch.full((len(question), 1), end - 1, device=question.device)
        every = 1 if question.device.type == "cpu" else TOKENS_PER_CHECK
        for number in range(1, longest + 1):
            written = self.decoder(self.text, question, answer, features.raw, pooled, states)
            following = self.next_token_logits(written[:, -1]).argmax(-1, keepdim=True)
            ended = (answer[:, 1:] == end).any(1, keepdim=True)
            answer = torch.cat([answer, torch.where(ended, end, following)], dim=1)
            asked = number % every == 0 or number == longest
            if asked and (length := longest_of(answer[:, 1:], end)) <= number:
                break
        return answer[:, 1 : length + 1]
