"""Adapters of models of transformers."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import version
from typing import Any

import torch

from goldieval.core.transfers import upload
from goldieval.models.adapter import LoadOptions, ModelInfo
from goldieval.models.spec import ModelSpec
from goldieval.models.torch_adapter import TorchAdapter
from model_adapters.huggingface_inputs import ImageInputs, TextInputs
from model_adapters.huggingface_options import Applied


class HuggingFace(TorchAdapter):
    """Calls the model's own feature methods with the output of its processor.

    Attributes:
        tower: Further arguments of the image tower.
    """

    preprocess: ImageInputs
    tokenizer: TextInputs
    tower: dict[str, Any]

    def describe(self) -> ModelInfo:
        info = super().describe()
        return replace(
            info,
            image_identity=_with_version(info.image_identity),
            text_identity=_with_version(info.text_identity),
            resolution=info.resolution if self.preprocess.plain else 0,
        )

    def encode_image(self, pixels: torch.Tensor) -> torch.Tensor:
        with self._autocast():
            inputs = self.preprocess.unpack(upload(pixels, self.device))
            return _features(self.module.get_image_features(**inputs, **self.tower))  # type: ignore[operator]

    def encode_text(self, tokens: torch.Tensor) -> torch.Tensor:
        with self._autocast():
            inputs = self.tokenizer.unpack(upload(tokens, self.device))
            return _features(self.module.get_text_features(**inputs))  # type: ignore[operator]


def wrapped(
    module: Any,
    pictures: ImageInputs,
    texts: TextInputs,
    applied: Applied,
    spec: ModelSpec,
    options: LoadOptions,
    notes: Sequence[str],
    kind: type[HuggingFace] = HuggingFace,
) -> HuggingFace:
    """Return the adapter of a loaded model.

    Args:
        module: The model.
        pictures: Its inputs of images.
        texts: Its inputs of texts.
        applied: What the options of its spec changed.
        spec: Its spec.
        options: How it is loaded.
        notes: Notes for plan and record.
        kind: Class of the adapter, for families that offer more.
    """
    model = kind(
        module.to(options.device).eval(),
        pictures,
        texts,
        spec=spec.text,
        family=spec.family,
        precision=options.precision,
        trims=texts.causal,
        checkpoint="; ".join(notes),
        alterations=applied.alterations,
    )
    model.tower = dict(applied.tower)
    return model


def _features(made: Any) -> torch.Tensor:
    """Return the projected features, which newer versions of transformers wrap together with all token states."""
    features: torch.Tensor = getattr(made, "pooler_output", made)
    return features


def _with_version(identity: str) -> str:
    return hashlib.sha256(f"{identity}/transformers={version('transformers')}".encode()).hexdigest()
