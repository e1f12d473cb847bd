"""Pictures with boxes, and a dense model whose features a test can compute by itself."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from goldieval.data.box_rows import BoxRow, BoxRows
from goldieval.data.image_source import NoImage
from goldieval.data.samples import Dataset, ImageSample
from goldieval.tasks.card import Task
from goldieval.tasks.card_types import CARD_TYPES

# Saved beside a card as a model: a patch's features are the mean colour of its 8 x 8 pixels, a text's fixed colours.
COLOURS_MODEL = '''
"""A model whose patch features are colours."""

import torch
import torch.nn.functional as F
from PIL import Image

from goldieval.models.adapter import ModelInfo
from torchvision.transforms.functional import to_tensor

COLOURS = {"red": (1, 0, 0), "green": (0, 1, 0), "blue": (0, 0, 1), "white": (1, 1, 1)}


class Colours:
    def describe(self):
        return ModelInfo("colours", "file", "1" * 64, image_identity="colours", text_identity="colours")

    def preprocess(self, image):
        return to_tensor(image.resize((32, 32), Image.Resampling.BICUBIC))

    def normalise(self, picture):
        return picture

    def tokenize(self, texts):
        return torch.tensor([[sum(COLOURS[w][c] for w in text.lower().split() if w in COLOURS) for c in range(3)]
                             for text in texts])

    def encode_image(self, pixels):
        return pixels.mean((2, 3))

    def encode_text(self, tokens):
        return tokens.float() + 0.01

    def dense(self, pixels, attention):
        return F.avg_pool2d(pixels, 8).permute(0, 2, 3, 1)


def load(spec, options):
    return Colours()
'''


def colours_model(folder: Path) -> str:
    """Write the model and return its spec."""
    file = folder / "colours_model.py"
    file.write_text(COLOURS_MODEL)
    return f"{file}:load"


def board(file: Path, colours: Sequence[tuple[int, int, int]], size: tuple[int, int] = (80, 40)) -> Path:
    """Save a picture of vertical stripes of equal width."""
    file.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.zeros((size[1], size[0], 3), dtype=np.uint8)
    ends = np.linspace(0, size[0], len(colours) + 1).astype(int)
    for colour, left, right in zip(colours, ends, ends[1:], strict=False):
        pixels[:, left:right] = colour
    Image.fromarray(pixels).save(file)
    return file


def task_of_boxes(**params: Any) -> Task:
    content: dict[str, Any] = {
        "name": "tiny", "version": 1, "protocol": "by hand", "title": "Tiny", "licence": "none", "family": "regions",
        "source": {"reader": "folder", "path": "."}, "headline": "accuracy", "params": params,
    }  # fmt: skip
    return Task(CARD_TYPES["regions"](**content), Path("card.yaml"))


def boxes_of(rows: Sequence[dict[str, Any]], names: list[str] | None = None) -> Dataset:
    """Return boxes of the picture ``image`` (by default ``p``), without picture files."""
    found = BoxRows()
    for number, row in enumerate(rows):
        given = {"id": f"b{number}", "corners": (0.0, 0.0, 40.0, 40.0), "size": (80, 40)} | row
        image = ImageSample(given.pop("image", "p"), NoImage(), "p.png")
        found.add("here", BoxRow(image=image, **given))
    return found.dataset(names)


def counts_of(scores: Sequence[Sequence[float]], labels: Sequence[int], **more: Any) -> dict[str, np.ndarray]:
    """Return the evidence of boxes with these scores, by brute force."""
    table = torch.tensor(scores)
    rows, true = torch.arange(len(table)), torch.tensor(labels)
    own = table[rows, true]
    others = table.clone()
    others[rows, true] = -torch.inf
    before = (table > own[:, None]) | ((table == own[:, None]) & (torch.arange(table.shape[1]) < true[:, None]))
    found: dict[str, Any] = {
        "box": rows, "empty": torch.zeros(len(table), dtype=torch.bool),
        "above": (table > own[:, None] + 1e-6).sum(1), "tied": ((others - own[:, None]).abs() < 1e-6).sum(1),
        "place": before.sum(1), "prediction": table.argmax(1), "wrong": others.argmax(1),
        "right_score": own, "wrong_score": others.amax(1),
    }  # fmt: skip
    return {name: np.asarray(column) for name, column in (found | more).items()}
