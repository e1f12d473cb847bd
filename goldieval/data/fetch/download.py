"""Download of one file over HTTP: resumed after interruptions, and renamed only after verification."""

from __future__ import annotations

import http.client
import os
from pathlib import Path
from typing import Any

from goldieval.core.errors import GoldievalError
from goldieval.data.fetch.connection import open_connection, without_secrets
from goldieval.data.fetch.file_request import CHUNK, FetchProgress, FileRequest, hash_file
from goldieval.data.fetch.lockfile import FileHash
from goldieval.data.fetch.part_file import (
    check_free,
    discard_part,
    disk_error,
    open_for_writing,
    part_size,
    read_version,
    write_version,
)
from goldieval.data.fetch.response import Response, read_response
from goldieval.data.fetch.retry import SpeedCheck, Transient, with_retries

PAGES = (".html", ".htm", ".xhtml")


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
        raise disk_error(error, target.parent) from error
    with_retries(what, lambda: _stream(wanted, part, progress), progress.note, lambda: part_size(part))
    held, fault = hash_file(part, wanted)
    if fault:
        discard_part(part)
        raise GoldievalError(
            f"{what}: {fault}. It was damaged in transfer or has been replaced; it is discarded. Try again."
        )
    os.replace(part, target)
    discard_part(part)
    return held


def _stream(wanted: FileRequest, part: Path, progress: FetchProgress) -> None:
    """Download the rest of a file after the bytes that ``part`` contains.

    Raises:
        Transient: The connection broke, or the file has changed since the download began.
        GoldievalError: The server's response is inconsistent, or contradicts the declaration of the source.
    """
    start, known = part_size(part), read_version(part)
    if start and (not (_declared(wanted) or known.validator) or start > (wanted.bytes or start)):
        discard_part(part)
        start = 0
    if start and start == wanted.bytes:
        return
    headers = {"Range": f"bytes={start}-"} if start else {}
    if start and known.validator:
        headers["If-Range"] = known.validator
    with open_connection(wanted, headers, part) as answer:
        response = read_response(answer.status, answer.headers, start, without_secrets(wanted.url))
        if response.start and known.differs(response.version):
            discard_part(part)
            raise Transient("the file has changed on the server; restarting the download")
        _check(response, wanted, part)
        write_version(part, response.version)
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
        discard_part(part)
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
    check_free(part, (response.total or wanted.bytes or 0) - response.start)


def _write(answer: Any, part: Path, response: Response, wanted: FileRequest, progress: FetchProgress) -> int:
    """Append the received bytes, but not beyond the size that the server or the source has declared."""
    done, most = response.start, response.total if response.total is not None else wanted.bytes
    pace = SpeedCheck(done)
    with open_for_writing(part, "ab" if response.start else "wb") as stream:
        while done != response.end and (chunk := _more(answer)):
            done += len(chunk)
            if most is not None and done > most:
                discard_part(part)
                raise GoldievalError(
                    f"{without_secrets(wanted.url)}: received more than {most:,} bytes; it is discarded."
                )
            if most is None:
                check_free(part, len(chunk))
            try:
                stream.write(chunk)
                stream.flush()
            except OSError as error:
                raise disk_error(error, part) from error
            progress.at(wanted.path, done, most)
            pace.check(done)
    return done


def _more(answer: Any) -> bytes:
    try:
        return bytes(answer.read1(CHUNK))
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise Transient(f"the connection broke ({type(error).__name__})") from error
