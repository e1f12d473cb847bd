"""What a model must offer to be evaluated, and how a spec becomes such a model."""

from __future__ import annotations

import importlib.util
import os
import sys
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
from goldieval.tasks.card import validation_line
from goldieval.tasks.catalogue import model_families

if TYPE_CHECKING:
    import numpy as np
    import torch
    from PIL import Image

    from goldieval.scoring.conditioned import Pool


@dataclass(frozen=True)
class LoadOptions:
    """How a model is loaded. precision: fp32, bf16 or fp16. announce: called with a line before anything is fetched."""

    device: str = "cpu"
    precision: str = "fp32"
    offline: bool = False
    announce: Callable[[str], None] = print


@dataclass(frozen=True)
class ModelInfo:
    """Who a model is, for plans, records and the keys of its embeddings.

    fingerprint: SHA-256 over weights and architecture, never a typed name.
    image_identity, text_identity: everything besides the content that can change an embedding of that tower.
    scoring: the mode that ``scoring: auto`` means for this model.
    home: the built-in world that the checkpoint was made for, if any.   notice: shown wherever its scores are.
    recipe, images_seen, unique_pairs, seed: of the training, where the checkpoint says it.
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
    """A model with an image and a text encoder. The runner batches, normalises and compares; an adapter does not.

    Optional members, found by their name:
      ``trim(tokens) -> tokens``: cut the padding off a batch where that is exact (causal tower, end-token pooling).
      ``count_tokens(texts) -> list[int] | None``: tokens of each text with its marks, before any cut; None if unknown.
      ``inference() -> context manager``: put the model in evaluation mode, and back afterwards.
      ``patch_tokens``, ``pool``: text-conditioned scoring, see ``TextConditioned``.
      ``generate``: answers to questions, see ``Generative``.
      ``normalise``, ``dense``: features of patches for segmentation, see ``Dense``.
    """

    def describe(self) -> ModelInfo:
        """Return the model's identity as of now (weights may have been trained since the last call)."""

    def preprocess(self, image: Image.Image) -> torch.Tensor:
        """Turn an RGB picture into one input of the image tower, shape (channels, height, width)."""

    def tokenize(self, texts: Sequence[str]) -> torch.Tensor:
        """Turn texts into padded token ids, shape (texts, context)."""

    def encode_image(self, pixels: torch.Tensor) -> torch.Tensor:
        """Encode a batch from ``preprocess``; return (batch, dim), not normalised."""

    def encode_text(self, tokens: torch.Tensor) -> torch.Tensor:
        """Encode a batch from ``tokenize``; return (batch, dim), not normalised."""


@runtime_checkable
class Precomputed(Protocol):
    """A model that ran elsewhere: its embeddings are looked up by sample id."""

    def describe(self) -> ModelInfo: ...

    def image_embeddings(self, ids: Sequence[str], subset: bool = False) -> np.ndarray:
        """Return (images, dim) float32 in the order of ``ids``.

        Raises TaskError unless the ids match one to one, or under ``subset`` are all there.
        """

    def text_embeddings(self, ids: Sequence[str], subset: bool = False) -> np.ndarray:
        """Return (texts, dim) float32 in the order of ``ids``; the same rule."""


class ImagePreprocessor(Protocol):
    """Whatever takes pictures."""

    def preprocess(self, image: Image.Image) -> torch.Tensor: ...


@runtime_checkable
class TextConditioned(ImagePreprocessor, Protocol):
    """An adapter whose image feature depends on the text that asks (FLAIR, GoldiCLIP)."""

    pool: Pool

    def patch_tokens(self, pixels: torch.Tensor) -> torch.Tensor:
        """Encode a batch from ``preprocess``; return projected patch tokens (batch, patches, dim)."""


@runtime_checkable
class Generative(ImagePreprocessor, Protocol):
    """An adapter with a decoder that answers questions about pictures."""

    def generate(self, pixels: torch.Tensor, questions: Sequence[str]) -> list[str]:
        """Answer ``questions[i]`` about picture ``i`` of a batch from ``preprocess``, in words."""


@runtime_checkable
class Dense(Protocol):
    """An adapter that gives features of patches, for windows of any size."""

    def normalise(self, picture: torch.Tensor) -> torch.Tensor:
        """Turn a picture (3, height, width) of values 0 to 1 into input of the image tower, at its own size."""

    def dense(self, pixels: torch.Tensor, attention: str) -> torch.Tensor:
        """Encode windows (n, 3, height, width); return projected patch features (n, rows, columns, dim).

        Args:
            attention: of the last block: ``plain``, or ``csa`` (by like queries and like keys, SCLIP).
        """


Model = Adapter | Precomputed
_INFO = TypeAdapter(ModelInfo)


def checked_info(model: Model) -> ModelInfo:
    """Return what a model says of itself; what UTF-8 cannot hold, such as a file's name, is written out.

    Raises:
        AdapterError: it gives no ``ModelInfo``, or one with a field of another type, with no such scoring mode, or
            empty where records and stored embeddings are named after it.
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
            f"describe() returned a ModelInfo without {listing(empty)}: records or embeddings are kept under it."
        )
    return info


def load(spec: ModelSpec, options: LoadOptions) -> Model:
    """Load the model that a spec names, through its family's entry point or from a Python file.

    Raises:
        GoldievalError: an unknown family (the nearest are suggested), or whatever the adapter finds wrong.
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
        raise GoldievalError(f"model {spec.text}: {type(model).__name__} is no adapter, it lacks {', '.join(lacking)}.")
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
    """Wrap a module that has ``encode_image`` and ``encode_text``, for use inside anyone's training loop.

    The module stays the caller's: it is put in evaluation mode while it is used, and back afterwards.
    """
    from goldieval.models.torch_adapter import TorchAdapter

    return TorchAdapter(module, preprocess, tokenizer, spec=name, family="module")


def inference(model: Any) -> AbstractContextManager[Any]:
    """Return the adapter's own ``inference()`` context, or one that does nothing."""
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
    """Run a Python file that the user named by path; this is the one place where foreign code is run, on request."""
    path = Path(spec.where)
    found = importlib.util.spec_from_file_location(f"goldieval_user_{path.stem}", path) if path.is_file() else None
    if found is None or found.loader is None:
        raise GoldievalError(f"model {spec.text!r}: no file {path}.")
    module = importlib.util.module_from_spec(found)
    sys.modules[found.name] = module  # dataclasses and pickles look their module up
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
