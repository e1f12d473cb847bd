"""Dual encoders of the transformers library: ``huggingface:OWNER/REPO@REVISION``, or ``huggingface:FOLDER`` on disk.

CLIP, SigLIP, SigLIP 2 and other models with image and text features, each with its own processor: image transform,
text normalisation, padding and masks are the model's. ``huggingface:MODEL@FILE`` reads other weights of that model. Of
folders and repositories only safetensors are read, and no code of a repository is run: a repository that refers to code
is refused, without a prompt, before transformers sees it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from goldieval.core.declared_sizes import check_outline
from goldieval.core.errors import GoldievalError
from goldieval.core.offline import offline
from goldieval.core.reads import notes_reads
from goldieval.models.adapter import LoadOptions, Model
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
from model_adapters.huggingface_options import OPTIONS, activate, apply
from model_adapters.huggingface_weights import from_file, from_folder
from model_adapters.no_code import check_no_code, no_code
from model_adapters.spec_tokenizer import is_empty


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
        with quietly(), no_code(), offline():  # all files are local; any other reference is to another model
            import torch

            from model_adapters.huggingface_adapter import wrapped

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
            pictures, texts = ImageInputs(module, processor, applied.image), TextInputs(module, processor)
            return wrapped(module, pictures, texts, applied, spec, options, notes)
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


@contextmanager
def quietly() -> Iterator[None]:
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
