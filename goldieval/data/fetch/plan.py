"""What a source still lacks, known with its size before a byte of it is fetched."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from goldieval.core.errors import GoldievalError
from goldieval.data.fetch.download import FileRequest
from goldieval.data.fetch.hub import at_endpoint, is_forbidden, list_files
from goldieval.data.fetch.lockfile import Lock, Origin, difference, read_lock
from goldieval.data.fetch.staging import is_incomplete, staging
from goldieval.data.roots import inside
from goldieval.data.source import Download, Source, tilde


@dataclass(frozen=True)
class OriginPlan:
    """One origin of a source: a repository at a commit, or one file on the web.

    origin: as it will be written down, its files still unknown.   wanted: what it consists of; an archive is unpacked.
    """

    origin: Origin
    wanted: list[FileRequest]
    unpack: bool = False
    left_out: list[str] = field(default_factory=list)

    @property
    def bytes(self) -> int | None:
        """The size of all, where all sizes are known."""
        sizes = [wanted.bytes for wanted in self.wanted]
        return None if None in sizes else sum(size or 0 for size in sizes)

    @property
    def digest(self) -> str:
        """Names what this part fetches: pieces of another commit are never joined with it."""
        about = [self.origin.asked, self.origin.commit, [(each.sha256, each.md5, each.bytes) for each in self.wanted]]
        return hashlib.sha256(repr(about).encode()).hexdigest()[:12]

    @property
    def shown(self) -> str:
        origin = self.origin
        pinned = origin.revision == origin.commit
        at = origin.commit if pinned else f"{origin.commit} ({origin.revision} as it is now)"
        return f"{origin.hub} at {at}" if origin.hub else origin.url


@dataclass(frozen=True)
class FetchPlan:
    """parts: what is to be fetched.   reason: why nothing is, where nothing is."""

    folder: Path
    parts: list[OriginPlan] = field(default_factory=list)
    reason: str = ""

    @property
    def bytes(self) -> int | None:
        sizes = [part.bytes for part in self.parts]
        return None if None in sizes else sum(size or 0 for size in sizes)


def plan_fetch(sources: Sequence[Source], folder: Path, repair: bool, note: Callable[[str], None]) -> FetchPlan:
    """Find what is to be fetched for sources that share a folder. Asks the Hub where a repository has to be listed.

    Args:
        repair: look also at what is here, and replace what differs.

    Raises:
        GoldievalError: nothing can be fetched, the network is forbidden, or the source refuses.
    """
    lock = read_lock(folder)
    adopted = next((origin.adopted for origin in lock.origins if origin.adopted), "") if lock else ""
    lacking = [source for source in sources if not folder.is_dir() or source.missing(folder)]
    if adopted and not lacking:
        return FetchPlan(folder, reason=f"linked to your {adopted}")
    cut = staging(folder).exists()  # the last fetch: what is here may be a part of it
    if lock is None and not lacking and not repair and not cut:
        return FetchPlan(folder, reason="here already, not by this command; --repair fetches what differs")
    wanted = _asked(sources)
    open_ = [part for part in wanted if not _here(part, lock, folder, by_hash=repair or is_incomplete(folder))]
    if not wanted or (not open_ and lacking):
        steps = " ".join(dict.fromkeys(source.manual for source in sources if source.manual))
        raise GoldievalError(f"no command fetches it. By hand: {steps or f'put its files into {tilde(folder)}'}")
    if not open_:
        return FetchPlan(folder, reason="here already")
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
    """True where all files of an origin have the size, or the hash, that they were written with."""
    known = lock.origin(question[0].asked) if lock else None
    if known is None:
        return False
    paths = ((inside(folder, name), held) for name, held in known.files.items())
    if by_hash:
        return not any(difference(path, held) for path, held in paths)
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
        raise GoldievalError(f"{download.url} names no file; give `to` in the card")
    inside(Path("/folder"), download.to)
    inside(Path("/folder"), path)
    url, headers = at_endpoint(download.url)
    wanted = FileRequest(path, url, download.bytes, download.sha256, download.md5, headers=headers)
    return OriginPlan(origin, [wanted], download.unpack)
