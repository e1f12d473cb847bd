"""Data folders that come with the package."""

from __future__ import annotations

from pathlib import Path


def packaged(name: str) -> Path:
    """Return a data folder of the package: ``goldieval/_data/NAME`` if installed, else ``NAME`` in the checkout."""
    package = Path(__file__).resolve().parents[1]
    shipped = package / "_data" / name
    return shipped if shipped.is_dir() else package.parent / name
