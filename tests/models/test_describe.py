"""The result of ``describe()`` is validated first, because records and embeddings are stored under it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from helpers import card, class_folders, goldieval, one_line, toy_model

from goldieval.core.errors import AdapterError
from goldieval.engine.chunks import Chunk
from goldieval.engine.store import Store
from goldieval.models.adapter import ModelInfo
from goldieval.models.checked_info import checked_info

INFO = ModelInfo("mine", "file", "f" * 64, image_identity="a" * 64, text_identity="b" * 64)


def validated(info: object) -> ModelInfo:
    return checked_info(SimpleNamespace(describe=lambda: info))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("fingerprint", None), ("fingerprint", ""), ("spec", ""), ("image_identity", ""), ("text_identity", "")),
        *(("parameters", "many"), ("context_length", None), ("seed", 1.5), ("scoring", "odd"), ("home", 3)),
    ],
)
def test_a_wrong_field_is_named(field: str, value: Any) -> None:
    with pytest.raises(AdapterError, match=field if field != "scoring" else "no scoring mode 'odd'") as raised:
        validated(replace(INFO, **{field: value}))
    one_line(str(raised.value))


def test_anything_else_than_a_model_info_is_refused() -> None:
    with pytest.raises(AdapterError, match="returned dict"):
        validated({"spec": "mine"})


def test_numpy_numbers_and_names_that_are_not_utf_8_are_accepted() -> None:
    info = validated(replace(INFO, parameters=np.int64(3), spec="mine@\udce9.pt"))
    assert info.parameters == 3 and info.spec == "mine@\\udce9.pt"


def test_a_wrong_description_ends_the_run_in_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    class_folders(tmp_path / "data", {"cat": 2, "dog": 1})
    model = toy_model(tmp_path)
    file = Path(model.removesuffix(":load"))
    file.write_text(file.read_text().replace('"0" * 64', "None"))
    ran = goldieval("run", "--model", model, "--tasks", card(tmp_path), "--out", "out")
    assert ran.code == 2 and "fingerprint" in one_line(ran.err) and "bug in goldieval" not in ran.err


def test_identities_that_are_not_hashes_neither_collide_nor_leave_the_store(tmp_path: Path) -> None:
    """Nor do two with the same first half."""
    store, chunk = Store(tmp_path / "store"), Chunk(("a",))
    names = ["../../out", "/etc", "a-rather-long-name-of-a-certain-model-1", "a-rather-long-name-of-a-certain-model-2"]
    for number, name in enumerate(names):
        store.space(name).write(chunk, ["a"], np.full((1, 2), number), {})
    for number, name in enumerate(names):
        assert store.space(name).gather(["a"]).tolist() == [[number, number]]
    assert len(list((tmp_path / "store").glob("*/*.safetensors"))) == len(names)
    assert [path.name for path in tmp_path.iterdir()] == ["store"]


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_embeddings_that_are_not_finite_are_not_kept_for_the_next_run(tmp_path: Path, bad: float) -> None:
    """After a temporary error, or a bug fix in the adapter, weights and identity are the same."""
    chunk, space = Chunk(("a", "b")), Store(tmp_path).space("a" * 64)
    space.write(chunk, ["a", "b"], np.array([[1.0], [bad]]), {})
    space.refresh()
    assert not np.isfinite(space.gather(["a", "b"])).all() and space.notes == []
    assert Store(tmp_path).space("a" * 64).missing(["a", "b"]) == ["a", "b"]
