"""Records: whole or not at all, one file for each thing that can differ, and plain words for broken ones."""

from __future__ import annotations

import errno
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import ValidationError

from goldieval.core.errors import GoldievalError
from goldieval.engine.run import evaluate
from goldieval.models.adapter import Model, ModelInfo
from goldieval.models.loading import from_module
from goldieval.records.files import find_records, read_outcomes, read_record, record_path
from goldieval.records.keys import record_key, setting_key
from goldieval.records.parts import MeasuredMetric
from goldieval.records.results import load_results
from goldieval.records.schema import SCHEMA, DataPart, ModelPart, Record, RunPart, TaskPart
from goldieval.records.writing import write_record
from goldieval.tasks.card import Task
from goldieval.tasks.card_types import RetrievalCard

INFO = ModelInfo("mine@a/epoch_3.pt", "open_clip", "f" * 64, "image", "text")
TASK = Task(
    RetrievalCard(
        name="tiny",
        version=2,
        protocol="all",
        title="Tiny",
        licence="none",
        source={"reader": "shapes", "content": "retrieval", "scenes": 30, "resolution": 32},  # type: ignore[arg-type]
        headline="t2i_r1",
        family="retrieval",
    ),
    Path("card.yaml"),
)
OUTCOMES = {
    "direction": np.array(["t2i", "t2i"], dtype=object),
    "sample_id": np.array(["a#0", "ü"], dtype=object),
    "rank_low": np.array([1, 7]),
}


def record(**changes: Any) -> Record:
    model = {"parameters": 1, "resolution": 2, "context_length": 3, "precision": "fp32", "home": "", "notice": ""}
    task = {"name": "tiny", "family": "retrieval", "version": 2, "protocol": "all", "title": "Tiny", "licence": "none"}
    run = {"command": "python", "started": "now", "device": "cpu", "batch": {}, "seconds": {}, "encoded": {}}
    fields: dict[str, Any] = {
        "setting": "fedcba9876543210",
        "key": "0123456789abcdef",
        "status": "ok",
        "model": ModelPart(spec=INFO.spec, family="open_clip", fingerprint="f" * 64, **model),
        "task": TaskPart(**task, card_sha256="c", scoring="global", headline="t2i_r1"),
        "data": DataPart(source="s"),
        "metrics": {
            "t2i_r1": MeasuredMetric(value=0.5, low=0.25, high=0.75, n=2, clusters=2, method="m", separable=0.5)
        },
        "environment": {"python": "3"},
        "run": RunPart(**run, reused={}),
    }
    return Record(**fields | changes)


def files(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.rglob("*") if file.is_file())


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    path = write_record(tmp_path, record(), OUTCOMES)
    assert path == record_path(tmp_path, record())
    assert path.relative_to(tmp_path) == Path("mine_a_epoch_3.pt-ffffffff/tiny@2-01234567.json")
    back = read_record(path)
    assert back.outcomes is not None and back.outcomes.rows == 2
    assert back.model_copy(update={"outcomes": None, "sha256": ""}) == record()
    assert back.headline is not None and back.headline.value == 0.5 and back.values() == {"t2i_r1": 0.5}
    outcomes = read_outcomes(path, back)
    assert {name: column.tolist() for name, column in outcomes.items()} == {
        name: column.tolist() for name, column in OUTCOMES.items()
    }
    assert files(tmp_path) == ["tiny@2-01234567.json", "tiny@2-01234567.parquet"]
    assert find_records(tmp_path) == [path] == find_records(path) and load_results(tmp_path)[0] == back


def test_writing_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    one, two = (write_record(tmp_path / name, record(), OUTCOMES) for name in ("one", "two"))
    assert one.read_bytes() == two.read_bytes()
    assert one.with_suffix(".parquet").read_bytes() == two.with_suffix(".parquet").read_bytes()


def changed(**values: Any) -> Any:
    """Return a function that replaces fields of a record's JSON text."""
    return lambda text: json.dumps(json.loads(text) | values)


BROKEN = {
    "truncated": (lambda text: text[:-30], "cannot read the record .*json"),
    "empty": (lambda text: "", "cannot read the record"),
    "a list": (lambda text: "[1]", "is not a record"),
    "newer": (changed(schema_version=SCHEMA + 1), f"has record schema {SCHEMA + 1}, .* up to {SCHEMA}: upgrade"),
    "newer with fields of its own": (changed(schema_version=9, what=1), "has record schema 9"),
    "unknown field": (changed(what=1), "is not a record: what: unknown key"),
    "unknown status": (changed(status="fine"), "is not a record: status"),
    "no model": (lambda text: text.replace('"model"', '"modell"'), "model: is missing"),
    "NaN": (lambda text: text.replace('"value":0.5', '"value":NaN').replace('"value": 0.5', '"value": NaN'), "value"),
}


