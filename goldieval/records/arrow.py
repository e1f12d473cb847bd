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
    if kind == "O" and all(isinstance(value, str) for value in column):
        kind = "U"
    if not rows or column.ndim != 1 or kind not in "iufbU" or not column.dtype.isnative:
        return pa.array(list(column))
    if kind == "U":
        texts = _texts(column.tolist())
        return pa.array(list(column)) if texts is None else texts
    content = np.packbits(column, bitorder="little") if kind == "b" else np.ascontiguousarray(column)
    kind_of_arrow = pa.bool_() if kind == "b" else pa.from_numpy_dtype(column.dtype)
    return pa.Array.from_buffers(kind_of_arrow, rows, [None, pa.py_buffer(content)], null_count=0)


def _texts(texts: list[str]) -> pa.Array | None:
    """Return a column of texts; None if it is so long that pyarrow would divide it."""
    import pyarrow as pa

    contents = [text.encode() for text in texts]
    ends = np.cumsum([0, *map(len, contents)])
    if ends[-1] >= 2**31:
        return None
    buffers = [None, pa.py_buffer(ends.astype(np.int32)), pa.py_buffer(b"".join(contents))]
    return pa.Array.from_buffers(pa.utf8(), len(texts), buffers, null_count=0)
