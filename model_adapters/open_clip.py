"""open_clip models: ``open_clip:ARCH/TAG`` (named weights), ``open_clip:ARCH@FILE`` (a checkpoint), ``open_clip:ARCH``.

Without weights, the model has seeded random weights, for smoke tests and baselines.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from goldieval.core.errors import GoldievalError, did_you_mean, first_line
from goldieval.models.adapter import LoadOptions, Model
from goldieval.models.spec import ModelSpec
from model_adapters.no_code import no_code
from model_adapters.open_clip_adapter import adapter_of
from model_adapters.open_clip_files import Built, with_weights
from model_adapters.open_clip_sizes import Sizes
from model_adapters.open_clip_weights import usual_transform, weights_of_tag

NAMED_ELSEWHERE = {"hf_model_name", "hf_tokenizer_name"}  # parts of a model that are built by transformers


def load(spec: ModelSpec, options: LoadOptions) -> Model:
    """Load an open_clip model.

    Raises:
        GoldievalError: The architecture or tag does not exist, the tag was trained with the other GELU, weights are not
            cached under ``--offline``, or a file does not fit or contains more than tensors.
    """
    import open_clip

    architecture, _, tag = spec.name.partition("/")
    _check_architecture(spec, architecture, open_clip.list_models())
    if tag and spec.where:
        raise GoldievalError(f"model {spec.text!r}: give a tag or a file, not both.")
    file, about = weights_of_tag(architecture, tag, options) if tag else (spec.where, usual_transform(architecture))
    build = partial(_built, architecture, about)
    elsewhere = NAMED_ELSEWHERE & set(open_clip.get_model_config(architecture)["text_cfg"])
    with no_code(bool(elsewhere)):
        built = Built(*(_from_elsewhere(architecture, build) if elsewhere else build(Sizes())))
        if file:
            built = with_weights(built, build, Path(file), architecture)
        tokenizer = _tokenizer(architecture, built.sizes.context)
    return adapter_of(
        built.module.to(options.device),
        built.preprocess,
        tokenizer,
        spec=spec.text,
        family="open_clip",
        precision=options.precision,
        notice="" if file else "random weights: every score should be at chance",
        checkpoint="; ".join(built.notes),
    )


def _from_elsewhere(architecture: str, build: Callable[[Sizes], tuple[Any, Any]]) -> tuple[Any, Any]:
    """Build a model whose text tower is defined by transformers. Raises GoldievalError if that is not available."""
    try:
        return build(Sizes())
    except Exception as error:  # from transformers, the Hub library and the HTTP library that it uses
        raise GoldievalError(
            f"the text tower of {architecture} is not on this machine and cannot be fetched: {first_line(error)} "
            "Fetch it once on a machine with a network, without --offline."
        ) from error


def _built(architecture: str, about: dict[str, Any], sizes: Sizes) -> tuple[Any, Any]:
    """Return a module with seeded weights, with the given sizes in place of its config's, and its transform."""
    import open_clip

    with seeded(0), _quietly():
        module, _, preprocess = open_clip.create_model_and_transforms(
            architecture,
            pretrained_text=False,
            image_mean=about.get("mean"),
            image_std=about.get("std"),
            image_interpolation=about.get("interpolation"),
            image_resize_mode=about.get("resize_mode"),
            force_image_size=sizes.image,
            force_context_length=sizes.context,
        )
        if sizes.image and hasattr(module.visual, "trunk"):
            module.visual.set_input_size(sizes.image)
    return module, preprocess


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Draw random weights from ``seed`` and restore the caller's random state."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


@contextmanager
def _quietly() -> Iterator[None]:
    """Suppress open_clip's warning that no weights were loaded: they are loaded, or not wanted, in the next step."""
    import logging

    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


def _check_architecture(spec: ModelSpec, architecture: str, known: list[str]) -> None:
    if not architecture:
        raise GoldievalError(f"model {spec.text!r}: name an architecture, for example open_clip:ViT-B-32/openai.")
    if architecture not in known:
        near = did_you_mean(architecture, known)
        raise GoldievalError(f"model {spec.text!r}: open_clip has no architecture {architecture!r}.{near}")


def _tokenizer(architecture: str, context_length: int | None = None) -> Any:
    import open_clip

    try:
        return open_clip.get_tokenizer(architecture, context_length=context_length)
    except Exception as error:
        raise GoldievalError(
            f"the tokenizer of {architecture} is not on this machine and cannot be fetched: {first_line(error)}. "
            "Fetch it once on a machine with a network, without --offline."
        ) from error