@pytest.mark.parametrize("how", BROKEN)
def test_a_broken_record_is_one_clear_line(tmp_path: Path, how: str) -> None:
    damage, message = BROKEN[how]
    path = write_record(tmp_path, record(), None)
    path.write_text(damage(path.read_text()))
    with pytest.raises(GoldievalError, match=message) as error:
        read_record(path)
    assert str(path) in str(error.value) and "\n" not in str(error.value)


def test_a_record_that_is_no_text_or_no_file_is_one_clear_line(tmp_path: Path) -> None:
    file = tmp_path / "a@1-0.json"
    file.write_bytes(b"\xff\xfe\x00")
    for place in (file, tmp_path / "b.json"):
        with pytest.raises(GoldievalError, match="cannot read the record"):
            read_record(place)
    with pytest.raises(GoldievalError, match=r"no results in .*nowhere"):
        find_records(tmp_path / "nowhere")


def test_outcomes_that_disagree_or_are_gone_are_one_clear_line(tmp_path: Path) -> None:
    path = write_record(tmp_path, record(), OUTCOMES)
    written = read_record(path)
    other = write_record(tmp_path / "other", record(), OUTCOMES | {"rank_low": np.array([1, 8])})
    table = path.with_suffix(".parquet")
    table.write_bytes(other.with_suffix(".parquet").read_bytes())
    with pytest.raises(GoldievalError, match=r"do not match\. Run the task again"):
        read_outcomes(path, written)
    table.unlink()
    with pytest.raises(GoldievalError, match=r"outcomes .*parquet cannot be read: No such file"):
        read_outcomes(path, written)
    with pytest.raises(GoldievalError, match="failed record has no per-sample outcomes"):
        read_outcomes(path, record(status="failed"))


@pytest.mark.parametrize("field", ["value", "low", "high", "separable", "chance", "ceiling"])
@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_no_metric_is_nan_or_infinite(field: str, number: float) -> None:
    fields = {"value": 0.5, "low": 0, "high": 1, "n": 1, "clusters": 1, "method": "m"}
    with pytest.raises(ValidationError, match=field):
        MeasuredMetric(**fields | {field: number})  # type: ignore[arg-type]


def test_a_failure_stands_beside_a_success_and_leaves_with_the_next(tmp_path: Path) -> None:
    good = write_record(tmp_path, record(), OUTCOMES)
    before = good.read_bytes()
    failure = write_record(tmp_path, record(status="failed", reason="no data", metrics={}), None)
    assert good.read_bytes() == before and read_record(failure).reason == "no data"
    assert files(tmp_path) == ["tiny@2-01234567.json", "tiny@2-01234567.parquet", "tiny@2-fedcba98.failed.json"]
    assert set(find_records(tmp_path)) == {good, failure}
    write_record(tmp_path, record(), OUTCOMES)
    assert files(tmp_path) == ["tiny@2-01234567.json", "tiny@2-01234567.parquet"]


@pytest.mark.parametrize("spec", ["../../../etc", "/", "a" * 300, "./my model.py:load", "models/*é:x@y"])
def test_no_spec_leads_out_of_the_folder(tmp_path: Path, spec: str) -> None:
    model = record().model.model_copy(update={"spec": spec})
    path = write_record(tmp_path / "out", record(model=model), OUTCOMES)
    assert path.resolve().parent.parent == (tmp_path / "out").resolve() and len(files(tmp_path / "out")) == 2


DATA, PART = DataPart(source="s", sha256="d" * 64), record().task


def key(info: ModelInfo = INFO, task: Task = TASK, scoring: str = "global", limit: int | None = None) -> str:
    return record_key(setting_key(info, task, scoring, limit), DATA, PART)


def test_the_key_names_all_that_changes_the_numbers() -> None:
    setting = setting_key(INFO, TASK, "global", None)
    keys = [
        key(),
        key(scoring="conditioned"),
        key(limit=10),
        key(limit=20),
        key(task=TASK.override({"k": [1, 2]})),
        key(task=replace(TASK, card=TASK.card.model_copy(update={"version": 3}))),
        key(task=replace(TASK, card=TASK.card.model_copy(update={"name": "other"}))),
        key(info=replace(INFO, precision="bf16")),
        key(info=replace(INFO, fingerprint="e" * 64)),
        record_key(setting, DATA.model_copy(update={"sha256": "c" * 64}), PART),
        record_key(setting, DATA.model_copy(update={"unreadable": {"a.jpg": "truncated"}}), PART),
        record_key(setting, DATA, PART.model_copy(update={"prompts_sha256": "p" * 64})),
        record_key(setting, DATA, PART.model_copy(update={"class_names_sha256": "p" * 64})),
    ]
    assert len(set(keys)) == len(keys)


def test_the_key_names_nothing_else() -> None:
    typed = replace(INFO, spec="the same weights elsewhere.pt", notice="!")
    said = replace(TASK, file=Path("/elsewhere.yaml"), card=TASK.card.model_copy(update={"title": "T", "tags": ["x"]}))
    assert key(typed, said) == key()
    setting = setting_key(INFO, TASK, "global", None)
    assert record_key(setting, DATA.model_copy(update={"source": "a copy of it"}), PART) == key()


