"""Weights of other code bases in one file or several: only tensors, by their complete path in the file."""

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
from goldieval.core.reads import note_read
from goldieval.models.safe_load import check_is_weights, is_safetensors, only_tensors
from goldieval.models.spec import split_part
from model_adapters.weights_files import shards_of, weights_place

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
        containers: Complete paths of the mappings and lists in it that hold tensors.
        skipped: Complete paths of optimiser state, which is not read.
    """

    file: Path
    tensors: dict[str, torch.Tensor]
    config: dict[str, Any] = field(default_factory=dict)
    part: str = ""
    containers: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)


def read(place: Path) -> TensorFile:
    """Read safetensors, or torch files that contain only tensors and plain values; PLACE#PART names a part.

    Args:
        place: A file, an index of shards, or a folder as trainers save it.

    Raises:
        GoldievalError: A file is missing, damaged, of another kind, contains code or objects, or no tensors.
    """
    note_read(place)
    name, part = split_part(str(place))
    whole = weights_place(Path(name))
    content = Content()
    for file in shards_of(whole):
        check_is_weights(file)
        (_read_safetensors if is_safetensors(file) else _read_torch)(file, content)
    _check(content, whole)
    config = _config(content.config, whole, Path(name))
    return TensorFile(whole, content.tensors, config, part, content.containers, content.skipped)


@dataclass
class Content:
    """What is gathered from the files of one model."""

    tensors: dict[str, torch.Tensor] = field(default_factory=dict)
    config: Any = None
    containers: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)


def _check(content: Content, file: Path) -> None:
    """Refuse files without values, or with the values of shards.

    Raises:
        GoldievalError: Names the first tensor that is refused.
    """
    tensors = content.tensors
    if not tensors:
        raise GoldievalError(f"{file} holds no state dict.")
    if lacking := [name for name, tensor in tensors.items() if tensor.is_meta]:
        raise GoldievalError(f"{file}: {lacking[0]} has a shape but no values. Save the weights themselves.")
    if flat := [name for name in tensors if name.endswith("flat_param")]:
        raise GoldievalError(
            f"{file}: {flat[0][:80]} is a flattened shard of FSDP. Save a full state dict (FULL_STATE_DICT)."
        )
    if 2 * sum(tensor.shape == (0,) for tensor in tensors.values()) > len(tensors):
        raise GoldievalError(
            f"{file}: most tensors are empty, as DeepSpeed's ZeRO-3 saves them. "
            "Merge the shards first: zero_to_fp32.py."
        )
    for name, tensor in tensors.items():
        _check_values(name, tensor, file)


def _check_values(name: str, tensor: torch.Tensor, file: Path) -> None:
    """Refuse a tensor that is an expanded view of few values: a copy of it would exhaust memory."""
    here = tensor.untyped_storage().nbytes() if str(tensor.layout) == "torch.strided" else 0
    values = math.prod(max(1, side) for side in tensor.shape)  # a side of 0 would allow any other sides
    if values * tensor.element_size() > here + REPEATED:
        raise GoldievalError(
            f"{file}: {name[:80]} has a shape of {values:,} values, but the file has fewer. "
            "Save the weights themselves, contiguous and dense."
        )


def _read_safetensors(file: Path, content: Content) -> None:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(file), framework="pt") as stored:
            tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
            content.config = content.config or json.loads((stored.metadata() or {}).get("config", "{}"))
    except (SafetensorError, OSError, ValueError, RecursionError) as error:
        raise GoldievalError(f"{file} is not a readable safetensors checkpoint: {first_line(error)}") from error
    content.tensors |= {name: tensor for name, tensor in tensors.items() if not name.startswith(MOMENTS)}
    content.skipped += dict.fromkeys(name.partition(".")[0] for name in tensors if name.startswith(MOMENTS))


def _read_torch(file: Path, content: Content) -> None:
    import torch

    try:
        with only_tensors(file):
            stored = torch.load(file, map_location="cpu", weights_only=True)
    except GoldievalError:
        raise
    except Exception as error:  # torch raises many types
        if "weights_only" in str(error):  # a TorchScript archive, OpenAI's original format
            raise GoldievalError(f"{file} is a TorchScript program, not tensors; it is not loaded.") from error
        raise GoldievalError(
            f"{file} is not a readable checkpoint: {type(error).__name__}: {first_line(error)}"
        ) from error
    content.config = content.config or (stored.get("config", {}) if isinstance(stored, dict) else {})
    _gather(stored, "", content)


def _gather(nested: Any, path: str, content: Content) -> None:
    """Collect the tensors in nested mappings and lists, except optimiser state."""
    import torch

    inner = nested.items() if isinstance(nested, Mapping) else _numbered(nested)
    for name, value in inner:
        if isinstance(value, torch.Tensor):
            content.tensors[f"{path}{name}"] = value
            if path and content.containers[-1:] != [path]:
                content.containers.append(path)
        elif not str(name).startswith(MOMENTS):
            _gather(value, f"{path}{name}.", content)
        elif isinstance(value, Mapping | list) and value:
            content.skipped.append(f"{path}{name}")


def _numbered(content: Any) -> Iterator[tuple[Any, Any]]:
    """Yield the mappings in a list by their index, and pairs of name and tensor by their name."""
    import torch

    for number, each in enumerate(content if isinstance(content, list | tuple) else ()):
        if isinstance(each, Mapping):
            yield number, each
        elif isinstance(each, tuple | list) and len(each) == 2 and isinstance(each[1], torch.Tensor):
            yield each[0], each[1]


def _config(config: Any, file: Path, place: Path) -> dict[str, Any]:
    """Return the sizes in the file, else those of a JSON file beside it or in the folder that the user named.

    Raises:
        GoldievalError: The JSON file cannot be read.
    """
    if isinstance(config, dict) and config:
        return config
    usual = [folder / name for folder in dict.fromkeys((file.parent, place)) for name in CONFIGS]
    for beside in (file.with_suffix(".json"), *usual):
        note_read(beside)
        if beside.is_file() and beside != file:
            try:
                content = read_json(beside, RECORD_BYTES)
            except (OSError, ValueError, RecursionError) as error:
                raise GoldievalError(f"cannot read {beside}: {first_line(error)}") from error
            return content.get("model_cfg", content) if isinstance(content, dict) else {}
    return {}
