"""Random bytes that choose the foreign captions of an image, addressed by image: no process draws another's."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

STREAM = 0xF0E1  # keeps these draws apart from others of the same seed and step
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
    width = row_width(images)
    words = width // WORD
    stream = np.random.PCG64(np.random.SeedSequence([STREAM, seed, step]))
    stream.advance(rows.start * words)
    drawn = stream.random_raw(len(rows) * words)
    return drawn.astype("<u8", copy=False).view(np.uint8).reshape(len(rows), width)
