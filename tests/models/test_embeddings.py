"""Precomputed embeddings, and models in a Python file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from adapter_cases import Evil, refused
from helpers import embeddings_folder

from goldieval import load_model
from goldieval.core.errors import TaskError
from goldieval.models.adapter import Adapter, Precomputed

pytestmark = pytest.mark.usefixtures("architectures")


def _folder(folder: Path, dim: int = 4, text_dim: int = 4) -> Path:
    rng = np.random.default_rng(0)
    images, texts = rng.normal(size=(3, dim)).astype("float16"), rng.normal(size=(2, text_dim))
    return embeddings_folder(folder, images, ["a", "b", "c"], texts, ["x", "y"])


# embeddings:FOLDER


def test_precomputed_embeddings_are_looked_up_by_id(tmp_path: Path) -> None:
    model: Any = load_model(f"embeddings:{_folder(tmp_path)}")
    assert isinstance(model, Precomputed) and not isinstance(model, Adapter)
    stored = np.load(tmp_path / "image_embeddings.npy").astype(np.float32)
    found = model.image_embeddings(["c", "a", "b"])
    assert found.dtype == np.float32 and np.array_equal(found, stored[[2, 0, 1]])
    texts = np.load(tmp_path / "text_embeddings.npy").astype(np.float32)
    assert np.array_equal(model.text_embeddings(["y", "x"]), texts[::-1])


@pytest.mark.parametrize(
    ("ids", "line"),
    [
        (["a", "b"], "the task has 2, .* has 3; 0 of the task's are missing there, 1 are more"),
        (["a", "b", "z"], "the task has 3, .* has 3; 1 of the task's are missing there, for example z, 1 are more"),
        (["a", "b", "c", "d"], "the task has 4, .* has 3; 1 of the task's are missing there, for example d, 0 are"),
    ],
)
def test_ids_that_do_not_match_one_to_one_stop_with_the_counts(tmp_path: Path, ids: list[str], line: str) -> None:
    model: Any = load_model(f"embeddings:{_folder(tmp_path)}")
    with pytest.raises(TaskError, match=line):
        model.image_embeddings(ids)


def test_subset_of_the_ids_is_enough_where_the_task_is_a_subset(tmp_path: Path) -> None:
    model: Any = load_model(f"embeddings:{_folder(tmp_path)}")
    assert model.image_embeddings(["b"], subset=True).shape == (1, 4)
    with pytest.raises(TaskError, match="for example z"):
        model.image_embeddings(["b", "z"], subset=True)


def test_fingerprint_of_embeddings_is_of_arrays_and_ids(tmp_path: Path) -> None:
    first = load_model(f"embeddings:{_folder(tmp_path / 'a')}").describe().fingerprint
    assert load_model(f"embeddings:{_folder(tmp_path / 'b')}").describe().fingerprint == first
    (tmp_path / "b" / "image_ids.txt").write_text("a\nc\nb\n")
    assert load_model(f"embeddings:{tmp_path / 'b'}").describe().fingerprint != first
    array = np.load(tmp_path / "a" / "text_embeddings.npy")
    array[0, 0] += 1e-6
    np.save(tmp_path / "a" / "text_embeddings.npy", array)
    assert load_model(f"embeddings:{tmp_path / 'a'}").describe().fingerprint != first


def _pickled(file: Path) -> None:
    np.save(file, np.array([Evil(file.with_name("was_run"))], dtype=object), allow_pickle=True)


def _header(text: str) -> Any:
    about = f"{{'descr': '<f4', 'fortran_order': False, {text}}}\n".encode()
    return lambda file: file.write_bytes(b"\x93NUMPY\1\0" + len(about).to_bytes(2, "little") + about + bytes(64))


def test_ids_may_have_a_byte_order_mark_and_overflow_is_silent(
    tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    folder = _folder(tmp_path)
    (folder / "image_ids.txt").write_text("a\nb\nc\n", encoding="utf-8-sig")
    np.save(folder / "image_embeddings.npy", np.full((3, 4), 1e300))
    model: Any = load_model(f"embeddings:{folder}")
    assert np.isinf(model.image_embeddings(["a"], subset=True)).all()  # refused where it is scored
    assert not [warning for warning in recwarn if issubclass(warning.category, RuntimeWarning)]


@pytest.mark.parametrize(
    ("spoil", "line"),
    [
        (lambda file: np.save(file, np.zeros(3)), "image_embeddings.npy: expected float rows"),
        (lambda file: np.save(file, np.zeros((3, 4), dtype=int)), "image_embeddings.npy: expected float rows"),
        (lambda file: np.save(file, np.zeros((2, 4))), "image_ids.txt: 3 ids (0 twice) for 2 rows"),
        (lambda file: file.with_name("image_ids.txt").write_text("a\nb\na\n"), "image_ids.txt: 3 ids (1 twice)"),
        (lambda file: file.with_name("image_ids.txt").unlink(), "image_ids.txt"),
        (lambda file: file.unlink(), "cannot read"),
        (lambda file: file.write_bytes(file.read_bytes()[:-8]), "cannot read"),
        (lambda file: file.write_bytes(b""), "cannot read"),
        (lambda file: np.savez(file.open("wb"), a=np.zeros((3, 4))), "image_embeddings.npy"),
        (_pickled, "image_embeddings.npy as a plain array"),
        (_header("'shape': (3, 99999999999999999999)"), "cannot read"),
        (_header("'shape': (True, 4)"), "cannot read"),
        (_header("(" * 3000), "cannot read"),
        (lambda file: file.write_bytes(b"PK\3\4aaaa"), "cannot read"),
        (lambda file: (file.unlink(), os.mkfifo(file)), "not a regular file"),
        (lambda file: file.with_name("image_ids.txt").write_bytes(b"a\nb\n\xe9"), "byte 5 (line 3) is not UTF-8"),
    ],
)
def test_fault_in_an_embeddings_folder_is_one_line(tmp_path: Path, spoil: Any, line: str) -> None:
    folder = _folder(tmp_path)
    spoil(folder / "image_embeddings.npy")
    assert line in refused(f"embeddings:{folder}")
    assert not (folder / "was_run").exists()


@pytest.mark.parametrize("spec", ["embeddings", "embeddings:nowhere/at/all"])
def test_embeddings_need_a_folder(spec: str) -> None:
    assert "FOLDER" in refused(spec) or "no folder" in refused(spec)


def _file(tmp_path: Path, text: str) -> str:
    (tmp_path / "mine.py").write_text(text)
    return f"{tmp_path}/mine.py:load"


# FILE.py:FUNCTION


def test_python_file_gives_a_model_with_spec_and_options(tmp_path: Path) -> None:
    text = "def load(spec, options):\n    raise AssertionError((spec.name, options.device, options.precision))\n"
    with pytest.raises(Exception, match="'load', 'cpu', 'bf16'"):
        load_model(_file(tmp_path, text), precision="bf16")


def test_python_file_may_use_dataclasses_with_postponed_annotations(tmp_path: Path) -> None:
    text = (
        "from __future__ import annotations\nfrom dataclasses import dataclass\n\n\n@dataclass\nclass A:\n    a: int\n"
    )
    assert "is not an adapter" in refused(_file(tmp_path, text + "\n\ndef load(spec, options):\n    return A(1)\n"))


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("def other(): ...", "has no function 'load'"),
        ("def load(:", "mine.py fails: SyntaxError"),
        ("import no_such_module", "mine.py fails: ModuleNotFoundError: No module named 'no_such_module'"),
        ("1 / 0", "mine.py fails: ZeroDivisionError"),
        ("def load(spec, options):\n    return 3", "int is not an adapter, it lacks describe, preprocess, tokenize"),
        ("load = 3", "mine.py"),
        ("def load():\n    return 3", "mine.py"),
        ("def load(spec, options):\n    raise ValueError('no weights')", "no weights"),
        ("raise ValueError('two\\nlines')", "mine.py fails: ValueError: two"),
    ],
)
def test_fault_in_a_python_file_is_one_line(tmp_path: Path, text: str, line: str) -> None:
    assert line in refused(_file(tmp_path, text + "\n"))


def test_missing_python_file_is_reported(tmp_path: Path) -> None:
    assert "gone.py" in refused(f"{tmp_path}/gone.py:load")
