"""A model that is loaded when it is first used; until then it only has the description that an earlier run kept."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from contextlib import AbstractContextManager
from typing import Any

from goldieval.models.adapter import Adapter, Instructed, ModelInfo

# Members of the protocols that are methods. They exist in the class, where ``isinstance`` looks for them.
METHODS = (
    *("preprocess", "tokenize", "encode_image", "encode_text", "trim", "count_tokens", "patch_tokens", "generate"),
    *("respond", "prompt_lengths", "normalise", "dense", "patch_features"),
)
Loadable = Adapter | Instructed


class LazyModel:
    """Stands for a model with a known description and known members; any use of a member but ``describe`` loads it."""

    def __init__(self, info: ModelInfo, members: Collection[str], load: Callable[[], Loadable]) -> None:
        """Set what is known of the model.

        Args:
            info: Its description.
            members: Names of its public members.
            load: Loads it; called once, and must check that it is the model of the description.
        """
        self._info, self._members, self._load = info, frozenset(members), load
        self._model: Loadable | None = None
        self._lock = threading.Lock()
        if "pool" in self._members:
            self.pool = _LazyPool(self)

    def describe(self) -> ModelInfo:
        return self._info if self._model is None else self._model.describe()

    def inference(self) -> AbstractContextManager[Any]:
        from goldieval.models.adapter import inference

        return inference(self.loaded())

    def loaded(self) -> Loadable:
        """Return the model, which is loaded by the first call: as always, even within ``torch.inference_mode``."""
        import torch

        with self._lock:
            if self._model is None:
                with torch.inference_mode(False), torch.enable_grad():  # else its weights would be of another kind
                    self._model = self._load()
            return self._model

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name not in self._members:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return getattr(self.loaded(), name)


class _LazyPool:
    """Stands for the pooling of a model, which is a module and not a method."""

    def __init__(self, model: LazyModel) -> None:
        self._of = model

    def __getattr__(self, name: str) -> Any:
        if name == "_of":
            raise AttributeError(name)
        return getattr(self._of.loaded().pool, name)  # type: ignore[union-attr]


def members_of(model: Loadable) -> list[str]:
    """Return the names of the public members of a model."""
    return sorted(name for name in dir(model) if not name.startswith("_") and hasattr(model, name))


def lazy_model(info: ModelInfo, members: Collection[str], load: Callable[[], Loadable]) -> Loadable:
    """Return a model that has exactly these members and is loaded when it is first used; arguments of ``LazyModel``."""
    methods = [name for name in METHODS if name in members]
    kind = type("LazyModel", (LazyModel,), {name: _forwarded(name) for name in methods})
    made: Loadable = kind(info, members, load)
    return made


def _forwarded(name: str) -> Callable[..., Any]:
    def method(self: LazyModel, *args: Any, **kwargs: Any) -> Any:
        return getattr(self.loaded(), name)(*args, **kwargs)

    method.__name__ = name
    return method
