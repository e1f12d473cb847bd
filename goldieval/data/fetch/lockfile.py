"""``.goldieval-source.json`` in a data folder: the origins of its files, with sizes and hashes.

Such a file can be written by anyone. Its origins are trusted only if it is, byte for byte, what this user's goldieval
wrote into this folder (``core.ledger``); otherwise it is used only to verify files.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from goldieval.core.errors import GoldievalError, TaskError
from goldieval.core.files import atomic_write
from goldieval.core.ledger import record_origins_hash, recorded_origins_hash
from goldieval.core.limits import JSON_BYTES
from goldieval.core.reading import parse_json, read_bytes

NAME = ".goldieval-source.json"
SCHEMA = 1


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FileHash(_Part):
    """Size and hash of a file when it was written."""

    bytes: int
    sha256: str


class Origin(_Part):
    """One origin of files: a download, or a folder of the user's own that was linked in.

    Attributes:
        hub: Repository, as requested by the card.
        revision: Revision, as requested by the card.
        hub_files: Glob patterns, as requested by the card.
        commit: Commit of the revision at the time of the download.
        url: Address of a file on the web.
        to: Destination of that file.
        bytes: Size of the archive, if it was unpacked.
        sha256: Hash of the archive, if it was unpacked.
        adopted: The user's own folder, if it was linked in.
        files: Resulting files, by path below the data folder.
    """

    hub: str = ""
    revision: str = ""
    hub_files: list[str] = []
    commit: str = ""
    url: str = ""
    to: str = ""
    bytes: int | None = None
    sha256: str = ""
    adopted: str = ""
    files: dict[str, FileHash] = {}

    @property
    def asked(self) -> tuple[object, ...]:
        """Key that matches an origin with a card's request."""
        return self.hub, self.revision, tuple(self.hub_files), self.url, self.to, self.adopted

    @property
    def label(self) -> str:
        """Name of the origin in a record, which does not reveal paths of the user."""
        return f"{self.hub}@{self.commit}" if self.hub else self.url or "a folder of the user's own"


class Lock(_Part):
    schema_version: int = SCHEMA
    origins: list[Origin] = Field(min_length=1)

    def origin(self, asked: tuple[object, ...]) -> Origin | None:
        return next((origin for origin in self.origins if origin.asked == asked), None)


def read_lock(folder: Path) -> Lock | None:
    """Return the origins recorded by this user's goldieval for a folder, or None if there are none.

    Raises:
        TaskError: As for ``claimed_lock``.
    """
    lock, sha256 = claimed_lock(folder)
    return lock if lock and recorded_origins_hash(folder) == sha256 else None


def claimed_lock(folder: Path) -> tuple[Lock | None, str]:
    """Return the origins claimed by a folder, without checking who wrote them, and the SHA-256 of that file.

    Raises:
        TaskError: The file is damaged, or was written by a newer version.
    """
    file = folder / NAME
    try:
        data = read_bytes(file, JSON_BYTES)
        content = parse_json(data)
        version = content.get("schema_version") if isinstance(content, dict) else None
        if isinstance(version, int) and version > SCHEMA:
            raise TaskError(f"{file} was written by a newer goldieval: upgrade it.")
        return Lock.model_validate(content), hashlib.sha256(data).hexdigest()
    except FileNotFoundError:
        return None, ""
    except (OSError, ValueError) as error:
        what = "broken" if isinstance(error, ValueError) else str(error)
        raise TaskError(f"{file} is {what}. Delete it and run `goldieval data get` again.") from None


def write_lock(folder: Path, new: list[Origin]) -> None:
    """Add origins to a folder's lock file, replacing those with the same key."""
    known = read_lock(folder)
    kept = [old for old in (known.origins if known else []) if old.asked not in {origin.asked for origin in new}]
    content = (Lock(origins=[*kept, *new]).model_dump_json(indent=1, exclude_defaults=True) + "\n").encode()
    try:
        atomic_write(folder / NAME, content)
    except OSError as error:
        raise GoldievalError(f"cannot write {folder / NAME}: {error.strerror or error}.") from error
    record_origins_hash(folder, hashlib.sha256(content).hexdigest())


def difference(file: Path, held: FileHash) -> str:
    """Return how a file differs from its recorded size and hash, or an empty string if it does not."""
    try:
        size = file.stat().st_size
        if size != held.bytes:
            return f"{size:,} bytes instead of {held.bytes:,}"
        with file.open("rb") as stream:
            total = hashlib.sha256()
            while chunk := stream.read(2**20):
                total.update(chunk)
    except FileNotFoundError:
        return "is missing"
    except OSError as error:
        return str(error.strerror or error)
    return "" if total.hexdigest() == held.sha256 else "SHA-256 is not that of the file that was fetched"


def origin_labels(folder: Path) -> list[str]:
    """Return the names of a folder's origins; empty if it was filled by hand or by another user."""
    lock = read_lock(folder) if folder.is_dir() else None
    return sorted({origin.label for origin in lock.origins}) if lock else []
