"""Descriptions of models, kept between runs, so that a run with nothing to encode loads no model.

A description is used again only if everything is as it was that decided it: the spec, how it is loaded, the code and
the versions, and every file that loading read, by size, times and inode. A family takes part if its loader notes what
it reads (``core.reads``), marked with ``notes_reads``. When a model is loaded after all, its description is compared.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.metadata
import inspect
import os
import platform
import sys
from collections.abc import Callable
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

from goldieval.core.containment import contained
from goldieval.core.environment import device_identity
from goldieval.core.errors import ChangedModelError, GoldievalError
from goldieval.core.memory import Memory
from goldieval.core.offline import VARIABLES, is_offline
from goldieval.core.reads import is_unchanged, recorded_reads
from goldieval.data.roots import store_root
from goldieval.models.adapter import LoadOptions, Model, ModelInfo, Precomputed
from goldieval.models.checked_info import checked_info, info_of
from goldieval.models.lazy import Loadable, lazy_model, members_of
from goldieval.models.loading import load, loader_of
from goldieval.models.spec import ModelSpec

MOST = 1_000  # descriptions
LIBRARIES = (
    "torch",
    "torchvision",
    "open-clip-torch",
    "timm",
    "transformers",
    "tokenizers",
    "safetensors",
    "huggingface-hub",
    "numpy",
    "pillow",
    "ftfy",
    "regex",
)
SETTINGS = ("HOME", "XDG_CACHE_HOME")
LIBRARY_SETTINGS = ("HF_", "HUGGINGFACE_", "TRANSFORMERS_", "TORCH_", "PYTORCH_", "TIMM_", "OPEN_CLIP_")


def description_memory() -> Memory:
    """Return the descriptions that are kept beside the stored embeddings."""
    return Memory(store_root() / ".remembered" / "models", MOST)


def load_described(spec: ModelSpec, options: LoadOptions, memory: Memory | None) -> tuple[Model, ModelInfo]:
    """Return a model and its description; with a description in memory, the model is loaded when it is first used.

    Args:
        spec: The model.
        options: How it is loaded.
        memory: Kept descriptions; None loads the model now.

    Raises:
        GoldievalError: See ``load`` and ``checked_info``; or, when a model of memory is loaded,
            ``ChangedModelError`` if it is not the one that was described.
    """
    key = None if memory is None else _key(spec, options)
    if memory is None or key is None:
        model = load(spec, options)
        return model, checked_info(model)
    if (known := memory.recall(key)) is not None and (recalled := _recalled(known, options)) is not None:
        info, members = recalled
        return lazy_model(info, members, lambda: _load_same(spec, options, info, members, memory, key)), info
    with recorded_reads() as reads:
        model = load(spec, options)
        info = checked_info(model)
    if not isinstance(model, Precomputed) and reads.reusable and not _has_own_architectures():
        memory.keep(key, {"info": asdict(info), "members": members_of(model), "reads": reads.as_dict()})
    return model, info


def _load_same(
    spec: ModelSpec, options: LoadOptions, info: ModelInfo, members: list[str], memory: Memory, key: Any
) -> Loadable:
    """Load a model of which a description was kept. Raises ChangedModelError if it is another."""
    with contained(f"loading the model {spec.text}", GoldievalError):
        model = load(spec, options)
        same = not isinstance(model, Precomputed) and checked_info(model) == info and members_of(model) == members
    if isinstance(model, Precomputed) or not same:
        memory.forget(key)
        raise ChangedModelError(
            f"model {spec.text!r} is not the one that this run was planned for: its files changed after that, or the "
            "description that an earlier run kept was wrong and is removed now. Run the same command again."
        )
    return model


def _recalled(known: Any, options: LoadOptions) -> tuple[ModelInfo, list[str]] | None:
    """Return a kept description and the members of its model, or None if it is no longer known to be right."""
    try:
        info, reads = info_of(known["info"]), known["reads"]
        if reads["only_offline"] and not (options.offline or is_offline()):
            return None
        current = is_unchanged(reads) and not _has_own_architectures()
        return (info, [str(name) for name in known["members"]]) if current else None
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _key(spec: ModelSpec, options: LoadOptions) -> dict[str, Any] | None:
    """Return what decides a description besides the files; None if the loader does not note what it reads.

    Raises:
        GoldievalError: See ``loader_of``.
    """
    import torch

    if spec.family == "file":
        return None
    loader = loader_of(spec)
    code = code_versions() if getattr(loader, "notes_reads", False) else None
    if code is None:
        return None
    environment = {
        name: value
        for name, value in os.environ.items()
        if (name in SETTINGS or name.startswith(LIBRARY_SETTINGS)) and name not in VARIABLES
    }
    return {
        "spec": [spec.text, spec.family, spec.name, spec.where, sorted(map(list, spec.options.items()))],
        "folder": os.getcwd(),
        "how": [device_identity(options.device), options.precision, str(torch.get_default_dtype())],
        "loader": _source_of(loader),
        "code": code,
        "environment": hashlib.sha256(repr(sorted(environment.items())).encode(errors="replace")).hexdigest(),
    }


@cache
def code_versions() -> dict[str, str] | None:
    """Return the versions of all code that loading runs; None if a library is installed so that its code may change."""
    versions = {"python": platform.python_version(), "machine": platform.machine()}
    for library in LIBRARIES:
        try:
            installed = importlib.metadata.distribution(library)
        except importlib.metadata.PackageNotFoundError:
            continue
        if "editable" in (installed.read_text("direct_url.json") or ""):
            return None
        versions[library] = installed.version
    own = hashlib.sha256()
    for package in ("goldieval", "model_adapters"):
        for file in sorted(_folder_of(package).rglob("*.py")):
            own.update(hashlib.sha256(file.read_bytes()).digest())
    return versions | {"goldieval": own.hexdigest()}


def _folder_of(package: str) -> Path:
    file = sys.modules[package].__file__ if package in sys.modules else importlib.import_module(package).__file__
    return Path(str(file)).parent


def _source_of(loader: Callable[..., Any]) -> str:
    """Return module and content of the file that defines a loader, which may be that of a plug-in."""
    file = inspect.getsourcefile(inspect.unwrap(loader))
    content = Path(file).read_bytes() if file else b""
    return f"{loader.__module__} {hashlib.sha256(content).hexdigest()}"


def _has_own_architectures() -> bool:
    """Return whether this process has added architectures to open_clip's own."""
    factory: Any = sys.modules.get("open_clip.factory")
    return factory is not None and len(factory._MODEL_CONFIG_PATHS) != 1
