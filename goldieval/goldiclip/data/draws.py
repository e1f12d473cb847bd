"""Random numbers addressed by step and image: no process draws another's, and none depends on what else is drawn."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

STREAM = 0xF0E1  # keeps these draws apart from others of the same seed and step
REDRAWING, JITTER = 0x4EDA, 0xC01A  # as well: backgrounds and colours of local crops
WORD = 8  # bytes


def row_width(images: int) -> int:
    """Return the number of bytes in a row of ``drawn_bytes``: one for each image, padding, and one word at the end."""
    return (-(-images // WORD) + 1) * WORD


def drawn_bytes(images: int, seed: int, step: int, rows: range) -> npt.NDArray[np.uint8]:
    """Draw the random bytes of some of a batch's images; they depend on neither the other rows nor on who draws them.

    In an image's row, byte j chooses a caption of image j, and the last word rotates these choices: see
    ``objectives.conditioned.foreign_captions``. The stream is that of NumPy's PCG64, which is the same in all releases.

    Args:
        images: Images of the batch, over all processes.
        seed: Seed of the training, not negative.
        step: Number of steps before this one.
        rows: Images to draw for, consecutive, in the order of the batch.

    Returns:
        Bytes of shape (rows, ``row_width(images)``).
    """
    drawn = _words(STREAM, seed, step, rows, row_width(images) // WORD)
    return drawn.astype("<u8", copy=False).view(np.uint8).reshape(len(rows), row_width(images))


def uniform_draws(stream: int, seed: int, step: int, rows: range, shape: tuple[int, ...]) -> npt.NDArray[np.float64]:
    """Draw numbers from 0 to 1 (exclusive) for some of a batch's images; the same holds as for ``drawn_bytes``.

    Args:
        stream: Keeps these draws apart from others of the same seed and step.
        seed: Seed of the training, not negative.
        step: Number of steps before this one.
        rows: Images to draw for, consecutive, in the order of the batch.
        shape: Shape of the numbers of one image.

    Returns:
        Shape (rows, *shape).
    """
    words = _words(stream, seed, step, rows, math.prod(shape)) >> np.uint64(11)  # as many bits as a float64 has
    return (words.astype(np.float64) * 2.0**-53).reshape(len(rows), *shape)


def _words(stream: int, seed: int, step: int, rows: range, words: int) -> npt.NDArray[np.uint64]:
    """Draw 64-bit words for each of these rows, shape (rows * words,)."""
    generator = np.random.PCG64(np.random.SeedSequence([stream, seed, step]))
    generator.advance(rows.start * words)
    return generator.random_raw(len(rows) * words)
