"""Weights of transformers models: a folder as the library saves it, or a checkpoint of any trainer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from goldieval.core.errors import GoldievalError, listing
from model_adapters.open_clip_build import seeded
from model_adapters.open_clip_files import CONSTANTS
from model_adapters.take import SHOWN, Source, take
from model_adapters.tensors import TensorFile, read
from model_adapters.undrawn import undrawn
from model_adapters.unwrap import UnwrappedModel, find_model, without


def from_folder(
    folder: Path, config: Any, drop: Sequence[str], kind: str = "AutoModel", precision: str = "float32"
) -> tuple[Any, str]:
    """Load a model as transformers does; if its names have prefixes, as any other checkpoint.

    Args:
        folder: The folder.
        config: A config that replaces that of the folder, or None.
        drop: Beginnings of the names of tensors that are left out.
        kind: Name of transformers' class that chooses the class of the model.
        precision: Name of the dtype of torch in which its weights are kept.

    Returns:
        The module, and what was taken and what was left.

    Raises:
        GoldievalError: Weights are missing, do not fit, or are quantised.
    """
    import torch
    import transformers

    how: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    module, report = getattr(transformers, kind).from_pretrained(
        folder,
        use_safetensors=True,
        dtype=getattr(torch, precision),
        output_loading_info=True,
        ignore_mismatched_sizes=True,  # refused below, by name
        **how,
        **({"config": config} if config is not None else {}),
    )
    _check_shapes(report["mismatched_keys"])
    missing, more = sorted(report["missing_keys"]), report["unexpected_keys"]
    if missing or drop:
        stored = read(folder)
        found = _found(module, stored)
        if missing and len(found.state) < len(module.state_dict()):
            raise GoldievalError(f"{len(missing)} weights are missing, for example {missing[0]}.")
        config = config or transformers.AutoConfig.from_pretrained(folder, **how)
        return _taken(config, stored, found, drop, kind, precision)
    _check_tensors(folder, module, more)
    left = Counter(name.partition(".")[0] for name in more)
    names = [f"{name} ({count:,})" if count > 1 else name for name, count in left.items()]
    return module, f"took {len(module.state_dict()):,} tensors" + (f"; left: {listing(names, SHOWN)}" if names else "")


def from_file(
    config: Any,
    file: Path,
    drop: Sequence[str],
    kind: str = "AutoModel",
    precision: str = "float32",
    stored_names: Sequence[Callable[[str], str]] = (),
) -> tuple[Any, str]:
    """Load the model of a config with the weights of a checkpoint of any trainer.

    Args:
        config: The config.
        file: The checkpoint.
        drop: Beginnings of the names of tensors that are left out.
        kind: Name of transformers' class that chooses the class of the model.
        precision: Name of the dtype of torch in which its weights are kept.
        stored_names: Each gives the name that a tensor of the model has in another layout of its files.

    Raises:
        GoldievalError: The file is missing, damaged, contains more than tensors, or does not fit.
    """
    stored = read(file)
    return _taken(config, stored, None, drop, kind, precision, stored_names)


def _found(module: Any, stored: TensorFile, stored_names: Sequence[Callable[[str], str]] = ()) -> UnwrappedModel:
    names = list(module.state_dict())
    layouts = [{name: name for name in names}, *({other(name): name for name in names} for other in stored_names)]
    return without(find_model(stored, layouts), CONSTANTS)


def _taken(
    config: Any,
    stored: TensorFile,
    found: UnwrappedModel | None,
    drop: Sequence[str],
    kind: str,
    precision: str,
    stored_names: Sequence[Callable[[str], str]] = (),
) -> tuple[Any, str]:
    import torch
    import transformers

    with seeded(0), undrawn():
        maker = getattr(transformers, kind)
        module = maker.from_config(config, dtype=getattr(torch, precision), trust_remote_code=False)
    found = found or _found(module, stored, stored_names)
    note = take(module, found.state | found.extra, Source(stored.file, found, drop), type(module).__name__)
    return module, note


def _check_shapes(mismatched: Collection[Sequence[Any]]) -> None:
    """Raise GoldievalError if there are tensors of other shapes, each given as its name, its shape, the config's."""
    if mismatched:
        name, stored, wanted = min((str(name), tuple(stored), tuple(wanted)) for name, stored, wanted in mismatched)
        more = f"; {len(mismatched) - 1:,} more tensors do not fit" if len(mismatched) > 1 else ""
        raise GoldievalError(f"{name} has the shape {stored}, but {wanted} by its config{more}.")


def _check_tensors(folder: Path, module: Any, more: Collection[str]) -> None:
    """Refuse tensors that transformers would silently drop or cast, such as adapters and integers.

    Raises:
        GoldievalError: There is such a tensor; names the first.
    """
    from safetensors import safe_open

    own = module.state_dict()
    parts = {key.partition(".")[0] for key in own}
    mixed = sorted(key for key in more if key.partition(".")[0] in parts and not key.endswith("position_ids"))
    if mixed:
        raise GoldievalError(f"{len(mixed):,} unexpected tensors, for example {mixed[0]}. Merge adapters first.")
    for file in sorted(folder.glob("*.safetensors")):
        with safe_open(str(file), framework="pt") as content:
            kinds = {key: content.get_slice(key).get_dtype() for key in content.keys()}  # noqa: SIM118
        whole = [key for key, kind in kinds.items() if _should_be_floating(key, own) and kind[0] not in "FB"]
        if whole:
            raise GoldievalError(
                f"{whole[0]} is {kinds[whole[0]]}, not floating point. Quantised weights are not supported."
            )


def _should_be_floating(key: str, own: Mapping[str, Any]) -> bool:
    """Return whether a stored tensor is to be in floating point; its name may be that of an older version."""
    return own[key].is_floating_point() if key in own else key.endswith((".weight", ".bias"))
