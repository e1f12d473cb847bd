"""The names of trackers, checked before any work is done and before anything heavy is imported."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable

from goldieval.core.errors import GoldievalError, did_you_mean

PACKAGES = {"tensorboard": "tensorboard", "wandb": "wandb", "mlflow": "mlflow", "trackio": "trackio"}
"""The package that each tracker needs; it is imported under the same name."""


def tracker_names(requested: str | Iterable[str]) -> tuple[str, ...]:
    """Return the trackers that a caller names, each once.

    Args:
        requested: names, each of which may be several, separated by commas.

    Raises:
        GoldievalError: a name is unknown, or the package of a tracker is not installed.
    """
    entries = [requested] if isinstance(requested, str) else list(requested)
    if wrong := [entry for entry in entries if not isinstance(entry, str)]:
        raise GoldievalError(f"log: a tracker is a name, not {wrong[0]!r}: {', '.join(PACKAGES)}.")
    names = dict.fromkeys(name.strip().lower() for entry in entries for name in entry.split(",") if name.strip())
    for name in names:
        if name not in PACKAGES:
            raise GoldievalError(
                f"log: no tracker {name!r}.{did_you_mean(name, PACKAGES)} Known: {', '.join(PACKAGES)}."
            )
        if not _is_installed(PACKAGES[name]):
            raise GoldievalError(f"log: {name} is not installed. Install it: pip install {PACKAGES[name]}")
    return tuple(names)


def _is_installed(package: str) -> bool:
    """Return whether a package can be found; a folder of that name, such as ``./wandb``, is none."""
    try:
        found = importlib.util.find_spec(package)
    except (ImportError, ValueError):
        return False
    return found is not None and found.origin is not None
