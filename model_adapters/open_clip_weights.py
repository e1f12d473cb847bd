"""open_clip's named weights: found in the cache or downloaded, after checks that open_clip does not make."""

from __future__ import annotations

from typing import Any

from goldieval.core.errors import GoldievalError, did_you_mean, first_line, listing
from goldieval.core.offline import is_offline
from goldieval.models.adapter import LoadOptions


def weights_of_tag(
    architecture: str, tag: str, options: LoadOptions, quick: bool | None = None
) -> tuple[str, dict[str, Any]]:
    """Return the file of named weights and their properties in open_clip, after checks that open_clip does not make.

    A cached file is used without network access; only a missing one is downloaded, by open_clip.

    Args:
        architecture: Name of the architecture.
        tag: Name of the weights.
        options: How the model is loaded.
        quick: Whether the user asks for QuickGELU; None for the activation of the architecture.
    """
    from open_clip.pretrained import download_pretrained, get_pretrained_cfg

    from goldieval.data.remote import cached_weights

    config = get_pretrained_cfg(architecture, tag)
    _check_tag(architecture, tag, config, quick)
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


def _check_tag(architecture: str, tag: str, config: dict[str, Any], asked: bool | None) -> None:
    """Refuse unknown weights, and those trained with the other GELU, for which there is a separate architecture."""
    from open_clip.factory import get_model_config
    from open_clip.pretrained import get_pretrained_cfg, list_pretrained_tags_by_model

    sibling = _sibling(architecture)
    elsewhere = bool(get_pretrained_cfg(sibling, tag))
    quick = bool(get_model_config(architecture).get("quick_gelu", False))
    if elsewhere and (not config or (asked is None and quick != bool(config.get("quick_gelu", False)))):
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
