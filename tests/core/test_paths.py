"""Names that leave their folder are refused, wherever they occur and however the folder is given."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from helpers import card, class_folders, goldieval, one_line, picture
from training_samples import tokenizer

from goldieval import evaluate
from goldieval.core.errors import GoldievalError, TaskError
from goldieval.core.paths import LinkOutError, inside
from goldieval.goldiclip.data.corpus import BadSampleError
from goldieval.goldiclip.data.jsonl import JsonLines
from goldieval.goldiclip.data.shard_names import shards_of
from goldieval.goldiclip.recipe_files import load_recipe
from goldieval.records.files import read_outcomes, read_record
from goldieval.tasks.card import load_card

ROOTS = {".": "top", "": "top", "../top": "top", "top": "", "top/below/..": "", "./top/": "", "way": "", "top/.": ""}
LEAVE = [
    "../secret/a.png",
    "below/../../secret/a.png",
    "..",
    "../top2/a.png",
    "../TOP/a.png",
    "/etc/passwd",
    "//etc/passwd",
]


@pytest.fixture
def top(tmp_path: Path) -> Path:
    """A folder with an image and a link of every kind; ``way`` is a link to it."""
    top = tmp_path / "top"
    for name in ("top/a.png", "top/below/b.png", "secret/a.png", "top2/a.png"):
        picture(tmp_path / name)
    for name, to in {
        "in": "below/b.png",
        "in again": "in",
        "out": "../secret/a.png",
        "out again": "out",
        "out folder": str(tmp_path / "secret"),
        "nowhere": "../gone",
        "loop": "loop",
        "below/up": "..",
        "below/far up": "../..",
    }.items():
        (top / name).symlink_to(to)
    (tmp_path / "way").symlink_to("top")
    return top


@pytest.mark.parametrize("root", ROOTS)
def test_names_stay_inside_any_root(root: str, top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(top.parent / ROOTS[root])
    folder = Path(root)
    for name in ("a.png", "./a.png", "below/../a.png", "in", "in again", "below/up/a.png", "below\\..\\..\\x", "new/x"):
        path = inside(folder, name)
        assert path.is_absolute() and os.path.realpath(path).startswith(str(top))
    for name in ("", "."):
        assert os.path.realpath(inside(folder, name)) == str(top)
    assert inside(folder, str(top / "a.png")).read_bytes() == (top / "a.png").read_bytes()
    assert inside(folder, str(top.parent / "way/a.png")).read_bytes() == (top / "a.png").read_bytes()
    for name in (*LEAVE, "out/../../secret/a.png", str(top.parent / "secret/a.png"), str(top.parent)):
        with pytest.raises(TaskError, match="would leave its folder"):
            inside(folder, name)
    for name in ("out", "out again", "out folder/a.png", "nowhere", "below/far up/secret/a.png"):
        with pytest.raises(LinkOutError, match="is a link out of its folder"):
            inside(folder, name)
    with pytest.raises(TaskError, match="its folder"):
        inside(folder, str(top / "out"))


@pytest.mark.parametrize("name", [None, 3, "a\0b", "\0", ["a"]])
def test_invalid_names_are_refused(name: Any, top: Path) -> None:
    with pytest.raises(TaskError, match="is not a file name"):
        inside(top, name)


def test_long_and_unusual_names_are_one_short_line(top: Path) -> None:
    with pytest.raises(TaskError) as raised:
        inside(top, "../\n\x1b[31m" + "x" * 100_000)
    assert len(str(raised.value)) < 400 + len(str(top)) and "\n" not in str(raised.value)
    assert "\x1b" not in str(raised.value)
    assert not inside(top, "loop").exists()


def test_root_folder_holds_everything(top: Path) -> None:
    assert inside(Path("/"), "etc/passwd") == Path("/etc/passwd")
    assert inside(Path("/"), "/etc/passwd") == Path("/etc/passwd") == inside(Path("/"), "../etc/passwd")


def test_links_may_lead_to_allowed_folders(top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOLDIEVAL_FOLDERS", os.pathsep.join(["", "/nowhere", str(top.parent / "secret")]))
    assert inside(top, "out").read_bytes()
    for name in ("nowhere", "../secret/a.png"):
        with pytest.raises(TaskError):
            inside(top, name)


def test_folder_that_becomes_a_link_is_seen(top: Path) -> None:
    assert inside(top, "below/b.png")
    (top / "below").rename(top / "was")
    (top / "below").symlink_to("../secret")
    with pytest.raises(LinkOutError):
        inside(top, "below/a.png")


# Cards


ROWS = [
    "../secret/a.png",
    "below/../../secret/a.png",
    "out",
    "out folder/a.png",
    "below/far up/secret/a.png",
    "{top}/../secret/a.png",
    "{top}/out",
    "/etc/passwd",
]


@pytest.mark.parametrize("path", [".", "top", "{top}"])
@pytest.mark.parametrize("row", ROWS)
def test_row_of_a_table_reads_nothing_outside(
    path: str, row: str, top: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = top if path == "." else tmp_path
    monkeypatch.chdir(place)
    lines = [{"image": name.format(top=top), "caption": f"text {name}"} for name in ("a.png", row)]
    (top / "t.jsonl").write_text("\n".join(map(json.dumps, lines)))
    source = {"file": "t.jsonl", "caption": "caption", "path": path.format(top=top)}
    card(place, "table", family="retrieval", params={}, headline="t2i_r1", source=source)
    (record,) = evaluate("random", "card.yaml", out=None)
    assert record.status == "failed" and ("leave its folder" in record.reason or "out of its folder" in record.reason)


@pytest.mark.parametrize("path", ["..", "a/../..", "../secret", "link"])
def test_path_of_a_card_leads_below_its_own_folder(path: str, top: Path, tmp_path: Path) -> None:
    (top / "link").symlink_to("../secret")
    with pytest.raises(GoldievalError, match=r"card\.yaml: source\.path: .*its folder"):
        load_card(card(top, source={"path": path}))
    assert load_card(card(top, source={"path": str(tmp_path / "secret")})).folder(tmp_path) == tmp_path / "secret"


@pytest.mark.parametrize("names", ["../../etc/passwd", "/etc/passwd", "out", "../secret/names.txt"])
@pytest.mark.parametrize("place", ["card", "source"])
def test_class_names_read_nothing_outside(
    names: str, place: str, top: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "secret/names.txt").write_text("a\nb\n")
    changes: dict[str, Any] = {"source": {"folder_name": ".", "path": "."}}
    if place == "card":
        changes["params"] = {"class_names": names, "prompts": ["{c}"]}
    else:
        changes["source"]["classes"] = names
    card(top, **changes)
    (record,) = evaluate("random", "top/card.yaml", out=tmp_path / "out")
    assert record.status == "failed" and "its folder" in record.reason
    assert not list((tmp_path / "out").rglob("*.parquet"))


@pytest.mark.parametrize("id", ["../X", "/tmp/X", "a/../../X", "..", "."])
@pytest.mark.parametrize("root", [".", "data"])
def test_id_of_a_card_writes_nothing_outside(
    id: str, root: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (place := tmp_path / "here/data").mkdir(parents=True)
    monkeypatch.chdir(place.parent)
    file = card(tmp_path / "cards", source={"path": "", "id": id, "urls": [{"url": "http://127.0.0.1:9/a"}]})
    before = sorted(tmp_path.rglob("*"))
    ran = goldieval("data", "get", file, "--yes", "--data-dir", root)
    assert ran.code == 2 and "is not a folder below the data root" in one_line(ran.err)
    assert sorted(tmp_path.rglob("*")) == before


def test_link_in_the_data_root_is_followed_to_an_allowed_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class_folders(tmp_path / "own", {"cat": 2, "dog": 2})
    (tmp_path / "root").mkdir()
    (tmp_path / "root/mine").symlink_to(tmp_path / "own")
    file = str(card(tmp_path, source={"path": "", "id": "mine"}))
    where = ("data", "where", file, "--data-dir", tmp_path / "root")
    assert "out of its folder" in one_line(goldieval(*where).err)
    monkeypatch.setenv("GOLDIEVAL_FOLDERS", str(tmp_path / "own"))
    (record,) = evaluate("random", file, out=None, data_dir=tmp_path / "root")
    assert record.status == "ok"


# Training data and records


@pytest.mark.parametrize("row", [row for row in ROWS if row != "/etc/passwd"])
def test_training_reads_nothing_outside(row: str, top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(top)
    lines = [{"image": name.format(top=top), "captions": ["a red square"]} for name in ("a.png", row)]
    (top / "tr.jsonl").write_text("\n".join(map(json.dumps, lines)))
    corpus = JsonLines(Path("tr.jsonl"), tokenizer())
    assert corpus.sample(0).picture
    with pytest.raises(BadSampleError, match="picture outside its folder"):
        corpus.sample(1)


def test_shards_behind_links_are_refused(top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (top.parent / "secret/0.tar").write_bytes(bytes(1024))
    (top / "0.tar").symlink_to("../secret/0.tar")
    monkeypatch.chdir(top)
    for path in (".", "*.tar", "{0..0}.tar", str(top)):
        with pytest.raises(GoldievalError, match="out of its folder"):
            shards_of(path)


@pytest.mark.parametrize("file", ["../x.parquet", "/etc/passwd", "a/b.parquet", "link.parquet", "", "a\0"])
def test_record_names_no_outcomes_elsewhere(file: str, tmp_path: Path) -> None:
    class_folders(tmp_path / "data", {"cat": 2, "dog": 2})
    evaluate("random", str(card(tmp_path)), out=tmp_path / "out")
    (made,) = (tmp_path / "out").rglob("*.json")
    record = read_record(made)
    (made.parent / "link.parquet").symlink_to("/etc/passwd")
    assert record.outcomes is not None
    other = record.model_copy(update={"outcomes": record.outcomes.model_copy(update={"file": file})})
    with pytest.raises(GoldievalError):
        read_outcomes(made, other)


def test_plan_says_which_folder_a_card_reads_elsewhere(tmp_path: Path) -> None:
    """An absolute path may be anywhere, since the user's own cards need it; it is therefore shown before a run."""
    class_folders(tmp_path / "private", {"cat": 2, "dog": 2})
    class_folders(tmp_path / "cards/data", {"cat": 2, "dog": 2})
    for path, shown in ((str(tmp_path / "private"), True), ("data", False), (str(tmp_path / "cards/data"), False)):
        file = card(tmp_path / "cards", source={"path": path})
        ran = goldieval("run", "--model", "random", "--tasks", file, "--dry-run")
        assert ran.code == 0 and (f"of {tmp_path / 'private'}" in ran.out.replace("\n", " ")) == shown


def test_a_name_too_long_for_file_systems_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(TaskError, match="longer than the 255 bytes of a file name"):
        inside(tmp_path, "é" * 130 + ".png")
    (tmp_path / "recipe.yaml").write_text(f"extends: {'é' * 130}\n")
    with pytest.raises(GoldievalError, match="longer than the 255 bytes of a file name"):
        load_recipe(str(tmp_path / "recipe.yaml"))
