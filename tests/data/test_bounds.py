"""Small files that would block or exhaust memory are refused in one line, by every reader."""

from __future__ import annotations

import json
import os
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from archives import END, member, pad
from helpers import card, class_folders, content, goldieval, json_lines, one_line, picture
from training_samples import tokenizer

from goldieval import evaluate, load_model
from goldieval.core import reading
from goldieval.core.errors import GoldievalError, TaskError
from goldieval.data import parquet_columns, table_files, table_formats
from goldieval.data.coco_pixels import PanopticMask
from goldieval.data.image_source import FileImage
from goldieval.data.masks import FileMask, label_table, read_values
from goldieval.data.webdataset import samples_of
from goldieval.goldiclip.data import jsonl
from goldieval.goldiclip.data.corpus import BadSampleError
from goldieval.goldiclip.data.shard_names import shards_of
from goldieval.goldiclip.recipe_files import load_recipe
from goldieval.records.files import read_outcomes, read_record
from goldieval.records.results import read_folder
from goldieval.report.imports import read_imports
from goldieval.report.table_spec import load_spec
from goldieval.tasks.card import load_card

DEEP = '{"a":' + "[" * 200_000


@pytest.mark.parametrize("count", ["99999999999", "9" * 10_000, "-1", "1e9", "1000001", "²", ""])
def test_number_of_shards_is_limited(count: str, tmp_path: Path) -> None:
    (tmp_path / "data/test").mkdir(parents=True)
    (tmp_path / "data/test/nshards.txt").write_text(count)
    file = str(card(tmp_path, "webdataset"))
    (record,) = evaluate("random", file, out=None)
    assert record.status == "failed" and "should hold the number of shards" in record.reason
    assert goldieval("data", "where", file).code == 0


@pytest.mark.parametrize(
    "pattern",
    [
        "{0..99999999999}.tar",
        "{a,b}" * 40 + ".tar",
        "{" * 5_000,
        "{a" + "," * 5_000,
        "{0..999999}{0..9999999}.tar",
        "{{0..9999},x}{0..999}.tar",
        "{a{0..1000},{0..1000}}{-1000..0}",
        "{1..9..0}" * 7,
        "{0..9}}",
    ],
)
def test_shard_patterns_are_limited(pattern: str) -> None:
    with pytest.raises(GoldievalError, match=r"data\.path") as raised:
        shards_of(pattern)
    assert len(str(raised.value)) < 200


@pytest.mark.parametrize("text", [DEEP, '{"schema_version": ' + "9" * 10_000 + "}", "nul"])
def test_broken_and_deep_json_is_one_line_for_every_reader(text: str, tmp_path: Path) -> None:
    picture(tmp_path / "data/img/0.png")
    (tmp_path / "data/a.json").write_text(text)
    (tmp_path / "data/.goldieval-source.json").write_text(text)
    for reader, source in {
        "coco": {"annotations": "a.json", "images": "img"},
        "table": {"file": "a.json", "caption": "caption"},
        "coco-masks": {"annotations": "a.json", "images": "img"},
        "masks": {"images": "img", "masks": "img", "classes": "a.json"},
        "sidecar": {"captions": ".", "images": "img", "format": "json", "listed": "a.json", "lists": ["a"]},
    }.items():
        family = {"family": "retrieval", "headline": "t2i_r1"}
        if "masks" in reader:
            family = {"family": "segmentation", "headline": "miou", "params": {"prompts": ["{c}"]}}  # type: ignore[dict-item]
        file = tmp_path / "card.yaml"
        file.write_text(json.dumps(content(reader, source=source) | {"params": {}} | family))
        (record,) = evaluate("random", str(file), out=None)
        assert record.status == "failed" and len(record.reason) < 500 and "\n" not in record.reason
    (tmp_path / "r@1-0.json").write_text(text)
    with pytest.raises(GoldievalError):
        read_record(tmp_path / "r@1-0.json")


