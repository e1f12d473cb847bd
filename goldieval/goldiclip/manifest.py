"""``manifest.json`` of a checkpoint folder: SHA-256 and size of each of its files, so that damage is found."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from goldieval.core.errors import GoldievalError
from goldieval.core.files import atomic_write
from goldieval.core.limits import RECORD_BYTES
from goldieval.core.reading import read_json

NAME = "manifest.json"
BLOCK = 2**20  # bytes read at a time


def write_manifest(folder: Path) -> None:
    """Write the manifest of all files of a folder as they are now."""
    files = {file.name: _state(file) for file in sorted(folder.iterdir())}
    atomic_write(folder / NAME, (json.dumps({"files": files}, indent=1) + "\n").encode())


def has_manifest(folder: Path) -> bool:
    """Whether a checkpoint can be verified; those of older versions cannot."""
    return (folder / NAME).is_file()


def check_file(file: Path) -> None:
    """Verify a file against the manifest beside it; a file that no manifest lists is not verified.

    Raises:
        GoldievalError: The file is not what was written, or the manifest is damaged.
    """
    if not has_manifest(file.parent):
        return
    try:
        written = read_json(file.parent / NAME, RECORD_BYTES)["files"].get(file.name)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise GoldievalError(f"{file.parent / NAME} is damaged: the checkpoint cannot be trusted.") from error
    try:
        same = written is None or written == _state(file)
    except OSError as error:
        raise GoldievalError(f"{file} cannot be read: {error.strerror or error}.") from error
    if not same:
        raise GoldievalError(
            f"{file} is damaged: its SHA-256 is not that of {NAME}. Copy it again, or take another checkpoint."
        )


def _state(file: Path) -> dict[str, str | int]:
    with file.open("rb") as stream:
        digest = hashlib.sha256()
        while block := stream.read(BLOCK):
            digest.update(block)
    return {"bytes": file.stat().st_size, "sha256": digest.hexdigest()}
