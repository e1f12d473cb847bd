"""Lines of text in a picture."""

from __future__ import annotations

from PIL import ImageFont

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


def lines_within(text: str, width: float, font: Font) -> list[str]:
    """Return a text as lines that fit a width, broken between words, and inside words that are longer; nothing is cut.

    Args:
        text: The text; white space between words counts as one space.
        width: Width of a line in pixels; a single letter that is wider is a line of its own.
        font: The font that the text is drawn with.
    """
    lines = [""]
    for word in text.split():
        if lines[-1] and font.getlength(f"{lines[-1]} {word}") <= width:
            lines[-1] += f" {word}"
            continue
        rest = word
        while font.getlength(rest) > width and len(rest) > 1:
            fits = next(n for n in range(len(rest) - 1, 0, -1) if n == 1 or font.getlength(rest[:n]) <= width)
            lines, rest = [*lines, rest[:fits]], rest[fits:]
        lines.append(rest)
    return [line for line in lines if line]
