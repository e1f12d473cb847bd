"""open_clip models: ``open_clip:ARCH/TAG`` (named weights), ``open_clip:ARCH@FILE`` (a checkpoint), ``open_clip:ARCH``.

Without weights, the model has seeded random weights, for smoke tests and baselines.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from goldieval.core.errors import GoldievalError, did_you_mean, first_line, listing
from goldieval.core.offline import is_offline
from goldieval.models.adapter import LoadOptions, Model
from goldieval.models.safe_load import check_is_weights
from goldieval.models.spec import ModelSpec
from model_adapters.fill import check_finite, fill
from model_adapters.no_code import no_code
from model_adapters.open_clip_sizes import Sizes, hint, sizes_of
from model_adapters.tensors import TensorFile, read
from model_adapters.unwrap import find_model, without

BIAS, SCALE = "logit_bias", "logit_scale"
# Tensors of other versions of CLIP's code: sizes, masks and indices that a module creates itself.
CONSTANTS = ("attn_mask", "position_ids", "input_resolution", "context_length", "vocab_size", "n_averaged")
MOBILE = "image_encoder.model.patch_emb"
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
    file, about = _weights_of_tag(architecture, tag, options) if tag else (spec.where, usual_transform(architecture))
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


@dataclass(frozen=True)
class Built:
    """A module with its transform.

    Attributes:
        module: The module.
        preprocess: Its image transform.
        sizes: Differences from the config.
        notes: Notes on how its file was read.
    """

    module: Any
    preprocess: Any
    sizes: Sizes = field(default_factory=Sizes)
    notes: list[str] = field(default_factory=list)


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


def adapter_of(module: Any, preprocess: Any, tokenizer: Any, kind: Any = None, **about: Any) -> Model:
    """Wrap an open_clip module, with exact text trimming and dense features if its towers allow them.

    Args:
        module: The module.
        preprocess: Its image transform.
        tokenizer: Its tokenizer.
        kind: Class of the adapter, for families that offer more than ``TorchAdapter``.
        about: Further arguments of ``TorchAdapter``.
    """
    from goldieval.models.torch_adapter import TorchAdapter
    from model_adapters.open_clip_dense import dense, dense_tower

    tower, vision = trimmable_tower(module), dense_tower(module)

    class Trimming(TorchAdapter):
        def encode_text(self, tokens: Any) -> Any:
            with self._autocast():
                return encode_any_length(tower, tokens.to(self.device, non_blocking=True))

    class WithPatches(TorchAdapter):
        def dense(self, pixels: Any, attention: str) -> Any:
            with self._autocast():
                return dense(vision, pixels.to(self.device, non_blocking=True), attention == "csa")

    bases = [base for base, has in ((Trimming, tower), (WithPatches, vision)) if has is not None]
    wrapped = type("OpenClip", (*bases, kind or TorchAdapter), {})
    made: Model = wrapped(module, preprocess, tokenizer, trims=tower is not None, **about)
    return made


def trimmable_tower(module: Any) -> Any | None:
    """Return the text tower if removing a text's padding cannot change its embedding, else None.

    This holds for a causal mask with end-token pooling, but not for towers that attend to padding (SigLIP).
    """
    from open_clip.transformer import TextTransformer

    tower = getattr(module, "text", module)
    causal = getattr(tower, "attn_mask", None) is not None
    pools_end = getattr(tower, "text_pool_type", getattr(tower, "pool_type", "")) in ("argmax", "eos")
    plain = not isinstance(tower, TextTransformer) or (tower.cls_emb is None and not tower.use_pad_mask)
    return tower if causal and pools_end and plain and hasattr(tower, "token_embedding") else None


def encode_any_length(tower: Any, tokens: Any) -> Any:
    """Encode token ids of any length up to the context; open_clip's own forward accepts only the full context."""
    from open_clip.transformer import text_global_pool

    length = tokens.shape[1]
    dtype = tower.transformer.get_cast_dtype()
    hidden = tower.token_embedding(tokens).to(dtype) + tower.positional_embedding[:length].to(dtype)
    hidden = tower.ln_final(tower.transformer(hidden, attn_mask=tower.attn_mask[:length, :length]))
    pool = getattr(tower, "text_pool_type", None) or tower.pool_type
    end = getattr(tower, "text_eos_id", getattr(tower, "eos_id", None))
    pooled = text_global_pool(hidden, tokens, pool, eos_token_id=end)
    projection = tower.text_projection
    if projection is None:
        return pooled
    return projection(pooled) if callable(projection) else pooled @ projection


