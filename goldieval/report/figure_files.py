"""Figures of matplotlib as PNG, PDF or SVG files; the same figure gives the same bytes."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Any

from goldieval.core.errors import GoldievalError
from goldieval.core.files import atomic_write

KINDS = (".png", ".pdf", ".svg")
DOTS_PER_INCH = 300
SETTINGS: Any = {
    "font.size": 8,
    "axes.linewidth": 0.7,
    "pdf.fonttype": 42,  # TrueType: publishers refuse Type 3
    "svg.hashsalt": "goldieval",  # the same data give the same file
}


def check_kind(file: Path, option: str) -> None:
    """Raise GoldievalError for a suffix other than .png, .pdf or .svg; ``option`` is named in the message."""
    if file.suffix not in KINDS:
        raise GoldievalError(f"{option} {file}: name a .png, .pdf or .svg file.")


def write_figure(file: Path, figure: Any, option: str) -> int:
    """Write a figure in the format of the file's suffix; return its size in bytes.

    Raises:
        GoldievalError: the file cannot be written.
    """
    content = _encoded(figure, file.suffix[1:])
    try:
        atomic_write(file, content)
    except OSError as error:
        raise GoldievalError(f"{option} {file}: {error.strerror or error}.") from error
    return len(content)


def _encoded(figure: Any, kind: str) -> bytes:
    import matplotlib

    stream = io.BytesIO()
    undated = {"pdf": {"CreationDate": None}, "png": {"Software": None}, "svg": {"Date": None}}[kind]
    with matplotlib.rc_context(SETTINGS), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)
        figure.savefig(stream, format=kind, dpi=DOTS_PER_INCH, metadata=undated)
    return stream.getvalue()
