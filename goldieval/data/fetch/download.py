"""One file over HTTP: resumed where it stopped, verified, and only then given its name."""

from __future__ import annotations

import errno
import hashlib
import http.client
import json
import os
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Protocol

from goldieval.data.fetch.lockfile import HeldFile
from goldieval.data.fetch.patience import Refused, Transient, check_status, patiently
from goldieval.errors import GoldievalError

CHUNK = 2**20
TIMEOUT_S = 60


class Teller(Protocol):
    """Who hears how far a fetch is."""

    def note(self, line: str) -> None: ...

    def at(self, name: str, done: int, total: int | None) -> None:
        """``done`` of ``total`` bytes of a file are here; total is None where the server does not say."""


@dataclass(frozen=True)
class Wanted:
    """A file to fetch.

    path: below the data folder.   sha256, md5, git: hashes that its source declares, empty where it does not (``git``
    is the id of a git blob).   headers: may hold a token, so they are never shown.
    """

    path: str
    url: str
    bytes: int | None = None
    sha256: str = ""
    md5: str = ""
    git: str = ""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


def fetch(wanted: Wanted, target: Path, tell: Teller) -> HeldFile:
    """Bring a file to ``target``; what came before an interruption is in ``<target>.part`` and is not fetched again.

    Raises:
        Refused: the server says no for good.
        GoldievalError: it cannot be reached, the disk is full, or the file is not what its source declares.
    """
    what, part = plain(wanted.url), target.with_name(f"{target.name}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _disk(error, target.parent) from error
    patiently(what, lambda: _stream(wanted, part, tell), tell.note, lambda: _size(part))
    held, fault = examine(part, wanted)
    if fault:
        _forget(part)
        raise GoldievalError(
            f"{what}: {fault}. It was damaged on its way or is another file now; nothing of it is kept. Try again."
        )
    os.replace(part, target)
    _forget(part)
    return held


def examine(file: Path, wanted: Wanted) -> tuple[HeldFile, str]:
    """Hash a file; return what it is, and how it differs from what its source declares (empty: it does not)."""
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
    held = HeldFile(bytes=size, sha256=sums["sha256"].hexdigest())
    if wanted.bytes is not None and size != wanted.bytes:
        return held, f"{size:,} bytes instead of {wanted.bytes:,}"
    for name, title in (("sha256", "SHA-256"), ("md5", "MD5"), ("git", "git hash")):
        declared, found = getattr(wanted, name), sums[name].hexdigest()
        if declared and found != declared:
            return held, f"wrong checksum: {title} {found[:12]}… instead of {declared[:12]}…"
    return held, ""


def plain(url: str) -> str:
    """Return an address without user, query and fragment, which may hold secrets."""
    parts = urllib.parse.urlsplit(url)
    return urllib.parse.urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _stream(wanted: Wanted, part: Path, tell: Teller) -> None:
    """Fetch what ``part`` lacks. Raises Transient where the connection breaks."""
    start, validator = _size(part), _validator(part)
    declared = wanted.sha256 or wanted.md5 or wanted.git
    if start and (not (declared or validator) or (wanted.bytes is not None and start > wanted.bytes)):
        _forget(part)
        start = 0
    if start and start == wanted.bytes:
        return
    headers = {"Range": f"bytes={start}-"} if start else {}
    if start and validator:
        headers["If-Range"] = validator
    with _opened(wanted, headers, part) as answer:
        if answer.status != 206:
            start = 0
        length = answer.headers.get("content-length")
        total = start + int(length) if length else None
        _remember(part, answer.headers)
        done = _write(answer, part, start, total, wanted, tell)
    if total is not None and done < total:
        raise Transient("the connection was closed early")


def _write(answer: Any, part: Path, start: int, total: int | None, wanted: Wanted, tell: Teller) -> int:
    done = start
    with _disk_open(part, "ab" if start else "wb") as stream:
        while True:
            try:
                chunk = answer.read(CHUNK)
            except (OSError, http.client.HTTPException) as error:
                raise Transient(f"the connection broke ({type(error).__name__})") from error
            if not chunk:
                return done
            try:
                stream.write(chunk)
                stream.flush()
            except OSError as error:
                raise _disk(error, part) from error
            done += len(chunk)
            tell.at(wanted.path, done, total or wanted.bytes)


def _opened(wanted: Wanted, headers: Mapping[str, str], part: Path) -> Any:
    request = urllib.request.Request(wanted.url, headers={"User-Agent": "goldieval", **headers})
    for name, value in wanted.headers.items():
        request.add_header(name, value)
    try:
        return urllib.request.build_opener(_Redirects()).open(request, timeout=TIMEOUT_S)
    except urllib.error.HTTPError as error:
        if error.code == 416:  # what we have is not a beginning of what is there now
            _forget(part)
            raise Transient("HTTP 416") from None
        check_status(plain(wanted.url), error.code, error.headers.get("retry-after"))
        raise Refused(plain(wanted.url), error.code) from None
    except (OSError, http.client.HTTPException) as error:
        raise Transient(f"no connection ({getattr(error, 'reason', None) or type(error).__name__})") from error


class _Redirects(urllib.request.HTTPRedirectHandler):
    """A token goes to the server that it is for, and not along to the one that this names."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        to, was = urllib.parse.urlsplit(newurl), urllib.parse.urlsplit(req.full_url)
        if to.scheme not in ("http", "https") or (was.scheme == "https" and to.scheme == "http"):
            raise Refused(f"{plain(req.full_url)} leads to {plain(newurl)}", code)
        request = super().redirect_request(req, fp, code, msg, headers, newurl)
        if request is not None and (to.scheme, to.netloc) != (was.scheme, was.netloc):
            request.remove_header("Authorization")
        return request


def _size(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _about(part: Path) -> Path:
    return part.with_name(f"{part.name}.etag")


def _validator(part: Path) -> str:
    with suppress(OSError, ValueError, TypeError):
        return str(json.loads(_about(part).read_text(encoding="utf-8"))["etag"])
    return ""


def _remember(part: Path, headers: Any) -> None:
    """Keep what tells this version of the file from another; a weak validator does not."""
    etag = headers.get("etag") or ""
    strong = etag if etag.startswith('"') else headers.get("last-modified") or ""
    with _disk_open(_about(part), "w") as stream:
        stream.write(json.dumps({"etag": strong}))


def _forget(part: Path) -> None:
    part.unlink(missing_ok=True)
    _about(part).unlink(missing_ok=True)


def _disk_open(file: Path, mode: str) -> IO[Any]:
    try:
        return file.open(mode)
    except OSError as error:
        raise _disk(error, file) from error


def _disk(error: OSError, file: Path) -> GoldievalError:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    what = "the disk is full" if full else f"cannot be written: {error.strerror or error}"
    return GoldievalError(f"{file}: {what}. Free some space or name another --data-dir; the same command goes on.")
