"""The small model that ships in the package."""

from __future__ import annotations

from pathlib import Path

from goldieval.errors import GoldievalError


def shipped_weights() -> Path:
    """Return the file of ``goldiclip-tiny``. Raises GoldievalError where there is none."""
    file = Path(__file__).parent / "weights" / "goldiclip-tiny.safetensors"
    if not file.is_file():
        raise GoldievalError(
            "no weights ship with this version. Train them: goldieval train goldiclip-tiny; "
            "then name the checkpoint: goldiclip@runs/goldiclip-tiny/step-…"
        )
    return file
