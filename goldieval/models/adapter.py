"""The protocols that a model implements to be evaluated, and loading of models by their spec."""

from __future__ import annotations

import importlib.util
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from pydantic import TypeAdapter, ValidationError

from goldieval.core.containment import utf8_safe
from goldieval.core.errors import AdapterError, GoldievalError, did_you_mean, first_line, listing
from goldieval.core.offline import offline
from goldieval.models.spec import ModelSpec, parse_spec
from goldieval.scoring.mode import checked_mode
from goldieval.tasks.plugins import model_families
from goldieval.tasks.validation import validation_line

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
        checkpoint: File or name of the weights.
        recipe: Recipe of the training, if the checkpoint records it.
        images_seen: Number of images seen in training, with repetitions, if recorded.
        unique_pairs: Number of distinct image-text pairs in training, if recorded.
        seed: Random seed of the training, if recorded.
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


@runtime_checkable
class Adapter(Protocol):
    """A model with an image and a text encoder. Batching, normalisation and comparison are done by the engine.

    Optional members, found by name:
      ``trim(tokens) -> tokens``: remove padding from a batch, where that is exact (causal tower, end-token pooling).
      ``count_tokens(texts) -> list[int] | None``: tokens of each text with start and end tokens, before truncation;
      None if unknown.
      ``inference() -> context manager``: switch to evaluation mode, and back afterwards.
      ``patch_tokens``, ``pool``: text-conditioned scoring, see ``TextConditioned``.
      ``generate``: answers to questions, see ``Generative``.
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
class Dense(Protocol):
    """An adapter that returns patch features for windows of any size."""

    def normalise(self, picture: torch.Tensor) -> torch.Tensor:
        """Convert an image (3, height, width) with values in [0, 1] into input of the image tower, without resizing."""

    def dense(self, pixels: torch.Tensor, attention: str) -> torch.Tensor:
        """Encode windows (n, 3, height, width); return projected patch features, shape (n, rows, columns, dim).

        Args:
            pixels: Windows from ``normalise``.
            attention: Attention of the last block: ``plain``, or ``csa`` (correlative self-attention: query-query plus
                key-key similarities, SCLIP).
        """


Model = Adapter | Precomputed

_RENAMED = {"Answering": "Generative", "Sees": "ImagePreprocessor"}
_INFO = TypeAdapter(ModelInfo)


def __getattr__(name: str) -> Any:
    """Return a protocol under its name of goldieval 0.1, with a warning, for one release."""
    if name not in _RENAMED:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    new = _RENAMED[name]
    warnings.warn(f"{__name__}.{name} is now {new}; the old name is removed in 0.3.", DeprecationWarning, stacklevel=2)
    return globals()[new]


def checked_info(model: Model) -> ModelInfo:
    """Return the validated result of ``describe()``; characters that UTF-8 cannot encode are escaped.

    Raises:
        AdapterError: The result is not a ``ModelInfo``, a field has the wrong type, the scoring mode does not exist,
            or a field is empty that names records and stored embeddings.
    """
    info: object = model.describe()
    if not isinstance(info, ModelInfo):
        raise AdapterError(f"describe() must return a ModelInfo; it returned {type(info).__name__}.")
    values = {name: utf8_safe(value) if isinstance(value, str) else value for name, value in vars(info).items()}
    try:
        info = _INFO.validate_python(values)
        checked_mode(info.scoring)
    except ValidationError as error:
        raise AdapterError(f"describe() returned a ModelInfo with {validation_line(error)}.") from error
    except ValueError as error:
        raise AdapterError(f"describe() returned a ModelInfo with {error}.") from error
    identities = () if isinstance(model, Precomputed) else ("image_identity", "text_identity")
    if empty := [name for name in ("spec", "fingerprint", *identities) if not getattr(info, name)]:
        raise AdapterError(
            f"describe() returned a ModelInfo without {listing(empty)}: records and embeddings are stored under it."
        )
    return info


def load(spec: ModelSpec, options: LoadOptions) -> Model:
    """Load the model that a spec names, through its family's entry point or from a Python file.

    Raises:
        GoldievalError: The family does not exist (similar names are suggested), or the adapter reports an error.
    """
    spec = replace(spec, where=os.path.expanduser(spec.where))
    make = _from_file(spec) if spec.family == "file" else _family(spec)
    try:
        with offline(options.offline):
            model = make(spec, options)
    except GoldievalError:
        raise
    except Exception as error:
        raise GoldievalError(
            f"model {spec.text!r} cannot be loaded: {type(error).__name__}: {first_line(error)}"
        ) from error
    if not isinstance(model, Adapter | Precomputed):
        lacking = [
            name
            for name in ("describe", "preprocess", "tokenize", "encode_image", "encode_text")
            if not hasattr(model, name)
        ]
        raise GoldievalError(
            f"model {spec.text}: {type(model).__name__} is not an adapter, it lacks {', '.join(lacking)}."
        )
    return model


def load_model(spec: str, *, device: str = "cpu", precision: str = "fp32", offline: bool = False) -> Model:
    """Load one model by its spec, for example ``open_clip:ViT-B-32@epoch_32.pt``. See ``load``."""
    return load(parse_spec(spec), LoadOptions(device, precision, offline))


def from_module(
    module: torch.nn.Module,
    preprocess: Callable[[Image.Image], torch.Tensor],
    tokenizer: Callable[[list[str]], torch.Tensor],
    *,
    name: str = "module",
) -> Model:
    """Wrap a module that has ``encode_image`` and ``encode_text``, for example inside a training loop.

    The module remains the caller's: it is switched to evaluation mode while in use, and back afterwards.
    """
    from goldieval.models.torch_adapter import TorchAdapter

    return TorchAdapter(module, preprocess, tokenizer, spec=name, family="module")


def inference(model: Any) -> AbstractContextManager[Any]:
    """Return the adapter's own ``inference()`` context, or a null context."""
    from contextlib import nullcontext

    return model.inference() if hasattr(model, "inference") else nullcontext()


def _family(spec: ModelSpec) -> Callable[[ModelSpec, LoadOptions], Any]:
    families = model_families()
    if spec.family not in families:
        near = did_you_mean(spec.family, families)
        raise GoldievalError(f"no model family {spec.family!r} in {spec.text!r}.{near} See: goldieval ls models")
    make: Callable[[ModelSpec, LoadOptions], Any] = families[spec.family].load()
    return make


def _from_file(spec: ModelSpec) -> Callable[[ModelSpec, LoadOptions], Any]:
    """Execute a Python file named by the user: the only place where foreign code is run, and only on request."""
    path = Path(spec.where)
    found = importlib.util.spec_from_file_location(f"goldieval_user_{path.stem}", path) if path.is_file() else None
    if found is None or found.loader is None:
        raise GoldievalError(f"model {spec.text!r}: no file {path}.")
    module = importlib.util.module_from_spec(found)
    sys.modules[found.name] = module  # required by dataclasses and pickle
    try:
        found.loader.exec_module(module)
    except Exception as error:
        raise GoldievalError(
            f"model {spec.text!r}: {path} fails: {type(error).__name__}: {first_line(error)}"
        ) from error
    if not callable(getattr(module, spec.name, None)):
        raise GoldievalError(f"model {spec.text!r}: {path} has no function {spec.name!r}.")
    make: Callable[[ModelSpec, LoadOptions], Any] = getattr(module, spec.name)
    return make
