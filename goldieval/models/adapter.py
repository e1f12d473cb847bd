"""The protocols that a model implements to be evaluated."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    import numpy as np
    import torch
    from PIL import Image

    from goldieval.scoring.conditioned import Pool


@dataclass(frozen=True)
class LoadOptions:
    """How a model is loaded.

    Attributes:
        device: Device of torch, for example ``cpu`` or ``cuda:0``.
        precision: ``fp32``, ``bf16`` or ``fp16``.
        offline: Whether network access is forbidden.
        announce: Called with one line of text before anything is downloaded.
    """

    device: str = "cpu"
    precision: str = "fp32"
    offline: bool = False
    announce: Callable[[str], None] = print


@dataclass(frozen=True)
class ModelInfo:
    """Identity of a model, for plans, records and the keys of its embeddings.

    Attributes:
        spec: The spec that loads the model.
        family: Name of the model family.
        fingerprint: SHA-256 of weights and architecture, independent of any name.
        image_identity: Everything besides the image that can affect an embedding of the image tower.
        text_identity: Everything besides the text that can affect an embedding of the text tower.
        parameters: Number of parameters.
        resolution: Width of the input images in pixels.
        context_length: Tokens of an input text.
        precision: ``fp32``, ``bf16`` or ``fp16``.
        scoring: Scoring mode that ``scoring: auto`` selects for this model.
        home: Built-in world that the checkpoint was trained on, or empty.
        notice: Text shown wherever the model's scores are.
        checkpoint: What was read from the file of the weights, and what was left out.
        recipe: Recipe of the training, if the checkpoint records it.
        images_seen: Number of images seen in training, with repetitions, if recorded.
        unique_pairs: Number of distinct image-text pairs in training.
        seed: Random seed of the training, if recorded.
        options: Options of the spec in canonical form, by name.
        logit_factor: Factor of cosines before the softmax or sigmoid that the model was trained with; None if unknown.
        conditioned_factor: That of text-conditioned cosines, where the model was trained with one of their own.
    """

    spec: str
    family: str
    fingerprint: str
    image_identity: str
    text_identity: str
    parameters: int = 0
    resolution: int = 0
    context_length: int = 0
    precision: str = "fp32"
    scoring: str = "global"
    home: str = ""
    notice: str = ""
    checkpoint: str = ""
    recipe: str = ""
    images_seen: int | None = None
    unique_pairs: int | None = None
    seed: int | None = None
    options: dict[str, str] = field(default_factory=dict, hash=False)
    logit_factor: float | None = None
    conditioned_factor: float | None = None

    def in_mode(self, scoring: str) -> ModelInfo:
        """Return the identity with the factor of the cosines of a scoring mode as its ``logit_factor``."""
        own = self.conditioned_factor is not None and scoring != "global"
        return replace(self, logit_factor=self.conditioned_factor) if own else self


@runtime_checkable
class Adapter(Protocol):
    """A model with an image and a text encoder. Batching, normalisation and comparison are done by the engine.

    Optional members, found by name:
      ``trim(tokens) -> tokens``: remove padding from a batch, where that is exact (causal tower, end-token pooling).
      ``count_tokens(texts) -> list[int] | None``: tokens of each text with start and end tokens, before truncation;
      None if unknown.
      ``inference() -> context manager``: switch to evaluation mode, and back afterwards.
      ``concurrent: bool``: whether encode methods may be called from several threads at once. If so, every batch is
      computed on a CPU by one thread, several at a time, and results do not depend on the number of cores. A module
      that exchanges data between processes (FSDP) must say no.
      ``device: torch.device``: device of the model; inputs are copied to one of CUDA while it computes.
      ``patch_tokens``, ``pool``: text-conditioned scoring, see ``TextConditioned``.
      ``generate``: answers to questions, see ``Generative``.
      ``respond``, ``prompt_lengths``: answers of a chat model to prompts, see ``Instructed``.
      ``patch_features``: patch tokens before the projection, see ``DenseTokens``.
      ``normalise``, ``dense``: patch features for segmentation, see ``Dense``.
    """

    def describe(self) -> ModelInfo:
        """Return the model's current identity (weights may have changed since the last call)."""

    def preprocess(self, image: Image.Image) -> torch.Tensor:
        """Convert an RGB image into one input of the image tower, shape (channels, height, width)."""

    def tokenize(self, texts: Sequence[str]) -> torch.Tensor:
        """Convert texts into padded token ids, shape (texts, context)."""

    def encode_image(self, pixels: torch.Tensor) -> torch.Tensor:
        """Encode a batch from ``preprocess``; return shape (batch, dim), not normalised."""

    def encode_text(self, tokens: torch.Tensor) -> torch.Tensor:
        """Encode a batch from ``tokenize``; return shape (batch, dim), not normalised."""