def test_row_length_is_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jsonl, "ROW_BYTES", 1_000)
    monkeypatch.setattr(table_formats, "ROW_BYTES", 1_000)
    picture(tmp_path / "a.png")
    row = {"image": "a.png", "captions": ["a red square"]}
    file = json_lines(tmp_path / "t.jsonl", [row, row | {"more": "x" * 3_000}, row])
    corpus = jsonl.JsonLines(file, tokenizer())
    assert len(corpus) == 3 and corpus.sample(0).picture and corpus.sample(2).picture
    with pytest.raises(BadSampleError, match="unreadable row") as raised:
        corpus.sample(1)
    assert raised.value.bad.where.endswith(":2") and "longer than" in raised.value.bad.what
    with pytest.raises(TaskError, match=r"t\.jsonl:2: a row has"):
        list(table_files.read_table(file))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_pipe_in_place_of_an_image_does_not_block(tmp_path: Path) -> None:
    class_folders(tmp_path / "data", {"cat": 2, "dog": 2})
    (tmp_path / "data/cat/0.png").unlink()
    os.mkfifo(tmp_path / "data/cat/0.png")
    (record,) = evaluate("random", str(card(tmp_path)), out=None)
    assert record.status == "ok" and "left out: 1 .png (neither file nor folder)" in record.warnings
    with pytest.raises(OSError, match="not a regular file"):
        FileImage(tmp_path / "data/cat/0.png").read()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
@pytest.mark.parametrize(
    "read",
    [
        lambda pipe: list(samples_of(pipe)),
        lambda pipe: parquet_columns.open_columns(pipe, []),
        lambda pipe: jsonl.JsonLines(pipe, tokenizer()),
        lambda pipe: read_values(pipe),
        lambda pipe: FileMask(pipe, label_table([], [])).key(),
        lambda pipe: PanopticMask(pipe, (), label_table([], [])).read(),
        lambda pipe: read_record(pipe),
        lambda pipe: load_model(f"embeddings:{pipe.parent}"),
        lambda pipe: read_imports([pipe.rename(pipe.with_suffix(".json"))]),
        lambda pipe: load_spec(str(pipe)),
        lambda pipe: load_card(pipe),
    ],
)
def test_pipe_in_place_of_any_file_does_not_block(read: Callable[[Path], object], tmp_path: Path) -> None:
    pipe = tmp_path / "image_embeddings.npy"  # only the embeddings adapter uses this name
    os.mkfifo(pipe)
    with pytest.raises((GoldievalError, OSError), match="not a regular file"):
        read(pipe)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_pipe_in_place_of_outcomes_does_not_block(tmp_path: Path) -> None:
    evaluate("random", "shapes-zeroshot", out=tmp_path, cache=False, limit=8)
    ((file, record),) = [(entry.file, entry.record) for entry in read_folder(tmp_path).entries]
    assert record.outcomes
    (file.parent / record.outcomes.file).unlink()
    os.mkfifo(file.parent / record.outcomes.file)
    with pytest.raises(GoldievalError, match="not a regular file"):
        read_outcomes(file, record)


def test_sparse_file_is_not_read_into_memory(tmp_path: Path) -> None:
    with (tmp_path / "a").open("wb") as stream:
        stream.truncate(2**40)
    with pytest.raises(OSError, match="larger than"):
        reading.read_bytes(tmp_path / "a", 10**9)


@pytest.mark.parametrize(
    "data",
    [
        member("pax", 2**62, tarfile.XHDTYPE) + END,
        member("long", 2**40, tarfile.GNUTYPE_LONGNAME) + END,
        member("pax", 5_000_000, tarfile.XHDTYPE) + bytes(5_000_192) + END,
    ],
)
def test_shard_headers_are_limited(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "0.tar").write_bytes(pad(member("a.cls", 1) + b"0") + data)
    with pytest.raises(TaskError, match="is not a readable tar"):
        list(samples_of(tmp_path / "0.tar"))


