"""Incomplete downloads and servers that send false values: never accepted as the file."""

from __future__ import annotations

import socket
import threading
from collections import namedtuple
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from goldieval.core.errors import GoldievalError
from goldieval.data.fetch import download, part_file, retry
from goldieval.data.fetch.download import fetch
from goldieval.data.fetch.file_request import FileRequest

DATA = bytes(range(256)) * 40  # 10,240 bytes


class Quiet:
    def note(self, line: str) -> None: ...

    def at(self, name: str, done: int, total: int | None) -> None: ...


class Raw:
    """A server that answers each request with the next of the given responses, and then always with the last."""

    def __init__(self, answers: list[Any]) -> None:
        self.answers, self.asked = answers, list[str]()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/file.bin"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection:
                request = b""
                while b"\r\n\r\n" not in request:
                    request += connection.recv(65536)
                self.asked.append(request.decode())
                answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
                try:
                    for part in answer(self.asked[-1]) if callable(answer) else [answer]:
                        connection.sendall(part)
                except OSError:
                    pass

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Raw]]:
    monkeypatch.setattr(retry, "pause", lambda seconds: None)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    made: list[Raw] = []

    def start(*answers: Any) -> Raw:
        made.append(Raw(list(answers)))
        return made[-1]

    yield start
    for server in made:
        server.close()


