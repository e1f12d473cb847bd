"""Numbers in a .npy file of unknown origin, such as the metadata of a sample; pickles and absurd sizes are refused."""

from __future__ import annotations

import io
import math
from typing import Any

import numpy as np

from goldieval.core.errors import TaskError

_FORMAT: Any = np.lib.format  # numpy declares no types for it
MOST = 4_096  # numbers of one sample


def numbers_in(where: str, data: bytes) -> list[int]:
    """Return the whole numbers of a one-dimensional array.

    Args:
        where: Location for error messages.
        data: Content of the .npy file.

    Raises:
        TaskError: It is no .npy file, holds other than whole numbers, or does not hold what its header says.
    """
    stream = io.BytesIO(data)
    try:
        version = _FORMAT.read_magic(stream)
        read = _FORMAT.read_array_header_1_0 if version == (1, 0) else _FORMAT.read_array_header_2_0
        shape, _, dtype = read(stream)
    except Exception as error:  # the header is parsed by numpy, which raises ValueError, SyntaxError and others
        raise TaskError(f"{where} is not a .npy file of numbers. Fetch it again.") from error
    count, rest = math.prod(shape), data[stream.tell() :]
    if dtype.kind not in "iuf" or len(shape) > 1 or count > MOST or count * dtype.itemsize != len(rest):
        raise TaskError(f"{where} should hold at most {MOST:,} numbers in a row, but holds {dtype} of shape {shape}.")
    numbers = np.frombuffer(rest, dtype)
    whole = [int(number) for number in numbers.tolist() if math.isfinite(number)]
    if whole != numbers.tolist():
        raise TaskError(f"{where} should hold whole numbers.")
    return whole
