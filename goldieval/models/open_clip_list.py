"""The named weights of the installed open_clip, read from its source: importing it would import torch.

The dictionary of weights in ``open_clip/pretrained.py`` is parsed and not executed; sizes come from the JSON files of
the architectures. ``tests/models/test_listing.py`` compares both with what open_clip itself says.
"""

from __future__ import annotations

import ast
import importlib.util
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from goldieval.core.errors import GoldievalError

QUICK = "-quickgelu"  # of architectures with the activation of OpenAI's models


@dataclass(frozen=True)
class NamedWeights:
    """Named weights of open_clip.

    Attributes:
        architecture: name of the architecture.
        tag: name of the weights.
        resolution: side length of the images in pixels; None if its configuration has none.
    """

    architecture: str
    tag: str
    resolution: int | None


def named_weights() -> list[NamedWeights]:
    """Return the named weights that can be loaded, each under the architecture with the activation it was trained with.

    Raises:
        GoldievalError: open_clip is not installed, or its source has another form.
    """
    return list(_named_weights())


@cache
def _named_weights() -> tuple[NamedWeights, ...]:
    spec = importlib.util.find_spec("open_clip")
    if spec is None or not spec.submodule_search_locations:
        raise GoldievalError("open_clip is not installed; see: goldieval doctor")
    folder = Path(next(iter(spec.submodule_search_locations)))
    listed = _parsed(folder / "pretrained.py")
    configs = {file.stem: file for file in (folder / "model_configs").glob("*.json")}
    return tuple(
        NamedWeights(architecture, tag, _resolution(configs.get(architecture)))
        for name, tags in listed.items()
        for tag, quick in tags.items()
        for architecture in [_with_activation(name, quick, configs)]
    )


def _with_activation(architecture: str, quick: bool, configs: dict[str, Path]) -> str:
    """Return the architecture with the activation that weights were trained with."""
    other = f"{architecture}{QUICK}"
    return other if quick and not architecture.endswith(QUICK) and other in configs else architecture


def _parsed(file: Path) -> dict[str, dict[str, bool]]:
    """Return whether each weights were trained with QuickGELU, by architecture and tag."""
    assigned = {
        target.id: node.value
        for node in ast.parse(file.read_text(encoding="utf-8")).body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    weights = assigned.get("_PRETRAINED")
    if not isinstance(weights, ast.Dict):
        raise GoldievalError(f"{file} has another form than that of open_clip 3: its weights cannot be listed.")
    return {
        str(key.value): dict(_tags(assigned.get(value.id) if isinstance(value, ast.Name) else value))
        for key, value in zip(weights.keys, weights.values, strict=True)
        if isinstance(key, ast.Constant)
    }


def _tags(node: ast.expr | None) -> Iterator[tuple[str, bool]]:
    """Yield the tags of one architecture, a call of ``dict``, and whether each has QuickGELU."""
    for entry in node.keywords if isinstance(node, ast.Call) else []:
        settings = entry.value.keywords if isinstance(entry.value, ast.Call) else []
        quick = any(each.arg == "quick_gelu" and _is_true(each.value) for each in settings)
        if entry.arg:
            yield entry.arg, quick


def _is_true(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is True


def _resolution(config: Path | None) -> int | None:
    if config is None:
        return None
    size = json.loads(config.read_text(encoding="utf-8")).get("vision_cfg", {}).get("image_size")
    return size if isinstance(size, int) else None
