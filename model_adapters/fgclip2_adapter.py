"""Inputs of FG-CLIP 2, and its dense features."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from PIL import Image
from transformers import PreTrainedTokenizerFast, Siglip2ImageProcessor

from goldieval.core.errors import GoldievalError, NotApplicableError
from goldieval.core.transfers import upload
from goldieval.goldiclip.dense import at_least_a_patch
from model_adapters.huggingface_adapter import HuggingFace
from model_adapters.huggingface_inputs import ImageInputs
from model_adapters.spec_tokenizer import is_empty

PATCHES = (128, 256, 576, 784, 1024)  # an image is resized to the first that holds its own patches, or to the last


class Processor:
    """Image processor of SigLIP 2, and the folder's tokenizer for texts in lower case.

    Attributes:
        image_processor: The image processor.
        tokenizer: The tokenizer.
    """

    def __init__(self, image_processor: Any, tokenizer: Any) -> None:
        self.image_processor, self.tokenizer = image_processor, tokenizer

    @classmethod
    def of(cls, folder: Path, config: Any) -> Processor:
        """Read the tokenizer of a folder.

        Raises:
            GoldievalError: The folder has none.
        """
        if not (folder / "tokenizer.json").is_file():
            raise GoldievalError(f"{folder} has no tokenizer.json.")
        tokenizer = PreTrainedTokenizerFast.from_pretrained(folder, local_files_only=True)
        if is_empty(tokenizer) or tokenizer.pad_token is None:
            raise GoldievalError(f"{folder}/tokenizer.json has only special tokens, or none for padding.")
        if len(tokenizer) > config.text_config.vocab_size:
            raise GoldievalError(
                f"{folder}/tokenizer.json has {len(tokenizer):,} tokens, the text tower "
                f"{config.text_config.vocab_size:,}."
            )
        tokenizer.model_max_length = config.text_config.max_position_embeddings
        return cls(Siglip2ImageProcessor(patch_size=config.vision_config.patch_size), tokenizer)

    def __call__(self, text: list[str] | None = None, images: Any = None, **how: Any) -> Any:
        if text is not None:
            return self.tokenizer([each.lower() for each in text], **how)
        return self.image_processor(images=images, **how)


class Patches(ImageInputs):
    """Patches of an image, as many as its size asks for, and padding up to the largest number."""

    def _parts(self, image: Image.Image, **settings: Any) -> dict[str, torch.Tensor]:
        patch = self._processor.image_processor.patch_size
        own = (image.width // patch) * (image.height // patch)
        most = next((each for each in PATCHES if own <= each), PATCHES[-1])
        parts = super()._parts(image, max_num_patches=most, **settings)
        room = PATCHES[-1] - len(parts["pixel_values"])
        return {
            **parts,
            "pixel_values": F.pad(parts["pixel_values"], (0, 0, 0, room)),
            "pixel_attention_mask": F.pad(parts["pixel_attention_mask"], (0, room)),
        }


class FgClip2(HuggingFace):
    """Adds dense features: every patch asks its own question to the head that pools an image for regions."""

    def normalise(self, picture: torch.Tensor) -> torch.Tensor:
        mean, std = (torch.tensor(part, device=picture.device)[:, None, None] for part in self.preprocess.colours)
        return (picture - mean) / std

    def dense(self, pixels: torch.Tensor, attention: str) -> torch.Tensor:
        """Encode windows; ``plain`` and ``value`` are the same here.

        Raises:
            NotApplicableError: Correlative self-attention is asked for.
        """
        if attention == "csa":
            raise NotApplicableError("FG-CLIP 2 has a head of its own for dense features: csa does not apply to it.")
        module: Any = self.module
        with self._autocast():
            windows, (rows, columns) = _patches(upload(pixels, self.device), module.config.vision_config.patch_size)
            shapes = torch.tensor([[rows, columns]]).expand(len(windows), -1)  # read by the host
            mask = torch.ones(windows.shape[:2], dtype=torch.int32, device=windows.device)
            hidden = module.vision_model(windows, mask, shapes).last_hidden_state
            head = module.dense_feature_head
            hidden = head.attention(hidden, hidden, hidden, need_weights=False)[0]
            found: torch.Tensor = hidden + head.mlp(head.layernorm(hidden))
        return found.view(len(pixels), rows, columns, -1)


def _patches(pixels: torch.Tensor, patch: int) -> tuple[torch.Tensor, tuple[int, int]]:
    """Return the patches of windows (n, 3, height, width) as rows of numbers, and rows and columns of their grid."""
    pixels = at_least_a_patch(pixels, patch)
    rows, columns = (side // patch for side in pixels.shape[-2:])
    cut = pixels[..., : rows * patch, : columns * patch]
    grid = cut.reshape(len(pixels), -1, rows, patch, columns, patch).permute(0, 2, 4, 3, 5, 1)
    return grid.reshape(len(pixels), rows * columns, -1), (rows, columns)
