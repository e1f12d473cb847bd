"""The partial file of a download, and the version of the file that it is the beginning of."""

from __future__ import annotations

import errno
import json
import shutil
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from goldieval.core.errors import GoldievalError
from goldieval.core.limits import RECORD_BYTES
from goldieval.core.reading import read_json
from goldieval.data.fetch.response import Version

SPARE = 10**8  # bytes that a download leaves free on the disk


def check_free(part: Path, needed: int) -> None:
    """Raise GoldievalError where ``needed`` more bytes do not fit on the disk."""
    free = shutil.disk_usage(part.parent).free
    if needed > free - SPARE:
        raise disk_error(OSError(errno.ENOSPC, ""), part)


def part_size(part: Path) -> int:
    """Return the number of bytes downloaded so far."""
    return part.stat().st_size if part.exists() else 0


def _about(part: Path) -> Path:
    return part.with_name(f"{part.name}.etag")


def read_version(part: Path) -> Version:
    """Return the version of the file that ``part`` is the beginning of."""
    with suppress(OSError, ValueError, TypeError):
        return Version(**read_json(_about(part), RECORD_BYTES))
    return Version()


def write_version(part: Path, version: Version) -> None:
    """Store, beside ``part``, the version of the file that it is the beginning of."""
    with open_for_writing(_about(part), "w") as stream:
        stream.write(json.dumps(asdict(version)))


def discard_part(part: Path) -> None:
    """Remove a partial file and its version."""
    part.unlink(missing_ok=True)
    _about(part).unlink(missing_ok=True)


def open_for_writing(file: Path, mode: str) -> IO[Any]:
    """Open a file. Raises GoldievalError where the disk is full or the file cannot be written."""
    try:
        return file.open(mode)
    except OSError as error:
        raise disk_error(error, file) from error


def disk_error(error: OSError, file: Path) -> GoldievalError:
    """Return the error to report where ``file`` cannot be written."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    what = "the disk is full" if full else f"cannot be written: {error.strerror or error}"
    return GoldievalError(f"{file}: {what}. Free some space or choose another --data-dir; the same command resumes.")
