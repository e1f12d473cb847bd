"""Interpretation of a server's response, checked against the request."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from goldieval.data.fetch.retry import Refused, Transient

_SPAN = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18}|\*)")


@dataclass(frozen=True)
class Version:
    """Version of a file on a server.

    Attributes:
        etag: Strong ETag, or empty.
        modified: Date of modification, or empty.
        total: Size, or None.
    """

    etag: str = ""
    modified: str = ""
    total: int | None = None

    @property
    def validator(self) -> str:
        """Value for If-Range; weak ETags are not usable."""
        return self.etag or self.modified

    def differs(self, other: Version) -> bool:
        """Return whether a property known for both versions differs."""
        dates = () if self.etag and other.etag else ((self.modified, other.modified),)  # dates differ between mirrors
        pairs = ((self.etag, other.etag), (self.total, other.total), *dates)
        return any(one and another and one != another for one, another in pairs)


@dataclass(frozen=True)
class Response:
    """Content of a response.

    Attributes:
        start: First byte that it contains.
        end: First byte after it, or None if unknown.
        total: Size of the whole file, or None if unknown.
        encoded: Content encoding; if present, lengths are not those of the file.
        page: Whether it is HTML.
        end_is_unknown: Whether the end of the file cannot be distinguished from a broken connection.
        version: Version of the file.
    """

    start: int = 0
    end: int | None = None
    total: int | None = None
    encoded: str = ""
    page: bool = False
    end_is_unknown: bool = False
    version: Version = field(default_factory=Version)


def read_response(status: int, headers: Any, asked: int, what: str) -> Response:
    """Interpret the response to a request for all bytes from ``asked`` on.

    Args:
        status: HTTP status.
        headers: An ``email.message.Message``.
        asked: First requested byte.
        what: Address for error messages.

    Raises:
        Transient: The response contains another range than requested.
        Refused: The status is an error, or lengths contradict each other.
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
        raise Refused(f"{what} states contradictory lengths (Content-Length {value[:20]!r})", status)
    return int(value)


def _part(headers: Any, length: int | None, asked: int, what: str) -> tuple[int, int, int | None]:
    """Return start, end and total of a 206 response; if it is incomplete, the rest is requested again."""
    spans = headers.get_all("content-range") or []
    found = _SPAN.fullmatch(spans[0].strip()) if len(spans) == 1 else None
    if found is None:
        raise Refused(f"{what} sends a part without stating its range (Content-Range)", 206)
    start, end = int(found[1]), int(found[2])
    total = None if found[3] == "*" else int(found[3])
    if end < start or (total is not None and end >= total) or length not in (None, end - start + 1):
        raise Refused(f"{what} contradicts itself (Content-Range {spans[0][:60]!r}, Content-Length {length})", 206)
    if start != asked:
        raise Transient(f"received another part than requested (from byte {start:,} instead of {asked:,})")
    return start, end + 1, total