def with_weights(built: Built, build: Callable[[Sizes], tuple[Any, Any]], file: Path, architecture: str) -> Built:
    """Load a training checkpoint or a state dict into a module, which is rebuilt if the file has other sizes.

    Args:
        built: The module with its transform.
        build: Builds module and transform of the architecture in other sizes.
        file: The checkpoint.
        architecture: Name of the architecture.

    Raises:
        GoldievalError: The file does not exist, is not a checkpoint, contains code or objects, or does not fit.
    """
    module, preprocess = built.module, built.preprocess
    if file.suffix in (".npz", ".npy"):
        _big_vision(module, file, architecture)
        return built
    stored = read(file)
    found = without(find_model(_converted(module, stored), layouts_of(module)), CONSTANTS)
    state, extra, notes = dict(found.state), list(found.extra), list(found.notes)
    sizes = sizes_of(state, module, stored.file)
    if sizes != Sizes():
        notes += sizes.notes(module)
        module, preprocess = build(sizes)
    if BIAS in extra and getattr(module, BIAS, None) is None:
        extra.remove(BIAS)
        notes.append(f"{BIAS} left out: cosines do not need it")
    elif getattr(module, BIAS, None) is not None and BIAS not in state and "logit_scale" in state:
        state[BIAS] = state["logit_scale"].new_zeros(())  # as open_clip begins with it
    if state and SCALE not in state:
        state[SCALE] = module.state_dict()[SCALE]
        notes.append(f"no {SCALE} in the file: cosines do not need it")
    fill(module, state, extra, stored.file, architecture, hint(state, stored.tensors, architecture))
    return Built(module, preprocess, sizes, notes)


def layouts_of(module: Any) -> list[dict[str, str]]:
    """Return the mappings from names in a file to a module's names; open_clip's two layouts differ by ``text.``."""
    names = list(module.state_dict())
    if hasattr(module, "text"):
        return [{name: name for name in names}, {name.removeprefix("text."): name for name in names}]
    image = ("visual.", "logit_")
    return [
        {name: name for name in names},
        {name if name.startswith(image) else f"text.{name}": name for name in names},
    ]


def _converted(module: Any, stored: TensorFile) -> TensorFile:
    """Rename Apple's MobileCLIP tensors as in open_clip; other files are returned unchanged."""
    from open_clip.convert import convert_state_dict

    prefix = next((name.partition(MOBILE)[0] for name in stored.tensors if MOBILE in name), None)
    if prefix is None:
        return stored
    own = {name.removeprefix(prefix): part for name, part in stored.tensors.items() if name.startswith(prefix)}
    return replace(stored, tensors=convert_state_dict(module, own))


def _big_vision(module: Any, file: Path, architecture: str) -> None:
    """Load SigLIP's NumPy arrays with open_clip's converter; NumPy refuses pickles in them.

    Raises:
        GoldievalError: The file does not exist, is damaged, or differs from the architecture in size.
    """
    import numpy as np
    from open_clip.factory import load_checkpoint

    check_is_weights(file)
    try:
        with np.load(file) as arrays:
            rows = arrays["params/img/pos_embedding"].shape[1] if "params/img/pos_embedding" in arrays else None
        own = getattr(getattr(module.visual, "trunk", None), "pos_embed", None)
        if rows is not None and own is not None and rows != own.shape[1]:
            raise GoldievalError(f"{file} has {rows:,} image positions, {architecture} has {own.shape[1]:,}.")
        load_checkpoint(module, str(file), strict=True, weights_only=True)
    except GoldievalError:
        raise
    except Exception as error:  # from NumPy, and from open_clip if an array is missing
        raise GoldievalError(
            f"{file} is not a readable checkpoint: {type(error).__name__}: {first_line(error)}"
        ) from error
    check_finite(module.state_dict(), file)


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


