"""Text in SVG drawings: elements, and how wide a text is at most."""

from __future__ import annotations

import unicodedata

from goldieval.core.text import one_line
from goldieval.report.formats.html import escape


def svg_text(x: float, y: float, text: str, size: float, anchor: str = "start") -> str:
    """Return a text element, with its text escaped.

    Args:
        x: where the text begins, ends or has its middle, in pixels.
        y: its baseline.
        text: the text.
        size: font size in pixels.
        anchor: what of the text is at ``x``: start, middle or end.
    """
    return f'<text x={x:g} y={y:g} font-size="{size:g}" text-anchor={anchor} fill=currentColor>{escape(text)}</text>'


def cut_to(text: str, width: float, size: float) -> str:
    """Return a text that is at most so wide."""
    while text_width(text, size) > width:
        text = text[:-2].rstrip("…") + "…"
    return text


def text_width(text: str, size: float) -> float:
    """Return how wide a text is at most in a sans-serif font, in pixels.

    Args:
        text: the text.
        size: font size in pixels.

    >>> text_width("ill", 10.0) < text_width("abc", 10.0) < text_width("MWM", 10.0)
    True
    """
    return size * sum(map(_em, one_line(text)))


def _em(char: str) -> float:
    """Return the width of a character in em, as wide as in DejaVu Sans, one of the widest fonts of browsers."""
    if char in "iljtfrI.,:;'|!()[]/ -":
        return 0.42
    if char in "mwMW@%…—":
        return 1.02
    if unicodedata.east_asian_width(char) in "WFA" or ord(char) > 0x2FFF:
        return 1.3
    return 0.82 if char.isupper() or char in "+=~<>#&" else 0.68
