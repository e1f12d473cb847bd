"""Columns of outcomes are the same bytes of Parquet as with ``pyarrow.array``, and need no pandas."""

import io
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from goldieval.records.arrow import arrow_array

COLUMNS = {
    "int64": np.array([3, -1, 2**40]),
    "int32": np.array([1, 2, 3], dtype=np.int32),
    "uint8": np.arange(3, dtype=np.uint8),
    "float64": np.array([0.5, np.nan, -np.inf]),
    "float32": np.array([0.1, 2, 3], dtype=np.float32),
    "every second": np.arange(9)[::3],
    "bool": np.array([True, False] * 9),
    "text": np.array(["a", "", "étude 犬", "x" * 40]),
    "one": np.array(["only"]),
    "none": np.array([], dtype=np.int64),
    "bytes": np.array([b"a", b"bc"], dtype=object),
    "big-endian": np.array([1, 2], dtype=">i4"),
    "texts as objects": np.array(["a", "étude"], dtype=object),
    "objects": np.array(["a", None], dtype=object),
}


def parquet(array: pa.Array) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.table({"column": array}), buffer)
    return buffer.getvalue()


@pytest.mark.parametrize("name", COLUMNS)
def test_a_column_has_the_bytes_that_pyarrow_writes_for_a_list(name):
    column = COLUMNS[name]
    ours, usual = arrow_array(column), pa.array(list(column))
    assert ours.type == usual.type
    assert ours.equals(usual) or name == "float64"
    assert parquet(ours) == parquet(usual)


def test_a_text_that_utf8_cannot_encode_is_refused():
    with pytest.raises(UnicodeEncodeError):
        arrow_array(np.array(["a lone \udce9"]))


def test_no_pandas_is_imported():
    code = (
        "import sys, numpy as np; from goldieval.records.writing import _parquet;"
        "texts = np.array(['x', 'y', 'z']); numbers = np.arange(3);"
        "_parquet({'a': numbers, 'b': texts, 'c': texts.astype(object), 'd': numbers > 1});"
        "sys.exit('pandas' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
