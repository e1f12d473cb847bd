"""A file to download, and its comparison with what its source declares."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from goldieval.data.fetch.lockfile import FileHash

CHUNK = 2**20


class FetchProgress(Protocol):
    """Receives the progress of a download."""

    def note(self, line: str) -> None: ...

    def at(self, name: str, done: int, total: int | None) -> None:
        """Report that ``done`` of ``total`` bytes of a file have arrived; total is None if unknown."""


@dataclass(frozen=True)
class FileRequest:
    """A file to download.

    Attributes:
        path: Path below the data folder.
        url: Address of the file.
        bytes: Size declared by the source.
        sha256: SHA-256 declared by the source, or empty.
        md5: MD5 declared by the source, or empty.
        git: Id of the git blob declared by the source, or empty.
        headers: Request headers; they may contain a token and are never displayed.
    """

    path: str
    url: str
    bytes: int | None = None
    sha256: str = ""
    md5: str = ""
    git: str = ""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


def hash_file(file: Path, wanted: FileRequest) -> tuple[FileHash, str]:
    """Hash a file; return size and hash, and how it differs from its declaration (empty if it does not)."""
    size = file.stat().st_size
    sums = {
        "sha256": hashlib.sha256(),
        "md5": hashlib.md5(usedforsecurity=False),
        "git": hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False),
    }
    needed = [name for name in sums if name == "sha256" or getattr(wanted, name)]
    with file.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            for name in needed:
                sums[name].update(chunk)
    held = FileHash(bytes=size, sha256=sums["sha256"].hexdigest())
    if wanted.bytes is not None and size != wanted.bytes:
        return held, f"{size:,} bytes instead of {wanted.bytes:,}"
    for name, title in (("sha256", "SHA-256"), ("md5", "MD5"), ("git", "git hash")):
        declared, found = getattr(wanted, name), sums[name].hexdigest()
        if declared and found != declared:
            return held, f"wrong checksum: {title} {found[:12]}… instead of {declared[:12]}…"
    return held, ""
