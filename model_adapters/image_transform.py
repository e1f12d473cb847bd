"""Image transforms of open_clip with the options of a spec."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from goldieval.models.spec_options import StandardOptions, canonical

KEYS = {"resize": "resize_mode", "interpolation": "interpolation", "mean": "mean", "std": "std"}


def transform_with(options: StandardOptions, config: Mapping[str, Any]) -> tuple[Any, tuple[str, ...]]:
    """Return a transform, and those options that differ from its config.

    Args:
        options: Options of the spec.
        config: Fields of open_clip's ``PreprocessCfg``, with the size of the image tower.
    """
    from open_clip.transform import PreprocessCfg, image_transform_v2

    usual = asdict(PreprocessCfg()) | {name: value for name, value in config.items() if value is not None}
    given = {name: getattr(options, name) for name in KEYS if getattr(options, name) is not None}
    changed = {name: value for name, value in given.items() if value != _plain(usual[KEYS[name]])}
    wanted = usual | {KEYS[name]: value for name, value in changed.items()}
    transform = image_transform_v2(PreprocessCfg(**wanted), is_train=False)
    return transform, tuple(canonical(name, value) for name, value in changed.items())


def _plain(value: Any) -> Any:
    """Return a value of a config in the form of an option; ``random`` interpolation is bicubic outside training."""
    if isinstance(value, str):
        return "bicubic" if value == "random" else value
    numbers = tuple(value) if isinstance(value, list | tuple) else (value,) * 3
    return tuple(float(number) for number in numbers)
