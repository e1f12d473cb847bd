"""Distances between colours as readers with and without colour blindness see them.

Colour blindness is simulated by the matrices of Machado, Oliveira and Fernandes (2009, severity 1.0), in linear RGB;
distances are CIEDE2000 (Sharma, Wu and Dalal 2005).
"""

from __future__ import annotations

import numpy as np

VISIONS = {
    "normal": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
}
_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
_WHITE = _XYZ.sum(axis=1)


def seen(colours: np.ndarray, vision: str) -> np.ndarray:
    """Return CIELAB values, (n, 3), of sRGB colours in 0..255, (n, 3), as that vision sees them."""
    part = np.asarray(colours, dtype=float) / 255
    linear = np.where(part <= 0.04045, part / 12.92, ((part + 0.055) / 1.055) ** 2.4)
    xyz = np.clip(linear @ VISIONS[vision].T, 0, 1) @ _XYZ.T / _WHITE
    root = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    x, y, z = root.T
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=1)


def distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the CIEDE2000 differences of two sets of CIELAB values, (n, m)."""
    (l1, a1, b1), (l2, a2, b2) = (np.moveaxis(each, -1, 0) for each in (a[:, None], b[None]))
    chroma = (np.hypot(a1, b1) + np.hypot(a2, b2)) / 2
    g = 1.5 - 0.5 * np.sqrt(chroma**7 / (chroma**7 + 25.0**7))
    c1, c2 = np.hypot(g * a1, b1), np.hypot(g * a2, b2)
    h1, h2 = (np.degrees(np.arctan2(y, g * x)) % 360 for x, y in ((a1, b1), (a2, b2)))
    turn = (h2 - h1 + 180) % 360 - 180
    turn = np.where(c1 * c2 == 0, 0, turn)
    dl, dc, dh = l2 - l1, c2 - c1, 2 * np.sqrt(c1 * c2) * np.sin(np.radians(turn / 2))
    lightness, mean = (l1 + l2) / 2, (c1 + c2) / 2
    hue = np.where(c1 * c2 == 0, h1 + h2, h1 + turn / 2)
    t = (
        1
        - 0.17 * np.cos(np.radians(hue - 30))
        + 0.24 * np.cos(np.radians(2 * hue))
        + 0.32 * np.cos(np.radians(3 * hue + 6))
        - 0.20 * np.cos(np.radians(4 * hue - 63))
    )
    sl = 1 + 0.015 * (lightness - 50) ** 2 / np.sqrt(20 + (lightness - 50) ** 2)
    sc, sh = 1 + 0.045 * mean, 1 + 0.015 * mean * t
    bend = 60 * np.exp(-((((hue % 360) - 275) / 25) ** 2))
    rt = -2 * np.sqrt(mean**7 / (mean**7 + 25.0**7)) * np.sin(np.radians(bend))
    result: np.ndarray = np.sqrt((dl / sl) ** 2 + (dc / sc) ** 2 + (dh / sh) ** 2 + rt * (dc / sc) * (dh / sh))
    return result


def least_distance(colours: np.ndarray) -> float:
    """Return the smallest distance between any two of these colours under any of ``VISIONS``."""
    upper = np.triu_indices(len(colours), 1)
    return min(float(distances(lab, lab)[upper].min()) for lab in (seen(np.asarray(colours), name) for name in VISIONS))
