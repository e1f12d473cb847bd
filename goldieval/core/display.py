"""The one gate between strings and a terminal: consoles, texts, JSON and the standard streams of the command line.

Screens use ``Console`` and ``Text`` from here instead of rich's own. Strings given to them are one line of plain text:
no markup, no emoji codes, no control characters. ``guarded`` puts the same gate around ``sys.stdout`` and
``sys.stderr``, for ``print``, tracebacks, warnings and libraries, and lets a terminal of any encoding show the rest.
"""

from __future__ import annotations

import codecs
import json
import os
import re
import sys
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import IO, Any

import rich.console
import rich.text
from rich.console import ConsoleOptions, RenderableType
from rich.segment import Segment

from goldieval.core.text import ascii_substitute, fit_encoding, one_line, printable

PIPE_CLOSED = 141  # what a shell says of a program that wrote to a pipe without a reader
_CURSOR_UP = re.compile(r"(\n|\x1b\[A)*")  # all that progress bars of libraries write besides text


class Text(rich.text.Text):
    """One line of text, safe whatever it holds. ``whole``: never wrapped, since it is there to be copied."""

    def __init__(self, text: str = "", style: Any = "", *, whole: bool = False, **settings: Any) -> None:
        super().__init__(_shown(text), style, **settings)
        self.whole = whole

    def append(self, text: Any, style: Any = None) -> Text:
        super().append(_shown(text) if isinstance(text, str) else text, style)
        return self

    @classmethod
    def assemble(cls, *parts: Any, **settings: Any) -> Text:
        """Return one text of parts, each a string or a pair of string and style."""
        text = cls(**settings)
        for part in parts:
            text.append(*((part,) if isinstance(part, str | rich.text.Text) else part))
        return text


class Console(rich.console.Console):
    """A console whose strings are plain text, and whose every segment passes the gate."""

    def __init__(self, **settings: Any) -> None:
        plain = {"markup": False, "emoji": False, "highlight": False}
        super().__init__(**(plain | settings))

    @property
    def file(self) -> IO[str]:
        """The stream itself, below any guard: what is written there has passed the gate, escapes are rich's own."""
        return _unguarded(super().file)

    @file.setter
    def file(self, new_file: IO[str]) -> None:
        self._file = new_file

    def render_str(self, text: str, **settings: Any) -> rich.text.Text:
        return super().render_str(_shown(text), **settings)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterator[Segment]:
        for segment in super().render(renderable, options):
            safe = segment.text if segment.control else printable(segment.text)
            yield segment if safe == segment.text else Segment(safe, segment.style)

    def parts(self, parts: Iterable[RenderableType]) -> None:
        """Print one part after the other; texts that are ``whole`` without breaking them."""
        for part in parts:
            self.print(part, soft_wrap=getattr(part, "whole", False))

    def on_broken_pipe(self) -> None:
        self.quiet = True
        leave_pipe()


def print_json(value: Any, indent: int | None = 1) -> None:
    """Print JSON in ASCII, so that no string in it reaches the terminal as it is; programs read the same strings."""
    print(json.dumps(value, indent=indent).replace("\x7f", "\\u007f"))


def print_text(text: str) -> None:
    """Print text of several lines, such as a table in Markdown."""
    print(printable(text), end="" if text.endswith("\n") else "\n")


def print_html(text: str) -> None:
    """Print a page, which says of itself that it is UTF-8; where the terminal's encoding is another, in ASCII."""
    utf8 = (getattr(sys.stdout, "encoding", None) or "utf-8").lower().replace("-", "") == "utf8"
    print_text(text if utf8 else printable(text).encode("ascii", "xmlcharrefreplace").decode())


def show_traceback(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print a traceback as Python does, what the error says being a string of others; for ``sys.excepthook``."""
    print(printable("".join(traceback.format_exception(kind, error, trace))), end="", file=sys.stderr)


def leave_pipe() -> None:
    """End quietly: the reader of the output has gone."""
    discard_output()
    raise SystemExit(PIPE_CLOSED)


def discard_output() -> None:
    """Let nothing more be written to a standard output that takes nothing, not even at the end of the process."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class GuardedStream:
    """A text stream that writes what is visible; everything else is the stream's own."""

    def __init__(self, stream: IO[str]) -> None:
        self.rich_proxied_file = stream  # the name by which rich's consoles find the stream below

    def write(self, text: str) -> int:
        # Progress bars of libraries begin with a carriage return, and move the cursor up between each other.
        start = "\r" if text.startswith("\r") else ""
        safe = text if _CURSOR_UP.fullmatch(text) else start + printable(text.removeprefix(start))
        self.rich_proxied_file.write(safe)
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.rich_proxied_file, name)


@contextmanager
def guarded() -> Iterator[None]:
    """Guard the standard streams; characters that their encoding lacks get a stand-in instead of an error."""
    codecs.register_error("goldieval.stand_in", _encode_error)
    before = sys.stdout, sys.stderr
    for stream in before:
        with suppress(AttributeError, OSError, ValueError):
            stream.reconfigure(errors="goldieval.stand_in")  # type: ignore[union-attr]
    # A stream that the shell has closed is None.
    sys.stdout, sys.stderr = (GuardedStream(stream or open(os.devnull, "w")) for stream in before)  # noqa: SIM115
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def _encode_error(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(ascii_substitute, error.object[error.start : error.end])), error.end


def _shown(text: str) -> str:
    """Return one line in the terminal's own characters, so that columns are as wide as they will be printed."""
    return fit_encoding(one_line(text), getattr(sys.stdout, "encoding", None))


def _unguarded(stream: Any) -> IO[str]:
    while (below := getattr(stream, "rich_proxied_file", None)) is not None:
        stream = below
    found: IO[str] = stream
    return found
