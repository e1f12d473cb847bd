"""A local web server of shards, with faults on demand."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class ShardServer:
    """A server.

    A fault is a status, "cut" (half of what was asked for, then the connection ends) or "silent" (half, then nothing
    for longer than anyone waits). Each is used up by one request.

    Attributes:
        files: Content by path.
        faults: Faults of the next requests, by path.
        ranges: Whether parts of a file can be asked for.
        begins_at: First byte of what it sends where a part is asked for; None for what was asked for.
        log: Path, Range and Authorization of each request.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    faults: dict[str, list[int | str]] = field(default_factory=dict)
    ranges: bool = True
    begins_at: int | None = None
    log: list[tuple[str, str, str]] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def asked(self, path: str) -> list[str]:
        """Return the Range of each request for a path."""
        return [span for each, span, _ in self.log if each.partition("?")[0] == path]


@contextmanager
def shard_server(files: dict[str, bytes]) -> Iterator[ShardServer]:
    server = ShardServer(dict(files))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            span = self.headers.get("Range", "")
            server.log.append((self.path, span, self.headers.get("Authorization", "")))
            path = self.path.partition("?")[0]
            fault = server.faults[path].pop(0) if server.faults.get(path) else None
            if isinstance(fault, int) or path not in server.files:
                self.send_error(fault if isinstance(fault, int) else 404)
                return
            self._send(server.files[path], span if server.ranges else "", fault)

        def _send(self, content: bytes, span: str, fault: Any) -> None:
            start = int(span.removeprefix("bytes=").partition("-")[0]) if span else 0
            start = server.begins_at if span and server.begins_at is not None else start
            self.send_response(206 if span else 200)
            if span:
                self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            rest = content[start:]
            self.send_header("Content-Length", str(len(rest)))
            self.end_headers()
            self.wfile.write(rest[: len(rest) // 2] if fault else rest)
            self.wfile.flush()
            if fault == "silent":
                time.sleep(3)
            self.close_connection = True

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: Any) -> None:
            """Clients break connections."""

    http = Quiet(("127.0.0.1", 0), Handler)
    server.port = http.server_port
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()
        thread.join()
