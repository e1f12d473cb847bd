"""Plan of a download: what a source lacks and its size, determined before the first byte is downloaded."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from goldieval.core.errors import GoldievalError
from goldieval.core.meter import tracked
from goldieval.data.fetch.file_request import FileRequest
from goldieval.data.fetch.hub import at_endpoint, is_forbidden, list_files
from goldieval.data.fetch.lockfile import Lock, Origin, difference, read_lock
from goldieval.data.fetch.staging import is_incomplete, staging
from goldieval.data.roots import inside
from goldieval.data.source import Download, Source, tilde


@dataclass(frozen=True)
class OriginPlan:
    """One origin to download: a repository at a commit, or one file on the web.

    Attributes:
        origin: The origin as it will be recorded, without its files.
        wanted: The files that it consists of.
        unpack: Whether it is an archive.
        left_out: Files that are not downloaded.
    """

    origin: Origin
    wanted: list[FileRequest]
    unpack: bool = False
    left_out: list[str] = field(default_factory=list)

    @property
    def bytes(self) -> int | None:
        """Total size, or None if a size is unknown."""
        sizes = [wanted.bytes for wanted in self.wanted]
        return None if None in sizes else sum(size or 0 for size in sizes)

    @property
    def digest(self) -> str:
        """Identifier of the content, so that parts of different commits are never mixed."""
        about = [self.origin.asked, self.origin.commit, [(each.sha256, each.md5, each.bytes) for each in self.wanted]]
        return hashlib.sha256(repr(about).encode()).hexdigest()[:12]

    @property
    def shown(self) -> str:
        origin = self.origin
        pinned = origin.revision == origin.commit
        at = origin.commit if pinned else f"{origin.commit} (current state of {origin.revision})"
        return f"{origin.hub} at {at}" if origin.hub else origin.url


@dataclass(frozen=True)
class FetchPlan:
    """Plan for one data folder.

    Attributes:
        folder: The data folder.
        parts: What will be downloaded.
        reason: Why nothing is downloaded, if there is nothing.
    """

    folder: Path
    parts: list[OriginPlan] = field(default_factory=list)
    reason: str = ""

    @property
    def bytes(self) -> int | None:
        sizes = [part.bytes for part in self.parts]
        return None if None in sizes else sum(size or 0 for size in sizes)


def plan_fetch(sources: Sequence[Source], folder: Path, repair: bool, note: Callable[[str], None]) -> FetchPlan:
    """Determine what to download for sources that share a folder. Queries the Hub for the files of repositories.

    Args:
        sources: The sources.
        folder: Their data folder.
        repair: Whether existing files are verified and replaced if they differ.
        note: Receives lines of progress.

    Raises:
        GoldievalError: Nothing can be downloaded, network access is forbidden, or the source refuses.
    """
    lock = read_lock(folder)
    adopted = next((origin.adopted for origin in lock.origins if origin.adopted), "") if lock else ""
    lacking = [source for source in sources if not folder.is_dir() or source.missing(folder)]
    if adopted and not lacking:
        return FetchPlan(folder, reason=f"linked to your {adopted}")
    cut = staging(folder).exists()  # the last download was interrupted: existing files may be incomplete
    if lock is None and not lacking and not repair and not cut:
        return FetchPlan(folder, reason="present, but not downloaded by this command; --repair replaces what differs")
    wanted = _asked(sources)
    open_ = [part for part in wanted if not _here(part, lock, folder, by_hash=repair or is_incomplete(folder))]
    if not wanted or (not open_ and lacking):
        steps = " ".join(dict.fromkeys(source.manual for source in sources if source.manual))
        raise GoldievalError(f"no command fetches it. By hand: {steps or f'put its files into {tilde(folder)}'}")
    if not open_:
        return FetchPlan(folder, reason="already present")
    if is_forbidden():
        raise GoldievalError(
            "HF_HUB_OFFLINE is set, so nothing is fetched. Unset it, or copy the folder from elsewhere"
        )
    return FetchPlan(folder, [_listed(each, note) for each in open_])


_Question = tuple[Origin, Download | None]


def _asked(sources: Sequence[Source]) -> list[_Question]:
    """Return the distinct origins of several cards."""
    asked: dict[object, _Question] = {}
    for source in sources:
        if source.hub:
            origin = Origin(hub=source.hub, revision=source.revision, hub_files=source.hub_files)
            asked.setdefault(origin.asked, (origin, None))
        for download in source.urls:
            origin = Origin(url=download.url, to=download.to)
            asked.setdefault(origin.asked, (origin, download))
    return list(asked.values())


def _here(question: _Question, lock: Lock | None, folder: Path, by_hash: bool) -> bool:
    """Return whether all files of an origin have their recorded size, or hash."""
    known = lock.origin(question[0].asked) if lock else None
    if known is None:
        return False
    paths = [(inside(folder, name), held) for name, held in known.files.items()]
    if by_hash:
        return not any(difference(path, held) for path, held in tracked(paths, "hashing files", len(paths)))
    return all(path.is_file() and path.stat().st_size == held.bytes for path, held in paths)


def _listed(question: _Question, note: Callable[[str], None]) -> OriginPlan:
    origin, download = question
    if download is not None:
        return _of_url(origin, download)
    found = list_files(origin.hub, origin.revision, origin.hub_files, note)
    return OriginPlan(origin.model_copy(update={"commit": found.commit}), found.wanted, left_out=found.left_out)


def _of_url(origin: Origin, download: Download) -> OriginPlan:
    name = PurePosixPath(unquote(urlsplit(download.url).path)).name
    path = name if download.unpack or download.to in (".", "") else download.to
    if not path or path in (".", ".."):
        raise GoldievalError(f"{download.url} does not contain a file name; give `to` in the card")
    inside(Path("/folder"), download.to)
    inside(Path("/folder"), path)
    url, headers = at_endpoint(download.url)
    wanted = FileRequest(path, url, download.bytes, download.sha256, download.md5, headers=headers)
    return OriginPlan(origin, [wanted], download.unpack)
