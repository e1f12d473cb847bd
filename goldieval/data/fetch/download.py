"""One file over HTTP: resumed where it stopped, verified, and only then given its name."""

from __future__ import annotations

import errno
import hashlib
import http.client
import json
import os
import shutil
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any, Protocol

from goldieval.core.errors import GoldievalError
from goldieval.core.limits import RECORD_BYTES
from goldieval.core.reading import read_json
from goldieval.data.fetch.lockfile import FileHash
from goldieval.data.fetch.response import Response, Version, read_response
from goldieval.data.fetch.retry import Refused, SpeedCheck, Transient, check_status, with_retries

CHUNK = 2**20
TIMEOUT_S = 60  # without a byte
SPARE = 10**8  # bytes that a download leaves free on the disk
PAGES = (".html", ".htm", ".xhtml")


class FetchProgress(Protocol):
    """Who hears how far a fetch is."""

    def note(self, line: str) -> None: ...

    def at(self, name: str, done: int, total: int | None) -> None:
        """``done`` of ``total`` bytes of a file are here; total is None where the server does not say."""


@dataclass(frozen=True)
class FileRequest:
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


def fetch(wanted: FileRequest, target: Path, tell: FetchProgress) -> FileHash:
    """Bring a file to ``target``; what came before an interruption is in ``<target>.part`` and is not fetched again.

    Raises:
        Refused: the server says no for good.
        GoldievalError: it cannot be reached, the disk is full, or the file is not what its source declares.
    """
    what, part = without_secrets(wanted.url), target.with_name(f"{target.name}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _disk(error, target.parent) from error
    with_retries(what, lambda: _stream(wanted, part, tell), tell.note, lambda: _size(part))
    held, fault = hash_file(part, wanted)
    if fault:
        _forget(part)
        raise GoldievalError(
            f"{what}: {fault}. It was damaged on its way or is another file now; nothing of it is kept. Try again."
        )
    os.replace(part, target)
    _forget(part)
    return held


def hash_file(file: Path, wanted: FileRequest) -> tuple[FileHash, str]:
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
    held = FileHash(bytes=size, sha256=sums["sha256"].hexdigest())
    if wanted.bytes is not None and size != wanted.bytes:
        return held, f"{size:,} bytes instead of {wanted.bytes:,}"
    for name, title in (("sha256", "SHA-256"), ("md5", "MD5"), ("git", "git hash")):
        declared, found = getattr(wanted, name), sums[name].hexdigest()
        if declared and found != declared:
            return held, f"wrong checksum: {title} {found[:12]}… instead of {declared[:12]}…"
    return held, ""


def without_secrets(url: str) -> str:
    """Return an address without user, query and fragment, which may hold secrets."""
    parts = urllib.parse.urlsplit(url)
    return urllib.parse.urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _stream(wanted: FileRequest, part: Path, tell: FetchProgress) -> None:
    """Fetch what ``part`` lacks.

    Raises:
        Transient: the connection broke, or the file has changed since the first part of it came.
        GoldievalError: what the server says of the file does not fit itself or what its source declares.
    """
    start, known = _size(part), _version(part)
    if start and (not (_declared(wanted) or known.validator) or start > (wanted.bytes or start)):
        _forget(part)
        start = 0
    if start and start == wanted.bytes:
        return
    headers = {"Range": f"bytes={start}-"} if start else {}
    if start and known.validator:
        headers["If-Range"] = known.validator
    with _opened(wanted, headers, part) as answer:
        said = read_response(answer.status, answer.headers, start, without_secrets(wanted.url))
        if said.start and known.differs(said.version):
            _forget(part)
            raise Transient("the file has changed on the server; it is fetched anew")
        _check(said, wanted, part)
        _remember(part, said.version)
        done = _write(answer, part, said, wanted, tell)
    whole = wanted.bytes if said.total is None else said.total
    if whole is not None and done < whole:
        raise Transient("the connection was closed early")


def _declared(wanted: FileRequest) -> str:
    return wanted.sha256 or wanted.md5 or wanted.git


def _check(said: Response, wanted: FileRequest, part: Path) -> None:
    """Refuse before the first byte what cannot be the file, or could not be told from a part of it."""
    what = without_secrets(wanted.url)
    if wanted.bytes is not None and said.total not in (None, wanted.bytes):
        _forget(part)
        raise GoldievalError(
            f"{what}: the server has {said.total:,} bytes instead of {wanted.bytes:,}. It is another file now, or a "
            "page of the server's; nothing of it is kept."
        )
    if said.encoded and not _declared(wanted):
        raise GoldievalError(
            f"{what}: the server sends it packed ({said.encoded!r}), so that it cannot be checked. Give sha256 in the "
            "card."
        )
    if said.end_is_unknown and wanted.bytes is None and not _declared(wanted):
        raise GoldievalError(
            f"{what}: the server does not say how long it is, so a part could not be told from the whole. Give bytes "
            "or sha256 in the card."
        )
    if said.page and wanted.bytes is None and not _declared(wanted) and not wanted.path.lower().endswith(PAGES):
        raise GoldievalError(f"{what}: a web page came instead of the file. Does it ask for a login?")
    _check_free(part, (said.total or wanted.bytes or 0) - said.start)


def _check_free(part: Path, needed: int) -> None:
    free = shutil.disk_usage(part.parent).free
    if needed > free - SPARE:
        raise _disk(OSError(errno.ENOSPC, ""), part)


def _write(answer: Any, part: Path, said: Response, wanted: FileRequest, tell: FetchProgress) -> int:
    """Append what comes; not a byte beyond the size that the server or the source has named."""
    done, most = said.start, said.total if said.total is not None else wanted.bytes
    pace = SpeedCheck(done)
    with _disk_open(part, "ab" if said.start else "wb") as stream:
        while done != said.end and (chunk := _more(answer)):
            done += len(chunk)
            if most is not None and done > most:
                _forget(part)
                raise GoldievalError(
                    f"{without_secrets(wanted.url)}: more than {most:,} bytes came; nothing of it is kept."
                )
            if most is None:
                _check_free(part, len(chunk))
            try:
                stream.write(chunk)
                stream.flush()
            except OSError as error:
                raise _disk(error, part) from error
            tell.at(wanted.path, done, most)
            pace.check(done)
    return done


def _more(answer: Any) -> bytes:
    try:
        return bytes(answer.read1(CHUNK))
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise Transient(f"the connection broke ({type(error).__name__})") from error


def _opened(wanted: FileRequest, headers: Mapping[str, str], part: Path) -> Any:
    request = urllib.request.Request(wanted.url, headers={"User-Agent": "goldieval", **headers})
    for name, value in wanted.headers.items():
        request.add_header(name, value)
    try:
        return urllib.request.build_opener(_Redirects()).open(request, timeout=TIMEOUT_S)
    except urllib.error.HTTPError as error:
        if error.code == 416:  # what we have is not a beginning of what is there now
            _forget(part)
            raise Transient("HTTP 416") from None
        check_status(without_secrets(wanted.url), error.code, error.headers.get("retry-after"))
        raise Refused(without_secrets(wanted.url), error.code) from None
    except (OSError, http.client.HTTPException) as error:
        raise Transient(f"no connection ({getattr(error, 'reason', None) or type(error).__name__})") from error


class _Redirects(urllib.request.HTTPRedirectHandler):
    """A token goes to the server that it is for, and not along to the one that this names."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        to, was = urllib.parse.urlsplit(newurl), urllib.parse.urlsplit(req.full_url)
        if to.scheme not in ("http", "https") or (was.scheme == "https" and to.scheme == "http"):
            raise Refused(f"{without_secrets(req.full_url)} leads to {without_secrets(newurl)}", code)
        request = super().redirect_request(req, fp, code, msg, headers, newurl)
        if request is not None and (to.scheme, to.netloc) != (was.scheme, was.netloc):
            request.remove_header("Authorization")
        return request


def _size(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _about(part: Path) -> Path:
    return part.with_name(f"{part.name}.etag")


def _version(part: Path) -> Version:
    """Return which version of a file ``part`` is the beginning of."""
    with suppress(OSError, ValueError, TypeError):
        return Version(**read_json(_about(part), RECORD_BYTES))
    return Version()


def _remember(part: Path, version: Version) -> None:
    with _disk_open(_about(part), "w") as stream:
        stream.write(json.dumps(asdict(version)))


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
