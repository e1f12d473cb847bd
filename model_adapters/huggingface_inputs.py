"""Inputs of transformers models: the image part and the text part of a processor."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from PIL import Image


class ImageInputs:
    """The image part of a processor, with one tensor per image.

    Most processors return such a tensor; SigLIP 2's NaFlex returns patches, a mask and a shape, which are concatenated
    to one row of numbers here and separated again before the tower.
    """

    def __init__(self, module: Any, processor: Any, settings: Mapping[str, Any] | None = None) -> None:
        """Call the processor once.

        Args:
            module: The model.
            processor: Its processor.
            settings: Arguments of the processor that replace its own.
        """
        from PIL import Image

        self._processor, self._settings = processor, dict(settings or {})
        self._taken = set(inspect.signature(module.get_image_features).parameters)
        parts = self._parts(Image.new("RGB", (64, 48)))
        self._like = {name: (part.shape, part.dtype) for name, part in parts.items()}

    @property
    def colours(self) -> tuple[list[float], list[float]]:
        """Mean and standard deviation with which the processor normalises colours in [0, 1]."""
        own = self._processor.image_processor
        return (
            list(self._settings.get("image_mean", own.image_mean)),
            list(self._settings.get("image_std", own.image_std)),
        )

    @property
    def size(self) -> tuple[int, ...]:
        """Height and width of the processed images; empty if they have no common size."""
        return tuple(self._like["pixel_values"][0][-2:]) if self.plain else ()

    @property
    def plain(self) -> bool:
        return list(self._like) == ["pixel_values"]

    def __call__(self, image: Image.Image) -> torch.Tensor:
        import torch

        parts = self._parts(image)
        if self.plain:
            return parts["pixel_values"]
        return torch.cat([part.float().flatten() for part in parts.values()])

    def unpack(self, pixels: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return the arguments of the tower for a batch."""
        import torch

        if self.plain:
            return {"pixel_values": pixels}
        sizes = [shape.numel() for shape, _ in self._like.values()]
        parts = zip(self._like.items(), torch.split(pixels, sizes, dim=1), strict=True)
        return {name: part.view(len(part), *shape).to(dtype) for (name, (shape, dtype)), part in parts}

    def _parts(self, image: Image.Image, **settings: Any) -> dict[str, torch.Tensor]:
        made = self._processor(images=image, return_tensors="pt", **self._settings, **settings)
        return {name: part[0] for name, part in made.items() if name in self._taken}


class TextInputs:
    """The text part of a processor: token ids (texts, context), padded to the model's context length.

    Ids that are masked out are stored as -1 - id, so that ids and mask are one tensor. CLIP's tower is causal: there,
    ids after the end token have no effect, are set to 0, and may be truncated.
    """

    def __init__(self, module: Any, processor: Any) -> None:
        self._processor = processor
        config = getattr(module.config, "text_config", module.config)
        longest = getattr(config, "max_position_embeddings", None) or processor.tokenizer.model_max_length
        self.context_length = int(min(longest, processor.tokenizer.model_max_length))
        self.causal = config.model_type == "clip_text_model"
        self._masked = False

    def __call__(self, texts: list[str]) -> torch.Tensor:
        made = self._processor(
            text=texts, return_tensors="pt", padding="max_length", truncation=True, max_length=self.context_length
        )
        ids: torch.Tensor = made["input_ids"]
        if "attention_mask" not in made:
            return ids
        self._masked, left_out = True, made["attention_mask"] == 0
        return ids.masked_fill(left_out, 0) if self.causal else ids.where(~left_out, -1 - ids)

    def unpack(self, tokens: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return the arguments of the tower for a batch."""
        ids = tokens.where(tokens >= 0, -1 - tokens)
        return {"input_ids": ids, "attention_mask": (tokens >= 0).long()} if self._masks else {"input_ids": ids}

    @property
    def _masks(self) -> bool:
        if not self._masked and not self.causal:
            self(["a"])  # with stored token ids, this tokenizer may not have been called yet
        return self._masked and not self.causal