def test_parquet_that_unpacks_to_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"image": ["x" * 200] * 5_000}), tmp_path / "a.parquet", use_dictionary=False)
    parquet_columns.check_parquet(tmp_path / "a.parquet")
    for name, bound in (("GB", 1_000), ("PARQUET_ROWS", 4_999)):
        with monkeypatch.context() as patch, pytest.raises(ValueError, match="too much for a file of its size"):
            patch.setattr(parquet_columns, "PARQUET_RATIO", 1)
            patch.setattr(parquet_columns, name, bound)
            parquet_columns.check_parquet(tmp_path / "a.parquet")


def test_recipe_extends_only_included_recipes(tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text(f"extends: {tmp_path}/other\nname: r\n")
    for other in (f"{tmp_path}/other", "../../../other", "../sizes", "/etc/x"):
        (tmp_path / "r.yaml").write_text(f"extends: {other}\nname: r\n")
        with pytest.raises(GoldievalError, match="its folder"):
            load_recipe(str(tmp_path / "r.yaml"))


# One bad source leaves the others


def test_get_continues_after_a_bad_card_and_a_bad_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from goldieval.data.manage import get

    class_folders(tmp_path / "cards/good", {"cat": 2, "dog": 2})
    about: dict[str, Any] = {"source": {"path": "good"}}
    card(tmp_path / "cards", **about).rename(tmp_path / "cards/good.yaml")
    card(tmp_path / "cards", name="odd", source={"path": "odd", "manual": "ask"}).rename(tmp_path / "cards/odd.yaml")
    (tmp_path / "cards/bad.yaml").write_text("name: [")
    made = get.plan_fetch

    def plan(sources: Any, folder: Path, *others: Any) -> Any:
        if folder.name == "odd":
            raise ZeroDivisionError("odd")
        return made(sources, folder, *others)

    monkeypatch.setattr(get, "plan_fetch", plan)
    cards = [tmp_path / f"cards/{name}.yaml" for name in ("bad", "odd", "good")]
    ran = goldieval("data", "get", *cards, "--yes")
    assert ran.code == 1 and "mine: present, but not downloaded" in ran.out
    bad, odd = ran.err.splitlines()
    assert "bad.yaml" in bad and "odd: ZeroDivisionError while fetching: odd" in odd


@pytest.mark.parametrize("verb", [("data", "where"), ("ls", "tasks"), ("data", "check", "good")])
def test_bad_card_in_a_folder_is_reported_and_the_others_are_listed(verb: tuple[str, ...], tmp_path: Path) -> None:
    class_folders(tmp_path / "cards/good", {"cat": 2, "dog": 2})
    card(tmp_path / "cards", name="good", source={"path": "good"})
    (tmp_path / "cards/bad.yaml").write_text("name: [")
    ran = goldieval(*verb, "--tasks-dir", tmp_path / "cards")
    assert "good" in ran.out and ("bad.yaml" in one_line(ran.err) if verb[-1] != "good" else not ran.err)


def test_run_continues_after_a_bad_card_and_exits_with_1(tmp_path: Path) -> None:
    class_folders(tmp_path / "cards/good", {"cat": 2, "dog": 2})
    card(tmp_path / "cards", name="good", source={"path": "good"})
    (tmp_path / "cards/bad.yaml").write_text("name: [")
    common = ("run", "--model", "random", "--tasks-dir", tmp_path / "cards", "--out", tmp_path / "out")
    ran = goldieval(*common, "--tasks", "good")
    assert ran.code == 0 and "a card is left out" in ran.out and "bad.yaml" in ran.out
    ran = goldieval(*common, "--tasks", "good,bad")
    assert (
        ran.code == 1
        and "error: " in ran.out
        and "bad.yaml" in ran.out
        and len(list((tmp_path / "out").rglob("*.json"))) == 1
    )
    assert goldieval(*common, "--tasks", "bad").code == 2