@runtime_checkable
class Precomputed(Protocol):
    """Embeddings computed outside goldieval, looked up by sample id."""

    def describe(self) -> ModelInfo: ...

    def image_embeddings(self, ids: Sequence[str], subset: bool = False) -> np.ndarray:
        """Return embeddings in the order of ``ids``, float32, shape (images, dim).

        Args:
            ids: Ids of the samples.
            subset: Whether the stored embeddings may contain further ids.

        Raises:
            TaskError: The ids do not match one to one or, with ``subset``, some are missing.
        """

    def text_embeddings(self, ids: Sequence[str], subset: bool = False) -> np.ndarray:
        """Return embeddings of texts, float32, shape (texts, dim); arguments as in ``image_embeddings``."""


class ImagePreprocessor(Protocol):
    """Any model that accepts images."""

    def preprocess(self, image: Image.Image) -> torch.Tensor: ...


@runtime_checkable
class TextConditioned(ImagePreprocessor, Protocol):
    """An adapter whose image embedding depends on the text it is compared with (FLAIR, GoldiCLIP)."""

    pool: Pool

    def patch_tokens(self, pixels: torch.Tensor) -> torch.Tensor:
        """Encode a batch from ``preprocess``; return projected patch tokens, shape (batch, patches, dim)."""


@runtime_checkable
class Generative(ImagePreprocessor, Protocol):
    """An adapter with a text decoder that answers questions about images."""

    def generate(self, pixels: torch.Tensor, questions: Sequence[str]) -> list[str]:
        """Answer ``questions[i]`` about image ``i`` of a batch from ``preprocess``."""


@runtime_checkable
class Instructed(ImagePreprocessor, Protocol):
    """A chat model, which takes a benchmark's whole prompt and pictures of any size.

    It is not ``Generative``: the member of that name would have another signature. It needs no embeddings: a model that
    is not an ``Adapter`` as well is evaluated only by families whose ``uses_prompts`` is true. ``inference``,
    ``concurrent`` and ``device`` are optional, see ``Adapter``.
    """

    def describe(self) -> ModelInfo:
        """Return the model's current identity (weights may have changed since the last call)."""

    def respond(self, pictures: Sequence[torch.Tensor], prompts: Sequence[str], longest: int) -> list[str]:
        """Answer ``prompts[i]`` about ``pictures[i]``, greedily, with at most ``longest`` new tokens.

        The answer to a prompt does not depend on the others of the batch.

        Args:
            pictures: results of ``preprocess``, whose shapes may differ; consecutive equal ones are the same object.
            prompts: prompts without the model's chat template.
            longest: maximum number of generated tokens.
        """

    def prompt_lengths(self, prompts: Sequence[str]) -> list[int]:
        """Return the number of tokens of each prompt, by which batches are made."""


@runtime_checkable
class Dense(Protocol):
    """An adapter that returns patch features for windows of any size."""

    def normalise(self, picture: torch.Tensor) -> torch.Tensor:
        """Convert an image (3, height, width) with values in [0, 1] into input of the image tower, without resizing."""

    def dense(self, pixels: torch.Tensor, attention: str) -> torch.Tensor:
        """Encode windows (n, 3, height, width); return projected patch features, shape (n, rows, columns, dim).

        Args:
            pixels: Windows from ``normalise``.
            attention: Attention of the last block: ``plain``; ``csa`` (correlative self-attention: query-query plus
                key-key similarities, SCLIP); or ``value`` (each patch receives only its own value, MaskCLIP).
        """


@runtime_checkable
class DenseTokens(Protocol):
    """A ``Dense`` adapter that also returns patch tokens before the projection."""

    def patch_features(self, pixels: torch.Tensor) -> torch.Tensor:
        """Encode windows (n, 3, height, width); return patch tokens of the last layer after its LayerNorm.

        Returns:
            Shape (n, rows, columns, width), not projected and not normalised to unit length.
        """


Model = Adapter | Precomputed | Instructed

# Names of goldieval 0.1, and where they are today.
_MOVED = {
    "Answering": (__name__, "Generative"),
    "Sees": (__name__, "ImagePreprocessor"),
    "from_module": ("goldieval.models.loading", "from_module"),
    "load": ("goldieval.models.loading", "load"),
    "load_model": ("goldieval.models.loading", "load_model"),
}


def __getattr__(name: str) -> Any:
    """Return what had this name in goldieval 0.1, with a warning, for one release."""
    if name not in _MOVED:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, new = _MOVED[name]
    now = new if module == __name__ else f"{module}.{new}"
    warnings.warn(f"{__name__}.{name} is now {now}; the old name is removed in 0.3.", DeprecationWarning, stacklevel=2)
    return getattr(importlib.import_module(module), new)


def inference(model: Any) -> AbstractContextManager[Any]:
    """Return the adapter's own ``inference()`` context, or a null context."""
    from contextlib import nullcontext

    return model.inference() if hasattr(model, "inference") else nullcontext()
