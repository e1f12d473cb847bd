"""Download into a folder beside the data folder; verified files are then moved and recorded."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from goldieval.core.errors import GoldievalError
from goldieval.data.fetch.download import fetch
from goldieval.data.fetch.file_request import FetchProgress, FileRequest, hash_file
from goldieval.data.fetch.lockfile import NAME, FileHash, Origin, write_lock
from goldieval.data.fetch.plan import FetchPlan, OriginPlan
from goldieval.data.fetch.staging import moving_files, staging
from goldieval.data.fetch.unpack import clear, move_in, unpack
from goldieval.data.roots import inside
from goldieval.data.source import tilde


def fetch_all(plan: FetchPlan, progress: FetchProgress) -> None:
    """Download the files in a plan. The caller holds the folder's lock.

    Raises:
        Refused: The source refuses access.
        GoldievalError: As for ``download.fetch`` and ``unpack.unpack``; the disk is too small, or a target is behind a
            link.
    """
    collected = staging(plan.folder)
    _check_room(plan, collected)
    for part in plan.parts:
        place = collected / part.digest
        origin = (
            _unpacked(plan.folder, part, place, progress) if part.unpack else _files(plan.folder, part, place, progress)
        )
        write_lock(plan.folder, [origin])
        clear(place)


def _files(folder: Path, part: OriginPlan, place: Path, progress: FetchProgress) -> Origin:
    held: dict[str, FileHash] = {}
    for wanted in part.wanted:
        staged = place / wanted.path
        here = _as_wanted(_own(folder, wanted.path), wanted) or _as_wanted(staged, wanted)
        held[wanted.path] = here or fetch(wanted, staged, progress)
    with moving_files(folder):
        for wanted in part.wanted:
            staged, target = place / wanted.path, _own(folder, wanted.path)
            if staged.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                os.replace(staged, target)
    return part.origin.model_copy(update={"files": held})


def _unpacked(folder: Path, part: OriginPlan, place: Path, progress: FetchProgress) -> Origin:
    (wanted,) = part.wanted
    archive = place / wanted.path
    held = _as_wanted(archive, wanted) or fetch(wanted, archive, progress)
    progress.note(f"unpacking {wanted.path}")
    members = place / "unpacked"
    clear(members)
    files = unpack(archive, members, wanted.path)
    below = Path(os.path.normpath(part.origin.to or "."))
    named = {(below / name).as_posix(): file for name, file in files.items()}
    for name in named:
        _own(folder, name)
    with moving_files(folder):
        move_in(members, inside(folder, str(below)))
    return part.origin.model_copy(update={"bytes": held.bytes, "sha256": held.sha256, "files": named})


def _as_wanted(file: Path, wanted: FileRequest) -> FileHash | None:
    """Return size and hash of a file if they match the request's declared hashes, else None."""
    if not file.is_file() or not (wanted.sha256 or wanted.md5 or wanted.git):
        return None
    held, fault = hash_file(file, wanted)
    return None if fault else held


def _own(folder: Path, name: str) -> Path:
    """Return a path below the folder; refuse one behind a link, because it belongs to the user's own files."""
    path = Path(os.path.normpath(folder / name))
    if path == folder / NAME:
        raise GoldievalError(f"the source contains a file named {NAME}, which is reserved for the list of downloads")
    for place in (path, *path.parents):
        if place == folder.parent:
            break
        if place.is_symlink():
            raise GoldievalError(
                f"{tilde(place)} is a link to files of your own; remove the link to download files in its place"
            )
    return inside(folder, name)


def _check_room(plan: FetchPlan, staging: Path) -> None:
    """Raise GoldievalError if the disk is too small. An archive also needs space for its content."""
    there = next(place for place in (staging, *staging.parents) if place.is_dir())
    free = shutil.disk_usage(there).free
    staged = sum(file.stat().st_size for file in staging.rglob("*") if file.is_file()) if staging.is_dir() else 0
    needed = sum((part.bytes or 0) * (2 if part.unpack else 1) for part in plan.parts) - staged
    if needed > free:
        raise GoldievalError(
            f"needs {gigabytes(needed)} and {tilde(there)} has {gigabytes(free)} free. Free some space or choose "
            "another --data-dir"
        )


def gigabytes(size: int) -> str:
    """Return a size in gigabytes with a suitable number of digits.

    >>> gigabytes(6_300_000_000), gigabytes(120_000_000), gigabytes(70_000)
    ('6.30 GB', '0.12 GB', '0.00007 GB')
    """
    return f"{size / 1e9:.2f} GB" if size >= 10_000_000 else f"{size / 1e9:.5f} GB"