def answer(body: bytes, *headers: str, status: str = "200 OK", length: int | None = -1) -> bytes:
    lines = [f"HTTP/1.1 {status}", "Connection: close", *headers]
    if length is not None:
        lines.append(f"Content-Length: {len(body) if length == -1 else length}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def part(start: int, stop: int, *headers: str, total: object = len(DATA), data: bytes = DATA) -> bytes:
    span = f"Content-Range: bytes {start}-{stop - 1}/{total}"
    return answer(data[start:stop], span, *headers, status="206 Partial Content")


def cut(data: bytes, *headers: str, at: int = 4000) -> bytes:
    return answer(data[:at], *headers, length=len(data))


def got(server: Raw, folder: Path, **about: Any) -> bytes:
    fetch(FileRequest("file.bin", server.url, **about), folder / "file.bin", Quiet())
    return (folder / "file.bin").read_bytes()


def refused(server: Raw, folder: Path, **about: Any) -> str:
    """Return the error line of a failing download that leaves no file."""
    with pytest.raises(GoldievalError) as raised:
        got(server, folder, **about)
    assert not (folder / "file.bin").exists() and "\n" not in str(raised.value)
    return str(raised.value)


def _asked(request: str) -> int:
    return int(request.partition("bytes=")[2].partition("-")[0] or 0)


ETAG, OTHER = 'ETag: "one"', 'ETag: "two"'
DATE, LATER = "Last-Modified: Mon, 01 Jan 2024 00:00:00 GMT", "Last-Modified: Tue, 02 Jan 2024 00:00:00 GMT"
NEW = DATA[::-1]


def test_interrupted_download_is_resumed(serve: Callable[..., Raw], tmp_path: Path) -> None:
    server = serve(cut(DATA, ETAG), part(4000, 10240, ETAG))
    assert got(server, tmp_path) == DATA
    assert "Range: bytes=4000-" in server.asked[1] and 'If-Range: "one"' in server.asked[1].replace(
        "If-range", "If-Range"
    )


def test_incomplete_part_is_not_accepted_as_the_file(serve: Callable[..., Raw], tmp_path: Path) -> None:
    """A 206 response may contain less than requested: the rest is requested again."""
    server = serve(cut(DATA, ETAG), part(4000, 6000, ETAG), part(6000, 9000, ETAG), part(9000, 10240, ETAG))
    assert got(server, tmp_path) == DATA


@pytest.mark.parametrize("total", ["*", len(DATA)])
def test_repeated_incomplete_parts_are_refused(total: object, serve: Callable[..., Raw], tmp_path: Path) -> None:
    server = serve(cut(DATA, ETAG), part(4000, 6000, ETAG, total=total))
    assert refused(server, tmp_path)


@pytest.mark.parametrize(
    ("first", "rest"),
    [
        ([ETAG], [OTHER]),
        ([DATE], [LATER]),
        ([ETAG, DATE], [OTHER, DATE]),
    ],
)
def test_file_that_changed_between_two_parts_is_downloaded_again(
    first: list[str], rest: list[str], serve: Callable[..., Raw], tmp_path: Path
) -> None:
    """Also with a server that ignores If-Range, and with one that sends the complete new file."""
    server = serve(cut(DATA, *first), part(4000, 10240, *rest, data=NEW), answer(NEW, *rest))
    assert got(server, tmp_path / "a") == NEW
    server = serve(cut(DATA, *first), answer(NEW, *rest))
    assert got(server, tmp_path / "b") == NEW


def test_file_of_another_size_in_the_second_part_is_downloaded_again(serve: Callable[..., Raw], tmp_path: Path) -> None:
    longer = NEW + b"more"
    server = serve(cut(DATA, ETAG), part(4000, 10244, total=10244, data=longer), answer(longer))
    assert got(server, tmp_path) == longer


def test_without_a_validator_nothing_is_joined(serve: Callable[..., Raw], tmp_path: Path) -> None:
    server = serve(cut(DATA, 'ETag: W/"weak"'), answer(NEW))
    assert got(server, tmp_path) == NEW and "Range" not in server.asked[1]


BAD_PARTS = {
    "another start": part(0, 10240, ETAG),
    "later start": part(5000, 10240, ETAG),
    "no Content-Range": answer(DATA[4000:], ETAG, status="206 Partial Content"),
    "garbage": answer(DATA[4000:], ETAG, "Content-Range: bytes 4000", status="206 Partial Content"),
    "another unit": answer(DATA[4000:], ETAG, "Content-Range: items 4000-10239/10240", status="206 Partial Content"),
    "negative": answer(DATA[4000:], ETAG, "Content-Range: bytes 4000--1/10240", status="206 Partial Content"),
    "end before start": answer(DATA[4000:], ETAG, "Content-Range: bytes 4000-10/10240", status="206 Partial Content"),
    "end behind total": answer(DATA[4000:], ETAG, "Content-Range: bytes 4000-10239/9000", status="206 Partial Content"),
    "other length": answer(DATA[4000:6000], ETAG, "Content-Range: bytes 4000-10239/10240", status="206 Partial"),
    "two ranges": answer(
        DATA[4000:],
        ETAG,
        "Content-Range: bytes 4000-10239/10240",
        "Content-Range: bytes 0-6239/10240",
        status="206 Partial Content",
    ),
    "many parts": answer(
        b"--x\r\nContent-Range: bytes 4000-10239/10240\r\n\r\n",
        ETAG,
        "Content-Type: multipart/byteranges; boundary=x",
        status="206 Partial Content",
    ),
}


@pytest.mark.parametrize("kind", BAD_PARTS)
def test_part_other_than_requested_is_refused(kind: str, serve: Callable[..., Raw], tmp_path: Path) -> None:
    assert refused(serve(cut(DATA, ETAG), BAD_PARTS[kind]), tmp_path)


BAD_ANSWERS = {
    "negative length": (answer(DATA, "Content-Length: -1", length=None), "contradictory lengths"),
    "length in words": (answer(DATA, "Content-Length: many", length=None), "contradictory lengths"),
    "endless length": (answer(DATA, f"Content-Length: {'9' * 400}", length=None), "contradictory lengths"),
    "two lengths": (answer(DATA, "Content-Length: 10", "Content-Length: 10240", length=None), "contradictory lengths"),
    "no length at all": (answer(DATA, length=None), "does not state its length"),
    "packed": (answer(DATA, "Content-Encoding: gzip"), "sends it compressed"),
    "a login page": (answer(b"<html>", "Content-Type: text/html; charset=utf-8"), "received a web page"),
    "no content": (answer(b"", status="204 No Content"), "HTTP 204"),
    "another status": (answer(DATA, status="203 Non-Authoritative"), "HTTP 203"),
    "a part unasked": (part(2000, 10240), "received another part"),
    "cut chunks": (answer(b"2800\r\n" + DATA[:100], "Transfer-Encoding: chunked", length=None), "broke"),
    "chunks without end": (answer(b"a\r\n0123456789\r\n", "Transfer-Encoding: chunked", length=None), "broke"),
    "to a file": (answer(b"", "Location: file:///etc/passwd", status="302 Found"), "HTTP 302"),
    "to ftp": (answer(b"", "Location: ftp://127.0.0.1/a", status="302 Found"), "redirects to ftp:"),
    "no HTTP": (b"hello\r\n\r\n", "no connection"),
}


@pytest.mark.parametrize("kind", BAD_ANSWERS)
def test_response_that_cannot_be_verified_is_refused(kind: str, serve: Callable[..., Raw], tmp_path: Path) -> None:
    given, why = BAD_ANSWERS[kind]
    assert why in refused(serve(given), tmp_path)


@pytest.mark.parametrize("length", [-1, None])
def test_declared_size_limits_the_download(
    length: int | None, serve: Callable[..., Raw], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """82 bytes were declared: with a length, in chunks or without either, no more are written."""
    wrote: list[int] = []
    monkeypatch.setattr(Quiet, "at", lambda self, name, done, total: wrote.append(done))
    why = refused(serve(answer(DATA, length=length)), tmp_path, bytes=82)
    assert "82" in why and not any(done > 82 for done in wrote)
    chunks = b"2800\r\n" + DATA + b"\r\n0\r\n\r\n"
    assert "82" in refused(serve(answer(chunks, "Transfer-Encoding: chunked", length=None)), tmp_path, bytes=82)
    assert not any(done > 82 for done in wrote) and not list(tmp_path.rglob("*"))


def test_declared_size_or_chunks_make_up_for_a_missing_length(serve: Callable[..., Raw], tmp_path: Path) -> None:
    assert got(serve(answer(DATA, length=None)), tmp_path / "a", bytes=len(DATA)) == DATA
    chunks = b"2000\r\n" + DATA[:8192] + b"\r\n800\r\n" + DATA[8192:] + b"\r\n0\r\n\r\n"
    assert got(serve(answer(chunks, "Transfer-Encoding: chunked", length=None)), tmp_path / "b") == DATA


def test_truncated_file_without_a_length_is_not_complete(serve: Callable[..., Raw], tmp_path: Path) -> None:
    assert "closed early" in refused(serve(answer(DATA[:4000], length=None)), tmp_path, bytes=len(DATA))


def test_full_disk_is_detected_before_the_download(
    serve: Callable[..., Raw], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(part_file.shutil, "disk_usage", lambda place: usage(0, 0, part_file.SPARE + 9_000))
    assert "the disk is full" in refused(serve(answer(DATA)), tmp_path)
    assert not (tmp_path / "file.bin.part").exists()


def test_server_that_is_too_slow_is_abandoned(
    serve: Callable[..., Raw], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each reading of the clock is a minute later: one byte per minute is not progress."""
    minutes = iter(range(10_000))
    monkeypatch.setattr(retry, "clock", lambda: 60.0 * next(minutes))
    monkeypatch.setattr(download, "CHUNK", 1)
    server = serve(lambda request: [part(_asked(request), 10240, ETAG)])
    assert "fewer than 1,000 bytes a second" in refused(server, tmp_path) and len(server.asked) == retry.TRIES


def test_single_bytes_at_a_time_are_abandoned(serve: Callable[..., Raw], tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(retry, "MOST_TRIES", 20)

    def one(request: str) -> Iterator[bytes]:
        start = _asked(request)
        span = f"Content-Range: bytes {start}-10239/10240"
        yield answer(DATA[start : start + 1], ETAG, span, status="206 Partial Content", length=10240 - start)

    assert "20 times" in refused(serve(one), tmp_path)
