"""What the tests of data in several files share: get, get archives."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import yaml
from helpers import content

NAMES = ["cat", "dog", "eel"]


def root() -> Path:
    return Path(os.environ["GOLDIEVAL_DATA"])


def everything(folder: Path) -> set[str]:
    return {file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()}


def card(folder: Path, **source: Any) -> str:
    """Write a card of six images in three classes."""
    about = content("webdataset", expect={"images": 6, "classes": 3}, source={"path": "", "id": "mine"} | source)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "mine.yaml").write_text(yaml.safe_dump(about))
    return str(folder / "mine.yaml")


def lock() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((root() / "mine/.goldieval-source.json").read_text())
    return found
