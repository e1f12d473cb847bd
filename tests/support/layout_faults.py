"""What a person would see wrong on a page: cut text, labels upon each other, things outside the window, faint text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from browser import Page

WIDTHS = (1280, 800, 400)
SCHEMES = ("light", "dark")
_HERE = Path(__file__).parent


def layout_faults(page: Page) -> list[str]:
    """Return the faults of the layout as the page stands, one line each; hidden and closed parts are ignored.

    Found are: a page wider than its window; text, pictures and controls outside of it or cut by a box that does not
    scroll; text wider than its block; and texts of HTML or SVG that lie upon each other (rotated SVG text by its
    rotated box). What can be scrolled to inside of a scroll container is no fault.
    """
    return list(page.run((_HERE / "layout_faults.js").read_text(encoding="utf-8")))


def contrast_faults(page: Page) -> list[str]:
    """Return each pair of text and background colour with less contrast than WCAG AA: 4.5, for large text 3.

    The background of a text is that of its HTML ancestors; shapes of an SVG behind its text are not seen.
    """
    return list(page.run((_HERE / "contrast_faults.js").read_text(encoding="utf-8")))


def faults_of_every_view(
    page: Page, widths: Sequence[int] = WIDTHS, schemes: Sequence[str] = SCHEMES, shots: Path | None = None
) -> list[str]:
    """Return the faults of the open page at every width, and of its contrast in both colour schemes.

    Args:
        page: the open page.
        widths: widths of the window in CSS pixels.
        schemes: colour schemes that the reader prefers.
        shots: folder for a screenshot of every view; None for none.
    """
    faults = []
    for scheme in schemes:
        page.scheme(scheme)
        for width in widths:
            page.resize(width)
            if shots is not None:
                page.screenshot(shots / f"{scheme}-{width}.png")
            faults += [f"{width} px, {scheme}: {fault}" for fault in layout_faults(page)]
        faults += [f"{scheme}: {fault}" for fault in contrast_faults(page)]
    return faults
