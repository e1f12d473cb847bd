"""open_clip models: ``open_clip:ARCH/TAG`` (named weights), ``open_clip:ARCH@FILE`` (a checkpoint), ``open_clip:ARCH``.

``open_clip:hf-hub:OWNER/REPO@REVISION`` and ``open_clip:FOLDER`` have a config of their own, ``open_clip_config.json``.
Without weights, the model has seeded random weights, for smoke tests and baselines.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from goldieval.core.errors import GoldievalError, did_you_mean, first_line
from goldieval.core.reads import note_unknown, notes_reads
from goldieval.models.adapter import LoadOptions, Model
from goldieval.models.spec import ModelSpec
from goldieval.models.spec_options import StandardOptions, accepts_options, standard_options
from model_adapters.alter import changes
from model_adapters.no_code import no_code
from model_adapters.open_clip_build import build_model
from model_adapters.open_clip_files import ARRAYS, Built, with_weights
from model_adapters.open_clip_folder import load_folder, open_clip_folder
from model_adapters.open_clip_sizes import Sizes
from model_adapters.open_clip_weights import usual_transform, weights_of_tag
from model_adapters.spec_tokenizer import NAMED_ELSEWHERE, note_texts_of
from model_adapters.with_options import OPTIONS, PlainModel, with_options

TRANSFORM_KEYS = ("mean", "std", "interpolation", "resize_mode")


@notes_reads
@accepts_options(*OPTIONS, "drop")
def load(spec: ModelSpec, options: LoadOptions) -> Model:
    """Load an open_clip model.

    Raises:
        GoldievalError: The architecture or tag does not exist, the tag was trained with the other GELU, weights are not
            cached under ``--offline``, a file does not fit or contains more than tensors, or the architecture does not
            allow an option.
    """
    import open_clip

    if folder := open_clip_folder(spec, options):
        return load_folder(folder, spec, options)
    architecture, _, tag = spec.name.partition("/")
    _check_architecture(spec, architecture, open_clip.list_models())
    wanted = standard_options(spec)
    if tag and spec.where:
        raise GoldievalError(f"model {spec.text!r}: give a tag or a file, not both.")
    if wanted.drop and not spec.where:
        raise GoldievalError(f"model {spec.text!r}: drop leaves out tensors of a file: name the file after '@'.")
    file, about = (
        weights_of_tag(architecture, tag, options, wanted.quickgelu)
        if tag
        else (spec.where, usual_transform(architecture))
    )
    text = open_clip.get_model_config(architecture)["text_cfg"]
    note_texts_of(architecture)
    elsewhere = any(name in text for name in NAMED_ELSEWHERE)
    drawn = not file or Path(file).suffix in ARRAYS or elsewhere
    build = partial(build_model, architecture, drawn)
    with no_code(elsewhere):
        built = Built(_from_elsewhere(architecture, build) if elsewhere else build(Sizes()))
        if not file:
            note_unknown()  # random weights
        if file:
            built = with_weights(built.module, build, Path(file), architecture, wanted.drop)
        elif (sizes := _sizes(spec, built.module, wanted)) != Sizes():
            built = Built(build(sizes), sizes)
        plain = PlainModel(
            built.module,
            lambda sizes: build(_over(built.sizes, sizes)),
            lambda context: _tokenizer(architecture, context or built.sizes.context),
            {name: about.get(name) for name in TRANSFORM_KEYS},
            built.notes,
            text.get("tokenizer_kwargs", {}) if "hf_tokenizer_name" in text else {},
            text.get("context_length") if "hf_model_name" in text else None,
        )
        notice = "" if file else "random weights: every score should be at chance"
        return with_options(plain, spec, options, family="open_clip", notice=notice)


def _sizes(spec: ModelSpec, module: Any, wanted: StandardOptions) -> Sizes:
    """Return those sizes of the options that a module without weights is built with."""
    try:
        return changes(module, wanted)
    except GoldievalError as error:
        raise GoldievalError(f"model {spec.text!r}: {error}") from error


def _over(own: Sizes, sizes: Sizes) -> Sizes:
    """Return sizes, with those of a file where they are None."""
    return Sizes(sizes.image or own.image, sizes.context or own.context, sizes.quick_gelu)


def _from_elsewhere(architecture: str, build: Callable[[Sizes], Any]) -> Any:
    """Build a model whose text tower is defined by transformers. Raises GoldievalError if that is not available."""
    try:
        return build(Sizes())
    except Exception as error:  # from transformers, the Hub library and the HTTP library that it uses
        raise GoldievalError(
            f"the text tower of {architecture} is not on this machine and cannot be fetched: {first_line(error)} "
            "Fetch it once on a machine with a network, without --offline."
        ) from error


def _check_architecture(spec: ModelSpec, architecture: str, known: list[str]) -> None:
    if not architecture:
        raise GoldievalError(f"model {spec.text!r}: name an architecture, for example open_clip:ViT-B-32/openai.")
    if architecture not in known:
        near = did_you_mean(architecture, known)
        there = "" if near or "/" not in spec.name else f" A repository is written open_clip:hf-hub:{spec.name}."
        raise GoldievalError(f"model {spec.text!r}: open_clip has no architecture {architecture!r}.{near}{there}")


def _tokenizer(architecture: str, context_length: int | None = None) -> Any:
    import open_clip

    try:
        return open_clip.get_tokenizer(architecture, context_length=context_length)
    except Exception as error:
        raise GoldievalError(
            f"the tokenizer of {architecture} is not on this machine and cannot be fetched: {first_line(error)}. "
            "Fetch it once on a machine with a network, without --offline."
        ) from error