@pytest.mark.parametrize(("call", "number"), [("fsync", 1), ("fsync", 2), ("link", 1), ("replace", 1)])
def test_a_full_disk_leaves_neither_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int
) -> None:
    real, calls = getattr(os, call), []

    def full(*arguments: Any) -> Any:
        calls.append(arguments)
        if len(calls) == number:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(*arguments)

    monkeypatch.setattr(os, call, full)
    with pytest.raises(GoldievalError, match=r"cannot write .*tiny@2-01234567\.json: No space left on device") as error:
        write_record(tmp_path, record(), OUTCOMES)
    assert "\n" not in str(error.value) and files(tmp_path) == []


@pytest.mark.parametrize("number", [1, 2])
def test_a_full_disk_leaves_an_earlier_record_readable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    path = write_record(tmp_path, record(), OUTCOMES)
    real, calls = os.fsync, []

    def full(handle: int) -> None:
        calls.append(handle)
        if len(calls) == number:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(handle)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(GoldievalError):
        write_record(tmp_path, record(), OUTCOMES | {"rank_low": np.array([2, 8])})
    assert read_outcomes(path, read_record(path))["rank_low"].tolist() == [1, 7]


def test_an_out_folder_that_cannot_be_made_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(GoldievalError, match=r"cannot write results to .*file/out.*--out"):
        evaluate(model(0), card(tmp_path), out=tmp_path / "file" / "out")


class Linear(torch.nn.Module):
    """Sees nine pixels and counts letters."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.image = torch.nn.Parameter(torch.randn(27, 8, generator=generator))
        self.text = torch.nn.Parameter(torch.randn(128, 8, generator=generator))

    def encode_image(self, pixels: torch.Tensor) -> torch.Tensor:
        return pixels.flatten(1) @ self.image

    def encode_text(self, tokens: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.one_hot(tokens, 128).sum(1).float() @ self.text


def see(image: Image.Image) -> torch.Tensor:
    return torch.tensor(np.asarray(image.resize((3, 3)), dtype=np.float32).transpose(2, 0, 1) / 255)


def letters(texts: list[str]) -> torch.Tensor:
    return torch.tensor([[ord(letter) % 128 for letter in text[:64].ljust(64)] for text in texts])


def model(seed: int) -> Model:
    return from_module(Linear(seed), see, letters, name="best.pt")


def card(folder: Path) -> str:
    file = folder / "card.yaml"
    file.write_text(TASK.card.model_dump_json(exclude_none=True))
    return str(file)


def test_retrained_weights_under_the_same_name_are_another_record(tmp_path: Path) -> None:
    out = tmp_path / "out"
    first, again, retrained = (evaluate(model(seed), card(tmp_path), out=out)[0] for seed in (0, 0, 1))
    assert first.model.spec == retrained.model.spec and len(find_records(out)) == 2
    assert first.key == again.key != retrained.key and first.metrics == again.metrics != retrained.metrics
    assert again.run.encoded == {"images": 0, "texts": 0} and retrained.run.encoded["images"] == 30


def test_limit_and_override_are_records_of_their_own(tmp_path: Path) -> None:
    out = tmp_path / "out"
    whole, some, other = (
        evaluate(model(0), card(tmp_path), out=out, **settings)[0]
        for settings in ({}, {"limit": 12}, {"overrides": {"k": [1, 3]}})
    )
    assert len(find_records(out)) == 3
    assert (some.task.limit, some.metrics["i2t_r1"].n, whole.metrics["i2t_r1"].n) == (12, 12, 30)
    assert "t2i_r3" in other.metrics and other.task.overrides == {"k": [1, 3]}
    assert (whole.task.protocol, other.task.protocol) == ("all", "all + k=[1, 3]")


def test_other_data_behind_the_same_card_are_a_record_of_their_own(tmp_path: Path) -> None:
    """Two users' cards may agree in everything but the folder; their results must not overwrite each other."""
    records = []
    for number, colour in enumerate(["red", "blue"]):
        folder = tmp_path / colour
        folder.mkdir()
        for name, shade in (("a", colour), ("b", "white")):
            Image.new("RGB", (8, 8), shade).save(folder / f"{name}.png")
        (folder / "captions.csv").write_text(f"image,caption\na.png,{colour} {number}\nb.png,white\n")
        source = {"reader": "table", "path": str(folder), "file": "captions.csv", "caption": "caption"}
        file = folder / "card.yaml"
        file.write_text(json.dumps(TASK.card.model_dump(mode="json", exclude_none=True) | {"source": source}))
        records += evaluate(model(0), str(file), out=tmp_path / "out")
    assert [each.status for each in records] == ["ok", "ok"] and records[0].data.sha256 != records[1].data.sha256
    assert len(find_records(tmp_path / "out")) == 2
