"""Download of one file over HTTP: resumed after interruptions, and renamed only after verification."""

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
TIMEOUT_S = 60  # without receiving a byte
SPARE = 10**8  # bytes that a download leaves free on the disk
PAGES = (".html", ".htm", ".xhtml")


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


def fetch(wanted: FileRequest, target: Path, progress: FetchProgress) -> FileHash:
    """Download a file to ``target``; a partial download is kept in ``<target>.part`` and continued.

    Args:
        wanted: The file to download.
        target: Its destination.
        progress: Receives the progress.

    Raises:
        Refused: The server refuses permanently.
        GoldievalError: The server cannot be reached, the disk is full, or the file differs from its declaration.
    """
    what, part = without_secrets(wanted.url), target.with_name(f"{target.name}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _disk(error, target.parent) from error
    with_retries(what, lambda: _stream(wanted, part, progress), progress.note, lambda: _size(part))
    held, fault = hash_file(part, wanted)
    if fault:
        _forget(part)
        raise GoldievalError(
            f"{what}: {fault}. It was damaged in transfer or has been replaced; it is discarded. Try again."
        )
    os.replace(part, target)
    _forget(part)
    return held


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


def without_secrets(url: str) -> str:
    """Return an address without user, query and fragment, which may contain secrets."""
    parts = urllib.parse.urlsplit(url)
    return urllib.parse.urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _stream(wanted: FileRequest, part: Path, progress: FetchProgress) -> None:
    """Download the rest of a file after the bytes that ``part`` contains.

    Raises:
        Transient: The connection broke, or the file has changed since the download began.
        GoldievalError: The server's response is inconsistent, or contradicts the declaration of the source.
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
        response = read_response(answer.status, answer.headers, start, without_secrets(wanted.url))
        if response.start and known.differs(response.version):
            _forget(part)
            raise Transient("the file has changed on the server; restarting the download")
        _check(response, wanted, part)
        _remember(part, response.version)
        done = _write(answer, part, response, wanted, progress)
    whole = wanted.bytes if response.total is None else response.total
    if whole is not None and done < whole:
        raise Transient("the connection was closed early")


def _declared(wanted: FileRequest) -> str:
    return wanted.sha256 or wanted.md5 or wanted.git


def _check(response: Response, wanted: FileRequest, part: Path) -> None:
    """Raise an error before the first byte if the response cannot be the file, or may be incomplete."""
    what = without_secrets(wanted.url)
    if wanted.bytes is not None and response.total not in (None, wanted.bytes):
        _forget(part)
        raise GoldievalError(
            f"{what}: the server has {response.total:,} bytes instead of {wanted.bytes:,}. The file was "
            "replaced, or this is an error page of the server; it is discarded."
        )
    if response.encoded and not _declared(wanted):
        raise GoldievalError(
            f"{what}: the server sends it compressed ({response.encoded!r}), so it cannot be verified. Give sha256 "
            "in the card."
        )
    if response.end_is_unknown and wanted.bytes is None and not _declared(wanted):
        raise GoldievalError(
            f"{what}: the server does not state its length, so an incomplete file would not be noticed. Give bytes "
            "or sha256 in the card."
        )
    if response.page and wanted.bytes is None and not _declared(wanted) and not wanted.path.lower().endswith(PAGES):
        raise GoldievalError(f"{what}: received a web page instead of the file. Does it require a login?")
    _check_free(part, (response.total or wanted.bytes or 0) - response.start)


def _check_free(part: Path, needed: int) -> None:
    free = shutil.disk_usage(part.parent).free
    if needed > free - SPARE:
        raise _disk(OSError(errno.ENOSPC, ""), part)


def _write(answer: Any, part: Path, response: Response, wanted: FileRequest, progress: FetchProgress) -> int:
    """Append the received bytes, but not beyond the size that the server or the source has declared."""
    done, most = response.start, response.total if response.total is not None else wanted.bytes
    pace = SpeedCheck(done)
    with _disk_open(part, "ab" if response.start else "wb") as stream:
        while done != response.end and (chunk := _more(answer)):
            done += len(chunk)
            if most is not None and done > most:
                _forget(part)
                raise GoldievalError(
                    f"{without_secrets(wanted.url)}: received more than {most:,} bytes; it is discarded."
                )
            if most is None:
                _check_free(part, len(chunk))
            try:
                stream.write(chunk)
                stream.flush()
            except OSError as error:
                raise _disk(error, part) from error
            progress.at(wanted.path, done, most)
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
        if error.code == 416:  # the partial file does not match the current file
            _forget(part)
            raise Transient("HTTP 416") from None
        check_status(without_secrets(wanted.url), error.code, error.headers.get("retry-after"))
        raise Refused(without_secrets(wanted.url), error.code) from None
    except (OSError, http.client.HTTPException) as error:
        raise Transient(f"no connection ({getattr(error, 'reason', None) or type(error).__name__})") from error


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects, but sends a token only to the server that it belongs to."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        to, was = urllib.parse.urlsplit(newurl), urllib.parse.urlsplit(req.full_url)
        if to.scheme not in ("http", "https") or (was.scheme == "https" and to.scheme == "http"):
            raise Refused(f"{without_secrets(req.full_url)} redirects to {without_secrets(newurl)}", code)
        request = super().redirect_request(req, fp, code, msg, headers, newurl)
        if request is not None and (to.scheme, to.netloc) != (was.scheme, was.netloc):
            request.remove_header("Authorization")
        return request


def _size(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _about(part: Path) -> Path:
    return part.with_name(f"{part.name}.etag")


def _version(part: Path) -> Version:
    """Return the version of the file that ``part`` is the beginning of."""
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
    return GoldievalError(f"{file}: {what}. Free some space or choose another --data-dir; the same command resumes.")
