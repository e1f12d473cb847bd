"""The image and the text tower, made of open_clip's blocks; a change in open_clip concerns this file alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from open_clip.transformer import LayerNorm, Transformer
from torch import nn

from goldieval.goldiclip.blocks import run, run_for_one
from goldieval.goldiclip.config import ModelConfig
from goldieval.goldiclip.dense import last_block, positions_for


def patch_stem(width: int, patch: int) -> nn.Module:
    """Return one linear map per patch, as in ViT."""
    return nn.Conv2d(3, width, patch, patch, bias=False)


def overlapping_stem(width: int, patch: int) -> nn.Module:
    """Return one linear map of each patch with half a patch around it (as in PVT v2, arXiv 2106.13797)."""
    return nn.Conv2d(3, width, 2 * patch, patch, padding=patch // 2, bias=False)


_STEMS: dict[str, Callable[[int, int], nn.Module]] = {"patch": patch_stem, "overlap": overlapping_stem}


class VisionTower(nn.Module):
    """A ViT with class token; the final LayerNorm is applied to all tokens, as in FLAIR."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        width, self.patch = config.vision_width, config.patch_size
        self.side = config.image_size // config.patch_size
        self.patches = _STEMS[config.stem](width, self.patch)
        self.class_token = nn.Parameter(width**-0.5 * torch.randn(width))
        self.positions = nn.Parameter(width**-0.5 * torch.randn(self.side**2 + 1, width))
        self.ln_pre, self.ln_post = LayerNorm(width), LayerNorm(width)
        self.transformer = Transformer(width, config.vision_layers, config.vision_heads)

    def forward(self, pixels: torch.Tensor, attention: str = "plain") -> tuple[torch.Tensor, torch.Tensor]:
        """Encode images.

        Args:
            pixels: Shape (n, 3, height, width), multiples of the patch size.
            attention: Attention of the last block, see ``dense.last_block``.

        Returns:
            The class token (n, width) and the patch tokens (n, patches, width).
        """
        hidden = self._embed(pixels)
        blocks = self.transformer.resblocks
        if attention == "plain":
            hidden = run(blocks, hidden, causal=False)
        else:
            hidden = last_block(blocks[-1], run(blocks[:-1], hidden, causal=False), attention)
        tokens = self.ln_post(hidden)
        return tokens[:, 0], tokens[:, 1:]

    def class_tokens(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return the class token (n, width) alone, as ``forward`` but for rounding, for less work."""
        hidden = self._embed(pixels)
        first = torch.zeros(len(hidden), dtype=torch.long, device=hidden.device)
        tokens: torch.Tensor = self.ln_post(run_for_one(self.transformer.resblocks, hidden, first, causal=False))
        return tokens

    def _embed(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return class token and patches before the first block, shape (n, 1 + patches, width)."""
        grid = self.patches(pixels)
        tokens = grid.flatten(2).transpose(1, 2)
        start = self.class_token.to(tokens.dtype).expand(len(tokens), 1, -1)
        tokens = torch.cat([start, tokens], dim=1) + self._positions(*grid.shape[-2:]).to(tokens.dtype)
        hidden: torch.Tensor = self.ln_pre(tokens)
        return hidden

    def _positions(self, rows: int, columns: int) -> torch.Tensor:
        """Return position embeddings for a grid; those of the model's own size are not interpolated."""
        return positions_for(self.positions, self.side, rows, columns)


class TextTower(nn.Module):
    """CLIP's causal text transformer. Token ids end with one end of text; zeros after it are padding.

    Because it is causal and pooled at the end of text, removing the padding that a batch shares is exact.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        width = config.text_width
        self.end_of_text, self.context_length = config.end_of_text, config.context_length
        self.embedding = nn.Embedding(config.vocab_size, width)
        self.positions = nn.Parameter(0.01 * torch.randn(config.context_length, width))
        self.transformer = Transformer(width, config.text_layers, config.text_heads)
        self.ln_final = LayerNorm(width)
        nn.init.normal_(self.embedding.weight, std=0.02)
        _scaled_init(self.transformer)

    @property
    def blocks(self) -> nn.ModuleList:
        blocks: nn.ModuleList = self.transformer.resblocks
        return blocks

    def embed(self, ids: torch.Tensor) -> torch.Tensor:
        """Return token plus position embeddings, shape (n, length, width)."""
        hidden: torch.Tensor = self.embedding(ids) + self.positions[: ids.shape[1]]
        return hidden

    def embed_groups(self, groups: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """Return what ``embed`` returns for each of several groups of ids (n, length), looked up all at once.

        The gradient of each lookup has the size of the vocabulary.
        """
        tokens = self.embedding(torch.cat([ids.flatten() for ids in groups])).split([ids.numel() for ids in groups])
        return [
            own.view(*ids.shape, -1) + self.positions[: ids.shape[1]] for own, ids in zip(tokens, groups, strict=True)
        ]

    def forward(self, ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Encode token ids of shape (n, length), with length up to the context.

        Returns:
            The state of the end of text (n, width) and of all tokens (n, length, width).
        """
        hidden = self.ln_final(run(self.blocks, self.embed(ids), causal=True))
        return hidden[torch.arange(len(ids), device=ids.device), self.end_of(ids)], hidden

    def ends(self, embedded: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
        """Return the states of the ends of text (n, width) alone, as ``forward`` but for rounding, for less work.

        Args:
            embedded: Texts as ``embed`` returns them, shape (n, length, width).
            places: Index of each row's end of text, shape (n,).
        """
        states: torch.Tensor = self.ln_final(run_for_one(self.blocks, embedded, places, causal=True))
        return states

    def end_of(self, ids: torch.Tensor) -> torch.Tensor:
        """Return the index of each row's first end of text, shape (n,), found by its id and not as the largest."""
        return (ids == self.end_of_text).int().argmax(dim=1)


def _scaled_init(transformer: Transformer) -> None:
    """Initialise as CLIP does: residual branches are scaled down with depth."""
    width, layers = transformer.width, transformer.layers
    for block in transformer.resblocks:
        nn.init.normal_(block.attn.in_proj_weight, std=width**-0.5)
        nn.init.normal_(block.attn.out_proj.weight, std=width**-0.5 * (2 * layers) ** -0.5)
        nn.init.normal_(block.mlp.c_fc.weight, std=(2 * width) ** -0.5)
        nn.init.normal_(block.mlp.c_proj.weight, std=width**-0.5 * (2 * layers) ** -0.5)
