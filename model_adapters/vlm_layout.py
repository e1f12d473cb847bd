"""What differs between versions of LLaVA's files: what older processors do not say, and the names of tensors."""

from __future__ import annotations

from typing import Any

from goldieval.core.errors import GoldievalError

LANGUAGE = "language_model."
CLASS_TOKENS = ("class_embedding", "cls_token")  # ends of the names of weights


def complete(processor: Any, module: Any) -> list[str]:
    """Set what a processor needs to know of the image tower, where its folder does not say it.

    The processor writes as many marks as the model has tokens for a picture.

    Args:
        processor: The processor; its attributes are set.
        module: The model.

    Returns:
        What was set, for plan and record.

    Raises:
        GoldievalError: The config of the model does not say it either.
    """
    if not hasattr(processor, "vision_feature_select_strategy") or not hasattr(processor, "patch_size"):
        return []
    config, lacking = module.config, processor.patch_size is None
    values = {
        "patch_size": getattr(config.vision_config, "patch_size", None),
        "vision_feature_select_strategy": getattr(config, "vision_feature_select_strategy", None),
    }
    missing = [name for name in values if getattr(processor, name) is None]
    if unknown := [name for name in missing if values[name] is None]:
        raise GoldievalError(f"neither its processor nor its config says {', '.join(unknown)}: add it to either.")
    for name in missing:
        setattr(processor, name, values[name])
    if lacking and hasattr(processor, "num_additional_image_tokens"):
        processor.num_additional_image_tokens = int(_has_class_token(module))
        missing.append("num_additional_image_tokens")
    return [f"{name} {getattr(processor, name)} from its config" for name in missing]


def _has_class_token(module: Any) -> bool:
    """Return whether the image tower puts a token of its own before those of patches."""
    return any(name.endswith(CLASS_TOKENS) for name, _ in module.named_parameters())


def saved_name(name: str) -> str:
    """Return the name with which transformers saves a tensor of a LLaVA, given that in the model.

    >>> saved_name("model.language_model.norm.weight"), saved_name("lm_head.weight")
    ('language_model.model.norm.weight', 'language_model.lm_head.weight')
    """
    inner = name.removeprefix("model.")
    if inner.startswith(LANGUAGE):
        return f"{LANGUAGE}model.{inner.removeprefix(LANGUAGE)}"
    return f"{LANGUAGE}{inner}" if inner.startswith("lm_head.") else inner


def released_name(name: str) -> str:
    """Return the name of a tensor in the released folders of LLaVA-1.5."""
    return saved_name(name).replace("vision_tower.", "vision_tower.vision_model.")


STORED_NAMES = (saved_name, released_name)
