"""Colours without training: ``colours``. A picture is its mean colour, a text the mean of the colours that it names."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image

import goldieval

COLOURS = {"red": (1, 0, 0), "green": (0, 1, 0), "blue": (0, 0, 1), "yellow": (1, 1, 0), "purple": (1, 0, 1)}
GREY = (0.5, 0.5, 0.5)


class MeanColour(torch.nn.Module):
    """Any module with these two methods will do."""

    def __init__(self) -> None:
        super().__init__()
        self.table = torch.nn.Parameter(torch.tensor([GREY, *COLOURS.values()], dtype=torch.float32))

    def encode_image(self, pixels: torch.Tensor) -> torch.Tensor:
        return pixels.mean(dim=(2, 3)) + 1e-3

    def encode_text(self, tokens: torch.Tensor) -> torch.Tensor:
        return self.table[tokens].mean(dim=1)


def preprocess(image: Image.Image) -> torch.Tensor:
    pixels = np.asarray(image.convert("RGB").resize((32, 32)), dtype=np.float32) / 255
    return torch.from_numpy(pixels.transpose(2, 0, 1).copy())


def tokenize(texts: list[str]) -> torch.Tensor:
    names = list(COLOURS)
    return torch.tensor(
        [
            [1 + names.index(word) if word in names else 0 for word in (text.lower().split() + [""] * 32)[:32]]
            for text in texts
        ]
    )


def load(spec, options):
    """Called for ``--model colours``; options say device, precision, and whether the network may be used."""
    module = MeanColour().to(options.device).eval()
    return goldieval.from_module(module, preprocess, tokenize, name=spec.text)
