"""Safe terminal output: consoles, texts, JSON and the standard streams of the command line.

All output uses ``Console`` and ``Text`` from this module instead of rich's own. A string passed to them is one line of
plain text: no markup, no emoji codes, no control characters. ``guarded`` applies the same filter to ``sys.stdout`` and
``sys.stderr``, that is to ``print``, tracebacks, warnings and libraries, for a terminal of any encoding.
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

PIPE_CLOSED = 141  # exit status that shells report for a program whose output pipe has no reader
_CURSOR_UP = re.compile(r"(\n|\x1b\[A)*")  # the only control sequences that progress bars of libraries write


class Text(rich.text.Text):
    """One line of text, safe to display. With ``whole=True`` it is never wrapped, so that it can be copied."""

    def __init__(self, text: str = "", style: Any = "", *, whole: bool = False, **settings: Any) -> None:
        super().__init__(_shown(text), style, **settings)
        self.whole = whole

    def append(self, text: Any, style: Any = None) -> Text:
        super().append(_shown(text) if isinstance(text, str) else text, style)
        return self

    @classmethod
    def assemble(cls, *parts: Any, **settings: Any) -> Text:
        """Return one text assembled from parts, each a string or a pair of string and style."""
        text = cls(**settings)
        for part in parts:
            text.append(*((part,) if isinstance(part, str | rich.text.Text) else part))
        return text


class Console(rich.console.Console):
    """A console that treats strings as plain text and makes every segment printable."""

    def __init__(self, **settings: Any) -> None:
        plain = {"markup": False, "emoji": False, "highlight": False}
        super().__init__(**(plain | settings))

    @property
    def file(self) -> IO[str]:
        """The underlying stream, below any guard: text written to it is already printable; escapes are rich's own."""
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
        """Print one part after the other, without wrapping texts that are ``whole``."""
        for part in parts:
            self.print(part, soft_wrap=getattr(part, "whole", False))

    def on_broken_pipe(self) -> None:
        self.quiet = True
        leave_pipe()


def print_json(value: Any, indent: int | None = 1) -> None:
    """Print JSON in ASCII, so that no string reaches the terminal unescaped; programs read the same values."""
    print(json.dumps(value, indent=indent).replace("\x7f", "\\u007f"))


def print_text(text: str) -> None:
    """Print text of several lines, for example a table in Markdown."""
    print(printable(text), end="" if text.endswith("\n") else "\n")


def print_html(text: str) -> None:
    """Print an HTML page, which declares UTF-8; in ASCII if the terminal has another encoding."""
    utf8 = (getattr(sys.stdout, "encoding", None) or "utf-8").lower().replace("-", "") == "utf8"
    print_text(text if utf8 else printable(text).encode("ascii", "xmlcharrefreplace").decode())


def show_traceback(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print a traceback like Python does, with its text made printable; for ``sys.excepthook``."""
    print(printable("".join(traceback.format_exception(kind, error, trace))), end="", file=sys.stderr)


def leave_pipe() -> None:
    """Exit quietly because the reader of the output has closed the pipe."""
    discard_output()
    raise SystemExit(PIPE_CLOSED)


def discard_output() -> None:
    """Redirect standard output to the null device, so that nothing fails at exit because the pipe is closed."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class GuardedStream:
    """A text stream that makes what is written printable and otherwise behaves like the stream it wraps."""

    def __init__(self, stream: IO[str]) -> None:
        self.rich_proxied_file = stream  # the attribute by which rich's consoles find the underlying stream

    def write(self, text: str) -> int:
        # Progress bars of libraries begin with a carriage return and move the cursor up to update several bars.
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
    """Guard the standard streams; characters that their encoding lacks are replaced instead of raising an error."""
    codecs.register_error("goldieval.stand_in", _encode_error)
    before = sys.stdout, sys.stderr
    for stream in before:
        with suppress(AttributeError, OSError, ValueError):
            stream.reconfigure(errors="goldieval.stand_in")  # type: ignore[union-attr]
    # A standard stream closed by the shell is None.
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
    """Return one line in characters the terminal can encode, so that column widths are computed correctly."""
    return fit_encoding(one_line(text), getattr(sys.stdout, "encoding", None))


def _unguarded(stream: Any) -> IO[str]:
    while (below := getattr(stream, "rich_proxied_file", None)) is not None:
        stream = below
    found: IO[str] = stream
    return found