def _weights_of_tag(architecture: str, tag: str, options: LoadOptions) -> tuple[str, dict[str, Any]]:
    """Return the file of named weights and their properties in open_clip, after checks that open_clip does not make.

    A cached file is used without network access; only a missing one is downloaded, by open_clip.
    """
    from open_clip.pretrained import download_pretrained, get_pretrained_cfg

    from goldieval.data.remote import cached_weights

    config = get_pretrained_cfg(architecture, tag)
    _check_tag(architecture, tag, config)
    try:
        file = cached_weights(config.get("hf_hub", ""), config.get("url", ""))
        if not file:
            _announce(architecture, tag, config, options)
            file = str(download_pretrained(config))
    except GoldievalError:
        raise
    except Exception as error:
        raise GoldievalError(
            f"cannot fetch the weights {architecture}/{tag}: {type(error).__name__}: {first_line(error)}"
        ) from error
    return file, config


def _check_tag(architecture: str, tag: str, config: dict[str, Any]) -> None:
    """Refuse unknown weights, and those trained with the other GELU, for which there is a separate architecture."""
    from open_clip.factory import get_model_config
    from open_clip.pretrained import get_pretrained_cfg, list_pretrained_tags_by_model

    sibling = _sibling(architecture)
    elsewhere = bool(get_pretrained_cfg(sibling, tag))
    quick = bool(get_model_config(architecture).get("quick_gelu", False))
    if elsewhere and (not config or quick != bool(config.get("quick_gelu", False))):
        raise GoldievalError(
            f"weights {tag!r} were trained with {'GELU' if quick else 'QuickGELU'}, but {architecture} has "
            f"{'QuickGELU' if quick else 'GELU'}; scores would be silently low. Use open_clip:{sibling}/{tag}"
        )
    if not config:
        known = list_pretrained_tags_by_model(architecture)
        near = did_you_mean(tag, known) or f" It has {listing(known, 8) or 'none'}."
        raise GoldievalError(f"open_clip has no weights {tag!r} for {architecture}.{near}")


def usual_transform(architecture: str) -> dict[str, Any]:
    """Return the image transform options common to all named weights of an architecture; empty if they differ.

    A checkpoint file does not contain its transform, and for SigLIP or Perception Encoder it is not CLIP's.
    """
    from open_clip.pretrained import get_pretrained_cfg, list_pretrained_tags_by_model

    keys = ("mean", "std", "interpolation", "resize_mode")
    tags = list_pretrained_tags_by_model(architecture)
    known = [{key: get_pretrained_cfg(architecture, tag).get(key) for key in keys} for tag in tags]
    return known[0] if known and all(each == known[0] for each in known) else {}


def _sibling(architecture: str) -> str:
    """Return the architecture of the same shape with the other GELU."""
    plain = architecture.removesuffix("-quickgelu")
    return plain if plain != architecture else f"{architecture}-quickgelu"


def _announce(architecture: str, tag: str, config: dict[str, Any], options: LoadOptions) -> None:
    """Announce a download and its size. Raises GoldievalError under ``--offline``."""
    from goldieval.data.remote import addresses, first_there

    places = addresses(config.get("hf_hub", ""), config.get("url", ""))
    if is_offline():
        raise GoldievalError(
            f"weights {architecture}/{tag} are not on this machine and --offline is set ({places[0]})."
        )
    place, size = first_there(places)
    options.announce(f"fetching {architecture}/{tag}: {size / 1e6:,.0f} MB from {place}")


def _tokenizer(architecture: str, context_length: int | None = None) -> Any:
    import open_clip

    try:
        return open_clip.get_tokenizer(architecture, context_length=context_length)
    except Exception as error:
        raise GoldievalError(
            f"the tokenizer of {architecture} is not on this machine and cannot be fetched: {first_line(error)}. "
            "Fetch it once on a machine with a network, without --offline."
        ) from error
