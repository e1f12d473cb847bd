"""A local replacement for the Hub and other web servers: files, faults on demand, and a log of requests."""

from __future__ import annotations

import hashlib
import json
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

COMMIT = "c0ffee" + "0" * 34


@dataclass
class Server:
    """A server.

    A fault is a status, 429 with Retry-After, 302 with an address, or "cut": half of the file and no more.

    Attributes:
        files: Content by path, of the repository and below ``/web/``.
        faults: Responses that come first, by path.
        token: The token that is required, if any.
        keyless: Status for a request without the token.
        etags: Whether responses have an ETag.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    faults: dict[str, list[Any]] = field(default_factory=dict)
    token: str = ""
    keyless: int = 401
    etags: bool = True
    log: list[tuple[str, str, str]] = field(default_factory=list)  # method, path, Range
    keys: list[str] = field(default_factory=list)
    url: str = ""
    commit: str = COMMIT
    listed: list[str] = field(default_factory=list)  # more paths that the listing names
    card: dict[str, Any] = field(default_factory=dict)  # YAML head of the README.md

    def asked(self, part: str) -> list[tuple[str, str]]:
        """Return path and Range of every GET whose path contains ``part``."""
        return [(path, span) for method, path, span in self.log if method == "GET" and part in path]


@contextmanager
def serving(server: Server) -> Iterator[Server]:
    class Handler(_Handler):
        hub = server

    http = _Quiet(("127.0.0.1", 0), Handler)
    server.url = f"http://127.0.0.1:{http.server_port}"
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()


class _Quiet(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore a client that has disconnected, for example because it was killed."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    hub: Server
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, body: bool) -> None:
        hub, path = self.hub, self.path.partition("?")[0]
        hub.log.append((self.command, path, self.headers.get("Range", "")))
        hub.keys.append(self.headers.get("Authorization", ""))
        if hub.token and self.headers.get("Authorization") != f"Bearer {hub.token}" and not path.startswith("/web/"):
            return self._send(hub.keyless, b"{}", body, {"X-Error-Code": "GatedRepo" if hub.keyless == 403 else ""})
        faults = next((faults for name, faults in hub.faults.items() if path.endswith(name) and faults), None)
        fault = faults.pop(0) if faults else None
        if isinstance(fault, int):
            return self._send(fault, b"{}", body)
        if isinstance(fault, tuple):
            name = "Retry-After" if fault[0] == 429 else "Location"
            return self._send(fault[0], b"{}", body, {name: str(fault[1])})
        parts = path.strip("/").split("/")
        if parts[:2] == ["api", "datasets"]:
            return self._api(parts[4:], body)
        name = "/".join(parts[1:]) if parts[0] == "web" else "/".join(parts[5:])
        if name not in hub.files or (parts[0] != "web" and parts[4] != hub.commit):
            return self._send(404, b"", body)
        return self._file(hub.files[name], body, fault == "cut")

    def _api(self, parts: list[str], body: bool) -> None:
        hub = self.hub
        if len(parts) > 1 and parts[1] not in ("main", hub.commit):
            return self._send(404, b"{}", body, {"X-Error-Code": "RevisionNotFound"})
        entries = [_entry(name, data) for name, data in hub.files.items()]
        entries += [_entry(name, b"") for name in hub.listed]
        about = {"id": "org/name", "sha": hub.commit, "siblings": entries} | (
            {"cardData": hub.card} if hub.card else {}
        )
        return self._send(200, json.dumps(about).encode(), body, {"Content-Type": "application/json"})

    def _file(self, data: bytes, body: bool, cut: bool) -> None:
        headers = {"Accept-Ranges": "bytes", "X-Repo-Commit": self.hub.commit}
        etag = f'"{hashlib.sha256(data).hexdigest()}"'
        if self.hub.etags:
            headers["ETag"] = etag
        span, status = self.headers.get("Range", ""), 200
        if span and self.headers.get("If-Range", etag) == etag:
            start = int(span.removeprefix("bytes=").rstrip("-"))
            if start >= len(data):
                return self._send(416, b"", body)
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
            data, status = data[start:], 206
        return self._send(status, data, body, headers, cut)

    def _send(
        self, status: int, data: bytes, body: bool, headers: dict[str, str] | None = None, cut: bool = False
    ) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if body:
            self.wfile.write(data[: len(data) // 2] if cut else data)
        if cut:
            self.close_connection = True


def _entry(name: str, data: bytes) -> dict[str, Any]:
    """Large files have a SHA-256 in the listing, small ones the id of a git blob, as on the Hub."""
    blob = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
    entry: dict[str, Any] = {"rfilename": name, "size": len(data), "blobId": blob}
    if name.endswith((".tar", ".parquet", ".zip")):
        entry["lfs"] = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 130}
    return entry
