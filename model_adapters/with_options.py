"""Adapters of open_clip modules with the options of a spec: one way for all families that are built on open_clip."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from goldieval.core.errors import GoldievalError
from goldieval.models.adapter import LoadOptions, Model
from goldieval.models.alterations import Alterations
from goldieval.models.spec import ModelSpec
from goldieval.models.spec_options import StandardOptions, canonical_options, standard_options
from model_adapters.alter import Altered, alter, reads_any_context
from model_adapters.image_transform import transform_with
from model_adapters.open_clip_adapter import adapter_of
from model_adapters.open_clip_sizes import Sizes
from model_adapters.spec_tokenizer import changed_tokenizer, ends_with_largest_id, named_tokenizer

OPTIONS = ("size", "context", "quickgelu", "resize", "interpolation", "mean", "std", "pooling", "tokenizer")


@dataclass(frozen=True)
class PlainModel:
    """A model without the options of its spec.

    Attributes:
        module: The module with its weights.
        build: Builds a module of the same architecture in other sizes, without its weights.
        tokenizer: Returns its tokenizer for a context length, or for its own.
        transform: Fields of open_clip's ``PreprocessCfg`` in which its transform differs from CLIP's, besides the size.
        notes: Notes on how its file was read.
        tokenizer_settings: Settings of its tokenizer, if that is one of transformers.
        context: Tokens of a text, if not as many as the text tower has positions.
        text: The option that chose its text tower, if there are several: ``text=long``.
        base: Fingerprint of the model without this option.
    """

    module: Any
    build: Callable[[Sizes], Any]
    tokenizer: Callable[[int | None], Any]
    transform: Mapping[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    tokenizer_settings: Mapping[str, Any] = field(default_factory=dict)
    context: int | None = None
    text: str = ""
    base: str = ""


def with_options(plain: PlainModel, spec: ModelSpec, options: LoadOptions, **about: Any) -> Model:
    """Apply the options of a spec to a model, and wrap it.

    Args:
        plain: The model.
        spec: Its spec.
        options: How it is loaded.
        about: Further arguments of ``adapter_of``.

    Raises:
        GoldievalError: The architecture does not allow an option.
    """
    wanted = standard_options(spec)
    try:
        altered = alter(plain.module, plain.build, wanted)
        tokenizer, tokens = _tokenizer(plain, altered, wanted)
    except GoldievalError as error:
        raise GoldievalError(f"model {spec.text!r}: {error}") from error
    module = altered.module
    preprocess, pixels = transform_with(wanted, {**plain.transform, "size": module.visual.image_size})
    alterations = _of_text(altered.alterations, plain, module)
    inputs = (*alterations.inputs, *pixels, *tokens)
    alterations = replace(alterations, options=canonical_options(wanted), inputs=inputs)
    texts = [plain.text] if plain.text else []
    notes = [*plain.notes, *texts, *altered.notes, *pixels, *_token_notes(module, tokenizer, tokens)]
    return adapter_of(
        module.to(options.device).eval(),
        preprocess,
        tokenizer,
        spec=spec.text,
        precision=options.precision,
        checkpoint="; ".join(notes),
        alterations=alterations,
        **about,
    )


def _of_text(alterations: Alterations, plain: PlainModel, module: Any) -> Alterations:
    """Add the option that chose the text tower: it changes no embedding of an image."""
    from goldieval.models.torch_adapter import module_fingerprint

    if not plain.text:
        return alterations
    loaded = alterations.loaded or module_fingerprint(module)
    return replace(alterations, text=(plain.text, *alterations.text), base=plain.base, loaded=loaded)


def _tokenizer(plain: PlainModel, altered: Altered, wanted: StandardOptions) -> tuple[Any, tuple[str, ...]]:
    """Return the tokenizer, and those options that change its ids without changing the text tower."""
    module, context = altered.module, wanted.context
    if context and reads_any_context(module) and context > module.context_length:
        raise GoldievalError(f"context={context}: the text tower reads at most {module.context_length} tokens.")
    usual = partial(plain.tokenizer, context)
    if wanted.tokenizer is not None:
        length = context or plain.context or module.context_length
        tokenizer = named_tokenizer(wanted.tokenizer, length, module.vocab_size, plain.tokenizer_settings)
        return tokenizer, changed_tokenizer("tokenizer", tokenizer, usual)
    tokenizer = usual()
    if context and reads_any_context(module):
        return tokenizer, changed_tokenizer("context", tokenizer, partial(plain.tokenizer, None))
    return tokenizer, ()


def _token_notes(module: Any, tokenizer: Any, changed: Sequence[str]) -> list[str]:
    """Return what another tokenizer changes, and whether the text tower finds the end of its texts."""
    tower = getattr(module, "text", module)
    pool = getattr(tower, "text_pool_type", getattr(tower, "pool_type", ""))
    notes = [f"{part.partition('=')[0]} as in the spec" for part in changed]
    if changed and pool == "argmax" and not ends_with_largest_id(tokenizer):
        notes.append("the end token of this tokenizer is not its largest id, where this text tower pools")
    return notes
