"""Weights files of other code bases: only tensors, by their complete path in the file."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from goldieval.core.errors import GoldievalError, first_line
from goldieval.core.limits import RECORD_BYTES
from goldieval.core.reading import read_json
from goldieval.models.safe_load import check_is_weights, is_safetensors, only_tensors
from goldieval.models.spec import split_part

if TYPE_CHECKING:
    import torch

CONFIGS = ("config.json", "open_clip_config.json")
REPEATED = 10**6  # bytes of a tensor that may be absent from the file: constants are often saved as views
MOMENTS = ("optim", "opt_", "exp_avg", "momentum_buffer", "grad")  # optimiser state, which has the weights' names


@dataclass(frozen=True)
class TensorFile:
    """Content of a weights file.

    Attributes:
        file: The file.
        tensors: Tensors by their complete name.
        config: Sizes from the file or from a file beside it.
        part: Which of several models in it is meant, from FILE#PART.
    """

    file: Path
    tensors: dict[str, torch.Tensor]
    config: dict[str, Any] = field(default_factory=dict)
    part: str = ""


def read(place: Path) -> TensorFile:
    """Read a safetensors file, or a torch file that contains only tensors and plain values; FILE#PART names a part.

    Raises:
        GoldievalError: The file is missing, damaged, of another kind, contains code or objects, or no tensors.
    """
    name, part = split_part(str(place))
    file = Path(name)
    check_is_weights(file)
    tensors, config = _safetensors(file) if is_safetensors(file) else _torch(file)
    if not tensors:
        raise GoldievalError(f"{file} holds no state dict.")
    if lacking := [name for name, tensor in tensors.items() if tensor.is_meta]:
        raise GoldievalError(f"{file}: {lacking[0]} has a shape but no values. Save the weights themselves.")
    for name, tensor in tensors.items():
        _check_values(name, tensor, file)
    return TensorFile(file, tensors, _config(config, file), part)


def _check_values(name: str, tensor: torch.Tensor, file: Path) -> None:
    """Refuse a tensor that is an expanded view of few values: a copy of it would exhaust memory."""
    here = tensor.untyped_storage().nbytes() if str(tensor.layout) == "torch.strided" else 0
    values = math.prod(max(1, side) for side in tensor.shape)  # a side of 0 would allow any other sides
    if values * tensor.element_size() > here + REPEATED:
        raise GoldievalError(
            f"{file}: {name[:80]} has a shape of {values:,} values, but the file has fewer. "
            "Save the weights themselves, contiguous and dense."
        )


def _safetensors(file: Path) -> tuple[dict[str, torch.Tensor], Any]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(file), framework="pt") as content:
            tensors = {name: content.get_tensor(name) for name in content.keys()}  # noqa: SIM118
            config = json.loads((content.metadata() or {}).get("config", "{}"))
    except (SafetensorError, OSError, ValueError, RecursionError) as error:
        raise GoldievalError(f"{file} is not a readable safetensors checkpoint: {first_line(error)}") from error
    return {name: tensor for name, tensor in tensors.items() if not name.startswith(MOMENTS)}, config


def _torch(file: Path) -> tuple[dict[str, torch.Tensor], Any]:
    import torch

    try:
        with only_tensors(file):
            content = torch.load(file, map_location="cpu", weights_only=True)
    except GoldievalError:
        raise
    except Exception as error:  # torch raises many types
        if "weights_only" in str(error):  # a TorchScript archive, OpenAI's original format
            raise GoldievalError(f"{file} is a TorchScript program, not tensors; it is not loaded.") from error
        raise GoldievalError(
            f"{file} is not a readable checkpoint: {type(error).__name__}: {first_line(error)}"
        ) from error
    config = content.get("config", {}) if isinstance(content, dict) else {}
    return dict(_flat(content)), config


def _flat(content: Any, prefix: str = "") -> Iterator[tuple[str, torch.Tensor]]:
    """Yield the tensors in nested mappings and lists, except optimiser state."""
    import torch

    inner = content.items() if isinstance(content, Mapping) else _numbered(content)
    for name, value in inner:
        if isinstance(value, torch.Tensor):
            yield f"{prefix}{name}", value
        elif not str(name).startswith(MOMENTS):
            yield from _flat(value, f"{prefix}{name}.")


def _numbered(content: Any) -> Iterator[tuple[Any, Any]]:
    """Yield the mappings in a list by their index, and pairs of name and tensor by their name."""
    import torch

    for number, each in enumerate(content if isinstance(content, list | tuple) else ()):
        if isinstance(each, Mapping):
            yield number, each
        elif isinstance(each, tuple | list) and len(each) == 2 and isinstance(each[1], torch.Tensor):
            yield each[0], each[1]


def _config(config: Any, file: Path) -> dict[str, Any]:
    """Return the sizes in the file, else those of a JSON file beside it, with the same name or a usual one.

    Raises:
        GoldievalError: The JSON file cannot be read.
    """
    if isinstance(config, dict) and config:
        return config
    for beside in (file.with_suffix(".json"), *(file.with_name(name) for name in CONFIGS)):
        if beside.is_file():
            try:
                content = read_json(beside, RECORD_BYTES)
            except (OSError, ValueError, RecursionError) as error:
                raise GoldievalError(f"cannot read {beside}: {first_line(error)}") from error
            return content.get("model_cfg", content) if isinstance(content, dict) else {}
    return {}
