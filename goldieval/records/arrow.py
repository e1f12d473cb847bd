"""Columns of outcomes as arrays of Arrow, without pandas, which ``pyarrow.array`` imports for every list."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa


def arrow_array(column: np.ndarray) -> pa.Array:
    """Return a column as ``pyarrow.array(list(column))`` does: numbers, booleans and texts from their bytes.

    Args:
        column: shape (rows,).
    """
    import pyarrow as pa

    rows, kind = len(column), column.dtype.kind
    if not rows or column.ndim != 1 or kind not in "iufbU" or not column.dtype.isnative:
        return pa.array(list(column))
    if kind == "U":
        texts = [text.encode() for text in column.tolist()]
        ends = np.cumsum([0, *map(len, texts)])
        if ends[-1] >= 2**31:  # pyarrow divides such a column into chunks
            return pa.array(list(column))
        offsets = pa.py_buffer(ends.astype(np.int32))
        return pa.Array.from_buffers(pa.utf8(), rows, [None, offsets, pa.py_buffer(b"".join(texts))], null_count=0)
    content = np.packbits(column, bitorder="little") if kind == "b" else np.ascontiguousarray(column)
    kind_of_arrow = pa.bool_() if kind == "b" else pa.from_numpy_dtype(column.dtype)
    return pa.Array.from_buffers(kind_of_arrow, rows, [None, pa.py_buffer(content)], null_count=0)
