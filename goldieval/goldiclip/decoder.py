"""Two readings of the paper's "encoder-integrated decoder"; which of them, if any, is the paper's we do not know.

``through_encoder``: the unchanged text tower encodes the question, and a small causal decoder writes the answer from
its token states, the patches and the pooled vector. The retrieval query itself receives the gradient of question
answering.

``in_encoder``: the text tower's own causal blocks write the answer; the upper ones have a cross-attention to the image
that encoding does not run.

There may be several questions about an image: its patches are projected once for all of them.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import torch
import torch.nn.functional as F
from open_clip.transformer import LayerNorm
from torch import nn

from goldieval.goldiclip.answers import joined_sequence
from goldieval.goldiclip.attention import attention, by_head, joined_heads, keys_values_of, queries_of
from goldieval.goldiclip.blocks import attend, kept_as_set, run, transform
from goldieval.goldiclip.config import ModelConfig
from goldieval.goldiclip.towers import TextTower


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
        """Return states from which next tokens are predicted, shape (n, answer length, text width).

        See ``answers.next_token_logits``.

        Args:
            text: Text tower whose encoding of the question, or whose blocks, are used.
            question: Framed ids, shape (n, length).
            answer: Ids that begin with start of text, shape (n, answer length); position j predicts token j of the
                answer.
            patches: Patch tokens, shape (images, patches, vision width); n / images consecutive questions are about
                each image.
            pooled: Patches pooled for the question, shape (n, dim).
            states: Token states of the question from the text tower, shape (n, length, text width).
        """


class Memory(NamedTuple):
    """What an answer attends to.

    Attributes:
        own: Tokens of its own question, shape (n, others, width).
        patches: Patches of its image, shape (images, patches, width).
        mask: True where an answer may attend, shape (images, 1, questions * answer length, questions * others +
            patches).
    """

    own: torch.Tensor
    patches: torch.Tensor
    mask: torch.Tensor


class CrossAttention(nn.Module):
    """A pre-LN cross-attention sub-layer with its residual; keys and values of an image are computed once."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.ln, self.ln_memory = LayerNorm(width), LayerNorm(width)
        self.attention = nn.MultiheadAttention(width, heads, batch_first=True)

    def forward(self, hidden: torch.Tensor, memory: Memory) -> torch.Tensor:
        """Let answers (n, length, width) attend to their memory; answers about one image are batched along length."""
        weights, images = self.attention, len(memory.patches)
        own, patches = (keys_values_of(weights, self.ln_memory(part)) for part in (memory.own, memory.patches))
        keys_and_values = torch.cat([_by_image(own, images), patches], dim=1)
        queries_in = _by_image(queries_of(weights, self.ln(hidden)), images)
        queries, keys, values = (
            by_head(part, weights.num_heads) for part in (queries_in, *keys_and_values.chunk(2, dim=-1))
        )
        attended: torch.Tensor = weights.out_proj(joined_heads(attention(queries, keys, values, memory.mask)))
        return hidden + attended.view(hidden.shape)


class ImageMemory(nn.Module):
    """Projects patches and the pooled vector to the text's width, beside other tokens of a question."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.patches = nn.Linear(config.vision_width, config.text_width)
        self.pooled = nn.Linear(config.embed_dim, config.text_width)

    def _get_name(self) -> str:
        """Return the name by which a model's fingerprint, and with it every record and embedding, knows this module."""
        return "Sight"

    def forward(
        self, patches: torch.Tensor, pooled: torch.Tensor, states: torch.Tensor, real: torch.Tensor, length: int
    ) -> Memory:
        """Return the memory of answers.

        Args:
            patches: See ``Decoder``.
            pooled: See ``Decoder``.
            states: Token states of the question, shape (n, states, text width).
            real: Shape (n, states), False where a state is padding.
            length: Length of what attends.
        """
        own = torch.cat([states, self.pooled(pooled)[:, None]], dim=1)
        real, questions = F.pad(real, (0, 1), value=True), len(real) // len(patches)
        same = torch.eye(questions, dtype=torch.bool, device=real.device)[None, :, :, None]
        mask = (same & real.view(len(patches), 1, questions, -1)).flatten(2).repeat_interleave(length, dim=1)
        return Memory(own, self.patches(patches), F.pad(mask, (0, patches.shape[1]), value=True)[:, None])


class ThroughEncoder(nn.Module):
    """A separate decoder after the text tower; its token embedding is the tower's."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        from open_clip.transformer import ResidualAttentionBlock

        width, layers = config.text_width, config.decoder_layers
        self.memory = ImageMemory(config)
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
        places = torch.arange(question.shape[1], device=question.device)
        real = places <= text.end_of(question)[:, None]
        memory = self.memory(patches, pooled, states, real, answer.shape[1])
        hidden = text.embedding(answer) + self.positions[: answer.shape[1]]
        for block, cross in zip(self.blocks, self.cross, strict=True):
            hidden = run([block], kept_as_set(block, cross)(hidden, memory), causal=True)
        states_of_answer: torch.Tensor = self.ln_final(hidden)
        return states_of_answer


class InEncoder(nn.Module):
    """The text tower as decoder: question and answer in one causal sequence, cross-attention in the upper blocks."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.memory = ImageMemory(config)
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
        joined, places = joined_sequence(text, question, answer)
        no_states = states[:, :0]
        memory = self.memory(patches, pooled, no_states, no_states[..., 0].bool(), joined.shape[1])
        lower, upper = text.blocks[: -len(self.cross)], text.blocks[-len(self.cross) :]
        hidden = run(lower, text.embed(joined), causal=True)
        for block, cross in zip(upper, self.cross, strict=True):
            hidden = kept_as_set(block, _with_cross)(block, cross, hidden, memory)
        rows = torch.arange(len(hidden), device=hidden.device)[:, None]
        chosen: torch.Tensor = text.ln_final(hidden[rows, places])
        return chosen


def _with_cross(block: nn.Module, cross: CrossAttention, hidden: torch.Tensor, memory: Memory) -> torch.Tensor:
    """Apply a causal block with a cross-attention between its halves."""
    hidden = cross(hidden + attend(block, hidden, causal=True), memory)
    return hidden + transform(block, hidden)


def make_decoder(config: ModelConfig) -> nn.Module | None:
    """Return the decoder that a config names, or None."""
    kinds = {"none": None, "through_encoder": ThroughEncoder, "in_encoder": InEncoder}
    kind = kinds[config.decoder]
    return kind(config) if kind else None


def _by_image(rows: torch.Tensor, images: int) -> torch.Tensor:
    """Reshape (n, length, width) to (images, n / images * length, width)."""
    return rows.reshape(images, -1, rows.shape[-1])
