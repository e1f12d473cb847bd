"""Two readings of the paper's "encoder-integrated decoder"; neither is called the paper's.

through_encoder: the unchanged text tower encodes the question, a small causal decoder reads its token states, the
patches and the pooled vector, and writes the answer; the retrieval query itself gets the question-answering gradient.
in_encoder: the text tower's own causal blocks write the answer; their upper ones gain a cross-attention to the image
that encoding never runs.
"""

from __future__ import annotations

from typing import Protocol

import torch
from open_clip.transformer import LayerNorm
from torch import nn

from goldieval.goldiclip.config import ModelConfig
from goldieval.goldiclip.towers import TextTower, attend, causal_mask, transform


class Decoder(Protocol):
    """Writes an answer to a question about an image."""

    def __call__(
        self,
        text: TextTower,
        question: torch.Tensor,
        answer: torch.Tensor,
        patches: torch.Tensor,
        pooled: torch.Tensor,
        states: torch.Tensor,
    ) -> torch.Tensor:
        """Return next-token logits, shape (n, answer length, vocabulary).

        Args:
            text: the text tower whose question encoding or blocks are used.   question: (n, length) framed ids.
            answer: (n, length) ids that begin with start-of-text; position j predicts the answer's token j.
            patches: (n, patches, vision width).   pooled: (n, dim) patches pooled for the question.
            states: (n, length, text width) the question's token states, as the text tower encodes it.
        """


class CrossAttention(nn.Module):
    """A pre-LN cross-attention sub-layer with its residual, and nothing else."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.ln, self.ln_memory = LayerNorm(width), LayerNorm(width)
        self.attention = nn.MultiheadAttention(width, heads, batch_first=True)

    def forward(self, hidden: torch.Tensor, memory: torch.Tensor, padding: torch.Tensor | None) -> torch.Tensor:
        memory = self.ln_memory(memory)
        seen, _ = self.attention(self.ln(hidden), memory, memory, key_padding_mask=padding, need_weights=False)
        summed: torch.Tensor = hidden + seen
        return summed


class _Memory(nn.Module):
    """Patches and the pooled vector as tokens of the text's width."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.patches = nn.Linear(config.vision_width, config.text_width)
        self.pooled = nn.Linear(config.embed_dim, config.text_width)

    def forward(self, patches: torch.Tensor, pooled: torch.Tensor) -> torch.Tensor:
        return torch.cat([self.patches(patches), self.pooled(pooled)[:, None]], dim=1)


class ThroughEncoder(nn.Module):
    """A decoder of its own behind the text tower; its embedding is the tower's."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        from open_clip.transformer import ResidualAttentionBlock

        width, layers = config.text_width, config.decoder_layers
        self.memory = _Memory(config)
        self.positions = nn.Parameter(0.01 * torch.randn(config.context_length, width))
        self.blocks = nn.ModuleList(ResidualAttentionBlock(width, config.text_heads) for _ in range(layers))
        self.cross = nn.ModuleList(CrossAttention(width, config.text_heads) for _ in range(layers))
        self.ln_final = LayerNorm(width)

    def forward(
        self,
        text: TextTower,
        question: torch.Tensor,
        answer: torch.Tensor,
        patches: torch.Tensor,
        pooled: torch.Tensor,
        states: torch.Tensor,
    ) -> torch.Tensor:
        image = self.memory(patches, pooled)
        memory = torch.cat([states, image], dim=1)
        padding = torch.zeros(memory.shape[:2], dtype=torch.bool, device=memory.device)
        padding[:, : question.shape[1]] = _behind(question, text.end_of(question))
        hidden = text.embedding(answer) + self.positions[: answer.shape[1]]
        mask = causal_mask(answer.shape[1], answer.device)
        for block, cross in zip(self.blocks, self.cross, strict=True):
            hidden = block(cross(hidden, memory, padding), attn_mask=mask)
        logits: torch.Tensor = self.ln_final(hidden) @ text.embedding.weight.T
        return logits


class InEncoder(nn.Module):
    """The text tower decodes: question and answer in one causal sequence, cross-attention in its upper blocks."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.memory = _Memory(config)
        self.cross = nn.ModuleList(
            CrossAttention(config.text_width, config.text_heads) for _ in range(config.decoder_layers)
        )

    def forward(
        self,
        text: TextTower,
        question: torch.Tensor,
        answer: torch.Tensor,
        patches: torch.Tensor,
        pooled: torch.Tensor,
        states: torch.Tensor,
    ) -> torch.Tensor:
        end = text.end_of(question)
        places = end[:, None] + torch.arange(answer.shape[1], device=answer.device)
        joined = torch.nn.functional.pad(question, (0, answer.shape[1]))
        joined = joined.scatter(1, places[:, 1:], answer[:, 1:])[:, : text.context_length]
        places = places.clamp(max=joined.shape[1] - 1)
        memory, mask = self.memory(patches, pooled), causal_mask(joined.shape[1], joined.device)
        hidden = text.embed(joined)
        first = len(text.blocks) - len(self.cross)
        for number, block in enumerate(text.blocks):
            hidden = hidden + attend(block, hidden, mask)
            if number >= first:
                hidden = self.cross[number - first](hidden, memory, None)
            hidden = hidden + transform(block, hidden)
        hidden = text.ln_final(hidden)
        chosen = hidden.gather(1, places[:, :, None].expand(-1, -1, hidden.shape[-1]))
        logits: torch.Tensor = chosen @ text.embedding.weight.T
        return logits


def make_decoder(config: ModelConfig) -> nn.Module | None:
    kinds = {"none": None, "through_encoder": ThroughEncoder, "in_encoder": InEncoder}
    kind = kinds[config.decoder]
    return kind(config) if kind else None


def _behind(ids: torch.Tensor, end: torch.Tensor) -> torch.Tensor:
    """True where a position lies behind the end of its text."""
    return torch.arange(ids.shape[1], device=ids.device) > end[:, None]
