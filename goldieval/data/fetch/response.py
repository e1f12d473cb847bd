"""What a server says of the file that it sends, checked against what was asked for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from goldieval.data.fetch.retry import Refused, Transient

_SPAN = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18}|\*)")


@dataclass(frozen=True)
class Version:
    """Tells one version of a file from another: its strong ETag, its date, its size; empty where not said."""

    etag: str = ""
    modified: str = ""
    total: int | None = None

    @property
    def validator(self) -> str:
        """What If-Range takes; a weak ETag is none."""
        return self.etag or self.modified

    def differs(self, other: Version) -> bool:
        """Whether anything that both say is not the same."""
        dates = () if self.etag and other.etag else ((self.modified, other.modified),)  # each mirror has its own date
        pairs = ((self.etag, other.etag), (self.total, other.total), *dates)
        return any(one and another and one != another for one, another in pairs)


@dataclass(frozen=True)
class Response:
    """start, end: first byte that comes, and the first that does not.   total: bytes of the whole file.

    end and total are None where the server does not say.
    encoded: a content encoding, so that lengths are not the file's.   page: it is HTML.
    end_is_unknown: nothing tells the end of the file from a broken connection.
    """

    start: int = 0
    end: int | None = None
    total: int | None = None
    encoded: str = ""
    page: bool = False
    end_is_unknown: bool = False
    version: Version = field(default_factory=Version)


def read_response(status: int, headers: Any, asked: int, what: str) -> Response:
    """Return what an answer to a request for all bytes from ``asked`` on means.

    Args:
        headers: an ``email.message.Message``.   what: the address for error lines.

    Raises:
        Transient: another part came than was asked for.
        Refused: a status that brings no file, or lengths that contradict each other.
    """
    if status not in (200, 206):
        raise Refused(what, status)
    length = _length(headers, what, status)
    encoded = (headers.get("content-encoding") or "").strip().lower()
    chunked = "chunked" in (headers.get("transfer-encoding") or "").lower()
    start, end, total = (0, length, length) if status == 200 else _part(headers, length, asked, what)
    about: Mapping[str, Any] = {
        "encoded": "" if encoded == "identity" else encoded,
        "page": (headers.get("content-type") or "").lower().startswith(("text/html", "application/xhtml")),
        "end_is_unknown": total is None and (status == 206 or not chunked),
    }
    etag = (headers.get("etag") or "").strip()
    version = Version(etag if etag.startswith('"') else "", headers.get("last-modified") or "", total)
    return Response(start, end, total, version=version, **about)


def _length(headers: Any, what: str, status: int) -> int | None:
    given = {value.strip() for value in headers.get_all("content-length") or []}
    if not given or "chunked" in (headers.get("transfer-encoding") or "").lower():
        return None
    value = given.pop()
    if given or not re.fullmatch("[0-9]{1,18}", value):
        raise Refused(f"{what} names no one length (Content-Length {value[:20]!r})", status)
    return int(value)


def _part(headers: Any, length: int | None, asked: int, what: str) -> tuple[int, int, int | None]:
    """Return start, end and total of a 206; what it lacks at the end is asked for again."""
    spans = headers.get_all("content-range") or []
    found = _SPAN.fullmatch(spans[0].strip()) if len(spans) == 1 else None
    if found is None:
        raise Refused(f"{what} sends a part without saying which (Content-Range)", 206)
    start, end = int(found[1]), int(found[2])
    total = None if found[3] == "*" else int(found[3])
    if end < start or (total is not None and end >= total) or length not in (None, end - start + 1):
        raise Refused(f"{what} contradicts itself (Content-Range {spans[0][:60]!r}, Content-Length {length})", 206)
    if start != asked:
        raise Transient(f"another part came than was asked for (from byte {start:,} instead of {asked:,})")
    return start, end + 1, total
