"""Weights files of other code bases: tensors only, by their whole path in the file."""

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
REPEATED = 10**6  # bytes of a tensor that need not be in the file: constants are often saved as views
MOMENTS = ("optim", "opt_", "exp_avg", "momentum_buffer", "grad")  # of an optimiser: named as the weights, and none


@dataclass(frozen=True)
class TensorFile:
    """What a file holds: tensors by their whole name, and what it or a file beside it says of the sizes.

    part: which of several models in it is meant, as FILE#PART says.
    """

    file: Path
    tensors: dict[str, torch.Tensor]
    config: dict[str, Any] = field(default_factory=dict)
    part: str = ""


def read(place: Path) -> TensorFile:
    """Read a safetensors file, or a torch file that holds tensors and plain values alone; FILE#PART names a part.

    Raises:
        GoldievalError: missing, damaged, something else, code or objects in it, or no tensors.
    """
    name, part = split_part(str(place))
    file = Path(name)
    check_is_weights(file)
    tensors, said = _safetensors(file) if is_safetensors(file) else _torch(file)
    if not tensors:
        raise GoldievalError(f"{file} holds no state dict.")
    if lacking := [name for name, tensor in tensors.items() if tensor.is_meta]:
        raise GoldievalError(f"{file}: {lacking[0]} has a shape and no values. Save the weights themselves.")
    for name, tensor in tensors.items():
        _check_values(name, tensor, file)
    return TensorFile(file, tensors, _config(said, file), part)


def _check_values(name: str, tensor: torch.Tensor, file: Path) -> None:
    """Refuse a tensor that shows a few values again and again: copied, it would fill the memory."""
    here = tensor.untyped_storage().nbytes() if str(tensor.layout) == "torch.strided" else 0
    values = math.prod(max(1, side) for side in tensor.shape)  # a side of 0 would let the others be of any size
    if values * tensor.element_size() > here + REPEATED:
        raise GoldievalError(
            f"{file}: {name[:80]} has a shape of {values:,} values, and the file has fewer. "
            "Save the weights themselves, contiguous and dense."
        )


def _safetensors(file: Path) -> tuple[dict[str, torch.Tensor], Any]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(file), framework="pt") as content:
            tensors = {name: content.get_tensor(name) for name in content.keys()}  # noqa: SIM118
            said = json.loads((content.metadata() or {}).get("config", "{}"))
    except (SafetensorError, OSError, ValueError, RecursionError) as error:
        raise GoldievalError(f"{file} is no readable safetensors checkpoint: {first_line(error)}") from error
    return {name: tensor for name, tensor in tensors.items() if not name.startswith(MOMENTS)}, said


def _torch(file: Path) -> tuple[dict[str, torch.Tensor], Any]:
    import torch

    try:
        with only_tensors(file):
            content = torch.load(file, map_location="cpu", weights_only=True)
    except GoldievalError:
        raise
    except Exception as error:  # torch wraps what can go wrong in many types
        if "weights_only" in str(error):  # a TorchScript archive, OpenAI's own format
            raise GoldievalError(f"{file} is a TorchScript program, not tensors; it is not loaded.") from error
        raise GoldievalError(
            f"{file} is no readable checkpoint: {type(error).__name__}: {first_line(error)}"
        ) from error
    said = content.get("config", {}) if isinstance(content, dict) else {}
    return dict(_flat(content)), said


def _flat(content: Any, prefix: str = "") -> Iterator[tuple[str, torch.Tensor]]:
    """Yield the tensors in nested mappings and lists; the moments of an optimiser are no model."""
    import torch

    inner = content.items() if isinstance(content, Mapping) else _numbered(content)
    for name, value in inner:
        if isinstance(value, torch.Tensor):
            yield f"{prefix}{name}", value
        elif not str(name).startswith(MOMENTS):
            yield from _flat(value, f"{prefix}{name}.")


def _numbered(content: Any) -> Iterator[tuple[Any, Any]]:
    """Yield the mappings in a list by their number, and pairs of name and tensor by their name."""
    import torch

    for number, each in enumerate(content if isinstance(content, list | tuple) else ()):
        if isinstance(each, Mapping):
            yield number, each
        elif isinstance(each, tuple | list) and len(each) == 2 and isinstance(each[1], torch.Tensor):
            yield each[0], each[1]


def _config(said: Any, file: Path) -> dict[str, Any]:
    """Return the sizes that the file says, else those of a JSON file beside it: of its own name, or of the usual ones.

    Raises:
        GoldievalError: such a JSON file that cannot be read.
    """
    if isinstance(said, dict) and said:
        return said
    for beside in (file.with_suffix(".json"), *(file.with_name(name) for name in CONFIGS)):
        if beside.is_file():
            try:
                content = read_json(beside, RECORD_BYTES)
            except (OSError, ValueError, RecursionError) as error:
                raise GoldievalError(f"cannot read {beside}: {first_line(error)}") from error
            return content.get("model_cfg", content) if isinstance(content, dict) else {}
    return {}
