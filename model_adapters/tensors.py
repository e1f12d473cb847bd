"""Weights files of other code bases: tensors only, from a file, a hub repository or the catalogue's name.

Found are the towers in them by their first layer, whatever wrappers and containers they lie in.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from goldieval.adapter import LoadOptions
from goldieval.errors import GoldievalError, first_line
from goldieval.spec import ModelSpec
from goldieval.untrusted import only_tensors

if TYPE_CHECKING:
    import torch

FIRST = "visual.conv1.weight"
ENDINGS = (".pt", ".pth", ".bin", ".ckpt", ".safetensors")
CONFIGS = ("config.json", "open_clip_config.json")


@dataclass(frozen=True)
class Stored:
    """What a file holds: tensors by their whole name, and what it or a file beside it says of the sizes."""

    file: Path
    tensors: dict[str, torch.Tensor]
    config: dict[str, Any] = field(default_factory=dict)

    def model(self, who: str = "") -> dict[str, torch.Tensor]:
        """Return one model's state dict in float32, without the prefixes of its wrappers.

        Args:
            who: a word in the prefix, where the file holds several models (student, teacher).

        Raises:
            GoldievalError: there is no such model in it, or several and none is named.
        """
        prefixes = [name[: -len(FIRST)] for name in self.tensors if name == FIRST or name.endswith(f".{FIRST}")]
        chosen = [prefix for prefix in prefixes if who in prefix] or ([] if "teacher" in who else prefixes)
        if len(chosen) > 1:
            chosen = [prefix for prefix in chosen if "teacher" not in prefix]
        if len(chosen) != 1:
            held = f"{len(prefixes)} models" if prefixes else "no image tower (no tensor visual.conv1.weight)"
            raise GoldievalError(f"{self.file} holds {held}{f' and no {who}' if who else ''}; expected one.")
        start = chosen[0]
        state = {name.removeprefix(start): part for name, part in self.tensors.items() if name.startswith(start)}
        return {name: part.float() if part.is_floating_point() else part for name, part in state.items()}


def read(file: Path) -> Stored:
    """Read a safetensors file, or a torch file that holds tensors and plain values alone.

    Raises:
        GoldievalError: missing, damaged, code or objects in it, or no tensors.
    """
    if not file.is_file():
        raise GoldievalError(f"no checkpoint {file}.")
    stored = _safetensors(file) if file.suffix == ".safetensors" else _torch(file)
    if not stored.tensors:
        raise GoldievalError(f"{file} holds no state dict.")
    return stored


def locate(spec: ModelSpec, name: str, options: LoadOptions) -> Path:
    """Return the weights file that a spec means, fetched if need be.

    Args:
        name: NAME of the spec, or what is left of it: empty (then WHERE is a file), the catalogue's short name, or
            OWNER/REPOSITORY/FILE on the hub (then WHERE is a revision).

    Raises:
        GoldievalError: nothing of these, or a file that is neither here nor to be fetched.
    """
    from goldieval.known import weights_of

    if not name:
        if not spec.where:
            raise GoldievalError(f"model {spec.text!r}: write {spec.family}@FILE or {spec.family}:OWNER/REPO/FILE.")
        return Path(spec.where)
    if spec.where.endswith(ENDINGS):
        raise GoldievalError(f"model {spec.text!r}: give a name or a file, not both.")
    if name.count("/") >= 2:
        owner, repository, file = name.split("/", 2)
        return hub_file(f"{owner}/{repository}", file, spec.where or "main", options)
    repository, file, revision = weights_of(spec.family, name)
    return hub_file(repository, file, spec.where or revision, options)


def hub_file(repository: str, file: str, revision: str, options: LoadOptions) -> Path:
    """Return a file of a hub repository, from the cache if it is there; what is fetched is announced with its size.

    Raises:
        GoldievalError: not here under ``--offline``, or it cannot be fetched.
    """
    from huggingface_hub import hf_hub_download, hf_hub_url, try_to_load_from_cache

    from goldieval.data.remote import first_there

    cached = try_to_load_from_cache(repository, file, revision=revision)
    if isinstance(cached, str):
        return Path(cached)
    address = hf_hub_url(repository, file, revision=revision)
    if options.offline:
        raise GoldievalError(f"{repository}/{file} is not on this machine and --offline is set ({address}).")
    place, size = first_there([address])
    options.announce(f"fetching {repository}/{file}: {size / 1e6:,.0f} MB from {place}")
    try:
        return Path(hf_hub_download(repository, file, revision=revision))
    except Exception as error:
        raise GoldievalError(f"cannot fetch {address}: {type(error).__name__}: {first_line(error)}") from error


def _safetensors(file: Path) -> Stored:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(file), framework="pt") as content:
            tensors = {name: content.get_tensor(name) for name in content.keys()}  # noqa: SIM118
            said = json.loads((content.metadata() or {}).get("config", "{}"))
    except (SafetensorError, OSError, ValueError) as error:
        raise GoldievalError(f"{file} is no readable safetensors checkpoint: {first_line(error)}") from error
    return Stored(file, tensors, _config(said, file))


def _torch(file: Path) -> Stored:
    import torch

    try:
        with only_tensors(file):
            content = torch.load(file, map_location="cpu", weights_only=True)
    except GoldievalError:
        raise
    except Exception as error:  # torch wraps what can go wrong in many types
        raise GoldievalError(
            f"{file} is no readable checkpoint: {type(error).__name__}: {first_line(error)}"
        ) from error
    said = content.get("config", {}) if isinstance(content, dict) else {}
    return Stored(file, dict(_flat(content)), _config(said, file))


def _flat(content: Any, prefix: str = "") -> Iterator[tuple[str, torch.Tensor]]:
    """Yield the tensors in nested mappings; the moments of an optimiser are no model."""
    import torch

    if isinstance(content, Mapping):
        for name, value in content.items():
            if isinstance(value, torch.Tensor):
                yield f"{prefix}{name}", value
            elif not str(name).startswith("optim"):
                yield from _flat(value, f"{prefix}{name}.")


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
                content = json.loads(beside.read_text(encoding="utf-8"))
            except (OSError, ValueError) as error:
                raise GoldievalError(f"cannot read {beside}: {first_line(error)}") from error
            return content.get("model_cfg", content) if isinstance(content, dict) else {}
    return {}
