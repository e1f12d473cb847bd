"""Dual encoders of the transformers library: ``huggingface:OWNER/REPO@REVISION``, or ``huggingface:FOLDER`` on disk.

CLIP, SigLIP, SigLIP 2 and other models with image and text features, each with its own processor: image transform,
text normalisation, padding and masks are the model's. ``huggingface:MODEL@FILE`` reads other weights of that model. Of
folders and repositories only safetensors are read, and no code of a repository is run: a repository that refers to code
is refused, without a prompt, before transformers sees it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from goldieval.core.declared_sizes import check_outline
from goldieval.core.errors import GoldievalError
from goldieval.core.offline import offline
from goldieval.core.reads import notes_reads
from goldieval.core.transfers import upload
from goldieval.models.adapter import LoadOptions, Model, ModelInfo
from goldieval.models.spec import ModelSpec
from goldieval.models.spec_options import accepts_options, canonical, standard_options
from model_adapters.fill import check_finite
from model_adapters.huggingface_files import (
    bytes_of_weights,
    check_folder,
    fetched_folder,
    informative_line,
    locate_model,
)
from model_adapters.huggingface_inputs import ImageInputs, TextInputs
from model_adapters.huggingface_options import OPTIONS, Applied, activate, apply
from model_adapters.huggingface_weights import from_file, from_folder
from model_adapters.no_code import check_no_code, no_code
from model_adapters.spec_tokenizer import is_empty

if TYPE_CHECKING:
    import torch


@notes_reads
@accepts_options(*OPTIONS)
def load(spec: ModelSpec, options: LoadOptions) -> Model:
    """Load a model, its tokenizer and its image processor.

    Raises:
        GoldievalError: The folder or repository does not exist; weights are pickled, damaged or do not match their
            config; the model is not a dual encoder, requires code or does not allow an option; or files are missing
            under ``--offline``.
    """
    from transformers import AutoConfig, AutoModel, AutoProcessor

    wanted = standard_options(spec)
    place, revision, weights = locate_model(spec)
    folder = Path(place) if Path(place).is_dir() else fetched_folder(place, revision, options)
    check_folder(folder, weights)
    check_no_code(folder)
    how = {"local_files_only": True, "trust_remote_code": False}
    try:
        with _quietly(), no_code(), offline():  # all files are local; any other reference is to another model
            import torch

            config = AutoConfig.from_pretrained(folder, **how)
            activated = activate(config, wanted.quickgelu)
            with torch.device("meta"):
                outline = AutoModel.from_config(config, trust_remote_code=False)
            check_outline(outline, bytes_of_weights(folder, weights), folder)
            processor = AutoProcessor.from_pretrained(folder, **how)
            if weights:
                module, note = from_file(config, weights, wanted.drop)
            else:
                module, note = from_folder(folder, config if activated else None, wanted.drop)
            _check_parts(module, processor)
            check_finite(module.state_dict(), folder)
            applied = apply(module, processor, wanted)
            if is_empty(processor.tokenizer):
                raise GoldievalError(f"{folder} has no tokenizer. Save it there, or name one: ::tokenizer=FOLDER.")
            notes = [note, *([canonical("quickgelu", wanted.quickgelu)] if activated else []), *applied.notes]
            return _adapter(module.to(options.device).eval(), processor, applied, notes, spec, options)
    except GoldievalError as error:
        raise GoldievalError(f"model {spec.text!r}: {error}") from error
    except Exception as error:  # transformers raises many types
        raise GoldievalError(f"model {spec.text!r} cannot be loaded: {informative_line(error)}") from error


def _check_parts(module: Any, processor: Any) -> None:
    """Raise GoldievalError if a model or its processor is not that of a dual encoder."""
    for part in ("get_image_features", "get_text_features"):
        if not hasattr(module, part):
            raise GoldievalError(f"{type(module).__name__} is not a dual encoder, it lacks {part}.")
    for part in ("tokenizer", "image_processor"):
        if not hasattr(processor, part):
            raise GoldievalError(f"its processor ({type(processor).__name__}) has no {part}.")


def _adapter(
    module: Any, processor: Any, applied: Applied, notes: list[str], spec: ModelSpec, options: LoadOptions
) -> Model:

    from goldieval.models.torch_adapter import TorchAdapter

    class HuggingFace(TorchAdapter):
        """Calls the model's own feature methods with the output of its processor."""

        def describe(self) -> ModelInfo:
            info = super().describe()
            return replace(
                info,
                image_identity=_with_version(info.image_identity),
                text_identity=_with_version(info.text_identity),
                resolution=info.resolution if pictures.plain else 0,
            )

        def encode_image(self, pixels: torch.Tensor) -> torch.Tensor:
            with self._autocast():
                inputs = pictures.unpack(upload(pixels, self.device))
                return _features(module.get_image_features(**inputs, **applied.tower))

        def encode_text(self, tokens: torch.Tensor) -> torch.Tensor:
            with self._autocast():
                return _features(module.get_text_features(**texts.unpack(upload(tokens, self.device))))

    pictures, texts = ImageInputs(module, processor, applied.image), TextInputs(module, processor)
    return HuggingFace(
        module,
        pictures,
        texts,
        spec=spec.text,
        family="huggingface",
        precision=options.precision,
        trims=texts.causal,
        checkpoint="; ".join(notes),
        alterations=applied.alterations,
    )


def _features(made: Any) -> torch.Tensor:
    """Return the projected features, which newer versions of transformers wrap together with all token states."""
    features: torch.Tensor = getattr(made, "pooler_output", made)
    return features


def _with_version(identity: str) -> str:
    return hashlib.sha256(f"{identity}/transformers={version('transformers')}".encode()).hexdigest()


@contextmanager
def _quietly() -> Iterator[None]:
    """Suppress transformers' reports on standard error about problems that are checked here."""
    from transformers.utils import logging

    before, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(before)
        if bars:
            logging.enable_progress_bar()
