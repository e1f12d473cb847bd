"""Opening of an HTTP connection: one request, with redirects that keep a token on its own server."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from goldieval.data.fetch.file_request import FileRequest
from goldieval.data.fetch.part_file import discard_part
from goldieval.data.fetch.retry import Refused, Transient, check_status

TIMEOUT_S = 60  # without receiving a byte


def without_secrets(url: str) -> str:
    """Return an address without user, query and fragment, which may contain secrets."""
    parts = urllib.parse.urlsplit(url)
    return urllib.parse.urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def open_connection(wanted: FileRequest, headers: Mapping[str, str], part: Path | None) -> Any:
    """Return the open response of the server; it must be closed.

    Args:
        wanted: The file to download.
        headers: Further request headers.
        part: The partial file, if any, which is discarded where the server refuses to continue it.

    Raises:
        Transient: There is no connection, or the server's answer may be different later.
        Refused: The server refuses permanently.
    """
    request = urllib.request.Request(wanted.url, headers={"User-Agent": "goldieval", **headers})
    for name, value in wanted.headers.items():
        request.add_header(name, value)
    try:
        return urllib.request.build_opener(_Redirects()).open(request, timeout=TIMEOUT_S)
    except urllib.error.HTTPError as error:
        if error.code == 416:  # the partial file does not match the current file
            if part is not None:
                discard_part(part)
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
