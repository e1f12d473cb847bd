"""The small model that ships in the package."""

from __future__ import annotations

from pathlib import Path

from goldieval.errors import GoldievalError


def shipped_weights() -> Path:
    """Return the file of ``goldiclip-tiny``. Raises GoldievalError where an installation lost it."""
    file = Path(__file__).parent / "weights" / "goldiclip-tiny.safetensors"
    if not file.is_file():
        raise GoldievalError(f"the shipped weights {file} are missing: install goldieval again.")
    return file
