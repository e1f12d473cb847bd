"""CLIP's own state-dict layout, shared by FLAIR, COSMOS, SuperCLIP and DreamLIP."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from goldieval.core.errors import GoldievalError
from goldieval.models.adapter import LoadOptions, Model
from goldieval.models.spec import ModelSpec
from goldieval.models.spec_options import standard_options
from model_adapters.layout_sizes import State, sizes_of
from model_adapters.open_clip_build import seeded
from model_adapters.open_clip_files import CONSTANTS
from model_adapters.open_clip_sizes import Sizes
from model_adapters.take import Source, take
from model_adapters.tensors import TensorFile
from model_adapters.undrawn import undrawn
from model_adapters.unwrap import find_model, without
from model_adapters.with_options import PlainModel, with_options

if TYPE_CHECKING:
    import torch

FIRST = "visual.conv1.weight"
CLIP_VOCABULARY = 49408


@dataclass(frozen=True)
class LoadedClip:
    """A model that was loaded from a file.

    Attributes:
        module: The module.
        sizes: Arguments of open_clip's CLIP.
        notes: Notes on how the file was read.
        attached: Names of further modules that were attached to it.
        transform: Fields of open_clip's ``PreprocessCfg`` in which its transform differs from CLIP's.
        text: The option that chose its text tower, if there are several: ``text=long``.
        base: Fingerprint of the model without this option.
    """

    module: Any
    sizes: dict[str, Any]
    notes: list[str]
    attached: tuple[str, ...] = ()
    transform: Mapping[str, Any] = field(default_factory=dict)
    text: str = ""
    base: str = ""

    def resized(self, sizes: Sizes) -> dict[str, Any]:
        """Return the arguments of a CLIP of other sizes."""
        vision, text = dict(self.sizes["vision_cfg"]), dict(self.sizes["text_cfg"])
        vision["image_size"] = sizes.image or vision["image_size"]
        text["context_length"] = sizes.context or text["context_length"]
        quick = self.sizes["quick_gelu"] if sizes.quick_gelu is None else sizes.quick_gelu
        return self.sizes | {"vision_cfg": vision, "text_cfg": text, "quick_gelu": quick}


def only_model(stored: TensorFile, spec: ModelSpec, part: str = "", first: str = FIRST) -> tuple[State, Source]:
    """Return one model's state dict in float32, and where it comes from.

    Args:
        stored: The file.
        spec: The spec, whose option ``drop`` names tensors that are left out.
        part: A part of the prefix, if the file contains several models.
        first: A tensor that every model of the layout has.

    Raises:
        GoldievalError: There is no such model, or there are several and none is named.
    """
    found = without(find_model(stored, [{first: first}], part), CONSTANTS)
    if not found.state:
        raise GoldievalError(f"{stored.file} holds no image tower (no tensor {first}).")
    state = found.state | found.extra
    floats = {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in state.items()}
    return floats, Source(stored.file, found, standard_options(spec).drop)


def clip_of(state: State, stored: TensorFile, source: Source, also: int = 0) -> LoadedClip:
    """Build open_clip's CLIP with the sizes of a state dict and load it; no tensor may be missing.

    Args:
        state: Tensors by the names of CLIP.
        stored: The file.
        source: Where the model comes from.
        also: Number of tensors of the model that the caller loads.

    Raises:
        GoldievalError: Tensors are missing, unexpected, or of inconsistent sizes.
    """
    try:
        sizes = sizes_of(state, stored.config, stored.file)
    except (KeyError, ValueError) as error:
        raise GoldievalError(f"{stored.file} is not in CLIP's layout: missing or invalid {error}.") from error
    module = empty_clip(sizes)
    return LoadedClip(module, sizes, [take(module, state, source, "the sizes of its first layers", also=also)])


def empty_clip(sizes: dict[str, Any]) -> Any:
    """Return open_clip's CLIP, whose weights must all be loaded."""
    import open_clip

    with seeded(0), undrawn():
        return open_clip.CLIP(**sizes)


def adapter(clip: LoadedClip, spec: ModelSpec, options: LoadOptions, kind: Any = None) -> Model:
    """Wrap a loaded model with CLIP's transform and tokenizer, and the options of its spec.

    Args:
        clip: The model.
        spec: The spec that loaded it.
        options: How it was loaded.
        kind: Class of the adapter, if it is more than ``TorchAdapter``.
    """
    module = clip.module

    def build(sizes: Sizes) -> Any:
        new = empty_clip(clip.resized(sizes))
        for name in clip.attached:
            setattr(new, name, getattr(module, name))
        return new

    def tokenizer(context: int | None) -> Any:
        return _tokenizer(module.vocab_size, context or module.context_length)

    plain = PlainModel(module, build, tokenizer, clip.transform, clip.notes, text=clip.text, base=clip.base)
    return with_options(plain, spec, options, kind=kind, family=spec.family)


class IdsOnly:
    """Placeholder for the tokenizer of an unknown vocabulary; such a model accepts only token ids."""

    def __init__(self, vocabulary: int, context_length: int) -> None:
        self.vocabulary, self.context_length = vocabulary, context_length

    def probe(self) -> torch.Tensor:
        """Return token ids that identify the placeholder in ``describe``."""
        import torch

        return torch.zeros(1, self.context_length, dtype=torch.long)

    def __call__(self, texts: list[str]) -> torch.Tensor:
        raise GoldievalError(
            f"this checkpoint has {self.vocabulary:,} tokens, not CLIP's {CLIP_VOCABULARY:,}: no tokenizer is known "
            "for it. Give token ids to encode_text."
        )


def _tokenizer(vocabulary: int, context_length: int) -> Any:
    import open_clip

    known = vocabulary == CLIP_VOCABULARY
    return open_clip.SimpleTokenizer(context_length=context_length) if known else IdsOnly(vocabulary, context_length)
