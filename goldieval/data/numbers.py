"""Numbers in a .npy file of unknown origin, such as the metadata of a sample; pickles and absurd sizes are refused."""

from __future__ import annotations

import io
import math
from typing import Any, Literal

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
    shape, dtype, numbers = _declared(where, data)
    if numbers is None or len(shape) > 1 or numbers.size > MOST:
        raise TaskError(f"{where} should hold at most {MOST:,} numbers in a row, but holds {dtype} of shape {shape}.")
    whole = [int(number) for number in numbers.ravel().tolist() if math.isfinite(number)]
    if whole != numbers.ravel().tolist():
        raise TaskError(f"{where} should hold whole numbers.")
    return whole


def array_in(where: str, data: bytes, most: int) -> np.ndarray:
    """Return the numbers of an array of any shape.

    Args:
        where: Location for error messages.
        data: Content of the .npy file.
        most: Maximum number of numbers.

    Raises:
        TaskError: It is no .npy file, holds other than numbers or too many, or does not hold what its header says.
    """
    shape, dtype, numbers = _declared(where, data)
    if numbers is None or not 0 < numbers.size <= most:
        raise TaskError(f"{where} should hold 1 to {most:,} numbers, but holds {dtype} of shape {shape}.")
    return numbers


def _declared(where: str, data: bytes) -> tuple[tuple[int, ...], np.dtype[Any], np.ndarray | None]:
    """Return shape and type by the header, and the array; None if it holds no numbers or another amount of them."""
    stream = io.BytesIO(data)
    try:
        version = _FORMAT.read_magic(stream)
        read = _FORMAT.read_array_header_1_0 if version == (1, 0) else _FORMAT.read_array_header_2_0
        shape, by_columns, dtype = read(stream)
    except Exception as error:  # the header is parsed by numpy, which raises ValueError, SyntaxError and others
        raise TaskError(f"{where} is not a .npy file of numbers. Fetch it again.") from error
    start = stream.tell()
    if dtype.kind not in "iuf" or min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize != len(data) - start:
        return shape, dtype, None
    order: Literal["F", "C"] = "F" if by_columns else "C"
    return shape, dtype, np.frombuffer(data, dtype, offset=start).reshape(shape, order=order)
