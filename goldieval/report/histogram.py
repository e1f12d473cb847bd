"""A histogram as inline SVG, for pages without scripts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

BINS = 30
WIDTH, HEIGHT = 640.0, 150.0
LEFT, RIGHT, TOP, BOTTOM = 8.0, 8.0, 22.0, 24.0
LETTER = 9.5  # width of a character of the labels in a narrow window, in SVG units, for keeping labels inside


def histogram(lengths: Sequence[int], unit: str, mark: int = 0) -> str:
    """Return an SVG with the distribution of positive whole numbers, and a line at ``mark`` if it is positive.

    The axis ends at the 99.5th percentile or at ``mark``, whichever is larger; larger values are counted in the last
    bar.
    """
    values = np.asarray(lengths)
    end = max(float(np.percentile(values, 99.5)), float(mark) * 1.1, float(values.min()) + 1)
    counts, edges = np.histogram(np.minimum(values, end), bins=BINS, range=(0, end))
    across, up = (WIDTH - LEFT - RIGHT) / end, (HEIGHT - TOP - BOTTOM) / max(int(counts.max()), 1)
    base = HEIGHT - BOTTOM
    bars = "".join(
        f'<rect x="{LEFT + low * across + 0.5:.1f}" y="{base - count * up:.1f}" '
        f'width="{(high - low) * across - 1:.1f}" height="{count * up:.1f}"><title>{low:,.0f} to {high:,.0f} '
        f"{unit}: {count:,}</title></rect>"
        for count, low, high in zip(counts, edges[:-1], edges[1:], strict=True)
        if count
    )
    median = float(np.median(values))
    labels = [_label(LEFT + median * across, f"median {median:,.0f}", HEIGHT - 6)]
    lines = f'<line class="axis" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{base}" y2="{base}"/>'
    if mark:
        x = LEFT + mark * across
        lines += f'<line class="mark" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 4}" y2="{base}"/>'
        labels.append(_label(x, f"{mark:,} {unit}", TOP - 8))
    described = f"{len(values):,} values, median {median:,.0f}, largest {values.max():,} {unit}"
    return (
        f'<svg class="histogram" viewBox="0 0 {WIDTH:.0f} {HEIGHT:.0f}" role="img" aria-label="{described}">'
        f"{bars}{lines}{''.join(labels)}</svg>"
    )


def _label(x: float, text: str, y: float) -> str:
    """Return a centred label, moved so that it does not leave the frame."""
    half = len(text) * LETTER / 2
    x = min(max(x, half + 2), WIDTH - half - 2)
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="middle">{text}</text>'
