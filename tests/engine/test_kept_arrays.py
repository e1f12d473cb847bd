"""Large arrays by picture in the store: read by row, checked, limited, and never a reason to fail."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from goldieval.engine.kept_arrays import StoredArrays, open_arrays
from goldieval.engine.store import Store
from goldieval.families.kept import NothingKept
from goldieval.models.adapter import ModelInfo

INFO = ModelInfo("m", "m", "weights", "image tower", "text tower")
ARRAY = np.arange(24, dtype=np.float16).reshape(4, 2, 3)


def arrays(folder: Path, limit_gb: float = 1.0, info: ModelInfo = INFO, settings: Mapping[str, Any] = {"a": 1}) -> Any:
    return open_arrays(Store(folder, limit_gb), info, "cpu", settings)


def test_rows_are_read_by_this_and_later_runs(tmp_path: Path) -> None:
    first = arrays(tmp_path)
    assert not first.has("p") and first.row("p", 0) is None
    assert first.add("p", ARRAY)
    for each in (first, arrays(tmp_path)):
        assert each.has("p") and not each.has("q")
        row = each.row("p", 2)
        assert row.dtype == np.float16
        np.testing.assert_array_equal(row, ARRAY[2])


def test_everything_that_determines_them_is_in_the_name_of_their_folder(tmp_path: Path) -> None:
    arrays(tmp_path).add("p", ARRAY)
    others = [
        arrays(tmp_path, settings={"a": 2}),
        *(
            arrays(tmp_path, info=replace(INFO, **{name: "x"}))
            for name in ("fingerprint", "image_identity", "precision")
        ),
    ]
    assert not any(each.has("p") for each in others)
    assert arrays(tmp_path, info=replace(INFO, spec="renamed", text_identity="other")).has("p")


def test_the_limit_holds_for_what_was_found_and_added(tmp_path: Path) -> None:
    limit = 2 * ARRAY.nbytes / 1e9
    first = arrays(tmp_path, limit)
    assert [first.add(key, ARRAY) for key in "abcd"] == [True, True, False, False]
    again = arrays(tmp_path, limit)
    assert again.has("a") and again.add("c", ARRAY) and not again.add("d", ARRAY)


def test_damaged_exchanged_and_foreign_files_are_not_used(tmp_path: Path) -> None:
    kept = arrays(tmp_path)
    for key in "abc":
        kept.add(key, ARRAY)
    files = {key: kept._file(key) for key in "abc"}
    content = bytearray(files["a"].read_bytes())
    content[-1] ^= 1
    files["a"].write_bytes(content)
    files["b"].write_bytes(files["c"].read_bytes())
    files["c"].write_bytes(b"no safetensors")
    again = arrays(tmp_path)
    assert not any(again.has(key) for key in "abc")
    assert again.add("a", ARRAY) and arrays(tmp_path).has("a")


def test_a_file_that_another_process_removes_is_computed_again(tmp_path: Path) -> None:
    kept = arrays(tmp_path)
    kept.add("p", ARRAY)
    kept._file("p").unlink()
    assert kept.row("p", 0) is None and not kept.has("p")


def test_trimming_the_store_removes_arrays_that_were_not_used_for_longest(tmp_path: Path) -> None:
    kept = arrays(tmp_path)
    for age, key in enumerate("ab"):
        kept.add(key, np.zeros((100, 100), dtype=np.float16))
        os.utime(kept._file(key), (1e9 + age, 1e9 + age))
    Store(tmp_path, 25_000 / 1e9).trim()
    again = arrays(tmp_path)
    assert (again.has("a"), again.has("b")) == (False, True)


def test_a_folder_that_cannot_be_written_keeps_nothing_and_says_so_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    kept = StoredArrays(tmp_path / "file" / "arrays", 1e9)
    assert [kept.add(key, ARRAY) for key in "ab"] == [False, False]
    assert len(caplog.messages) == 1 and "the rest is computed again" in caplog.messages[0]


def test_without_a_store_nothing_is_kept() -> None:
    kept = open_arrays(None, INFO, "cpu", {})
    assert isinstance(kept, NothingKept)
    assert not kept.add("p", ARRAY) and not kept.has("p") and kept.row("p", 0) is None
