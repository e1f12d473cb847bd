"""Invalid input on the command line: an exit code, and one line on what is wrong, where, and what to do."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import (
    Ran,
    card,
    class_folders,
    embeddings_folder,
    goldieval,
    json_lines,
    one_line,
    picture,
    png_bytes,
    records,
    retrieval_embeddings,
    tar,
    toy_model,
)

PARTS = {".json", ".parquet", ".safetensors", ".txt"}


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.chdir(tmp_path)


def run(model: str, tasks: Path | str, *more: str) -> Ran:
    ran = goldieval("run", "--model", model, "--tasks", tasks, "--out", "out", *more)
    assert "Traceback" not in ran.out + ran.err and "bug in goldieval" not in ran.err
    return ran


def stops(ran: Ran) -> str:
    """Return the error line of a run that did not start; fail if it wrote anything."""
    assert ran.code == 2 and ran.out == ""
    assert not list(Path("out").rglob("*.*")) if Path("out").is_dir() else True
    return one_line(ran.err)


def fails(ran: Ran) -> str:
    """Return the reason of the one failed task, whose record has the same reason and no metrics."""
    assert ran.code == 1, ran.err
    (record,) = records(Path("out"))
    assert record["status"] == "failed" and record["metrics"] == {} and record["outcomes"] is None
    assert f"mine FAILED: {record['reason']}" in ran.out
    assert not list(Path("out").rglob("*.parquet")) and not list(Path("out").rglob(".*"))
    return one_line(record["reason"])


def fails_unwritten(ran: Ran) -> str:
    """Return the line of the one task whose record cannot be written."""
    assert (ran.code, ran.err) == (1, "")
    (line,) = [line for line in ran.out.splitlines() if line.startswith("mine FAILED: ")]
    return line


@pytest.fixture
def toy(tmp_path: Path) -> str:
    return toy_model(tmp_path)


def _pictures(tmp_path: Path, **changes: Any) -> Path:
    """Write a card for three pictures of two classes."""
    class_folders(tmp_path / "data", {"cat": 2, "dog": 1})
    return card(tmp_path, **changes)


def _captions(tmp_path: Path, rows: list[dict[str, Any]], **source: Any) -> Path:
    """Write a card for pictures with captions."""
    for seed, row in enumerate(rows):
        picture(tmp_path / "data" / row["image"], seed)
    json_lines(tmp_path / "data" / "t.jsonl", rows)
    return card(tmp_path, "table", "retrieval", source={"file": "t.jsonl", "caption": "caption"} | source)


# Names


def test_unknown_model_family(tmp_path: Path) -> None:
    assert "'rondom'" in (line := stops(run("rondom", _pictures(tmp_path)))) and "Did you mean random?" in line


def test_unknown_architecture(tmp_path: Path) -> None:
    line = stops(run("open_clip:ViT-B-23", _pictures(tmp_path)))
    assert "'ViT-B-23'" in line and "Did you mean ViT-B-32" in line


def test_unknown_task(toy: str) -> None:
    assert "Did you mean cifar10" in stops(run(toy, "cifar11"))


def test_unknown_checkpoint(tmp_path: Path) -> None:
    assert "no file matches gone_*.pt" in stops(run("open_clip:ViT-B-32@gone_*.pt", _pictures(tmp_path)))


def test_missing_card_file(toy: str) -> None:
    assert "nowhere.yaml" in stops(run(toy, "nowhere.yaml"))


def test_unknown_key_on_a_card(toy: str, tmp_path: Path) -> None:
    file = _pictures(tmp_path, colour="red")
    assert stops(run(toy, file)) == f"error: {file}: colour: unknown key"


# Data that are not there, or not what the card expects


def test_missing_folder(toy: str, tmp_path: Path) -> None:
    line = fails(run(toy, card(tmp_path)))
    assert f"no data: there is no folder {tmp_path}/data. " in line and "To get it:" in line


def test_missing_file_in_the_folder(toy: str, tmp_path: Path) -> None:
    class_folders(tmp_path / "data", {"cat": 1})
    assert "lacks classes.txt" in fails(run(toy, card(tmp_path, source={"classes": "classes.txt"})))


def test_missing_data_folder(toy: str) -> None:
    line = stops(run(toy, "cifar10", "--data-dir", "gone"))
    assert line == "error: --data-dir names gone, which is not a folder. Create it or name another."


@pytest.mark.parametrize(
    ("expect", "line"),
    [({"images": 4}, "3 images instead of 4"), ({"images": 3, "classes": 3}, "2 classes instead of 3")],
)
def test_counts_other_than_the_card_expects(toy: str, tmp_path: Path, expect: dict[str, int], line: str) -> None:
    assert f"the data are not what card.yaml expects: {line}" in fails(run(toy, _pictures(tmp_path, expect=expect)))


def test_counts_of_texts_other_than_the_card_expects(toy: str, tmp_path: Path) -> None:
    file = _captions(tmp_path, [{"image": "a.png", "caption": ["x", "y"]}])
    file.write_text(file.read_text() + "expect: {texts: 5}\n")
    assert "2 texts instead of 5" in fails(run(toy, file))


def test_counts_are_checked_before_a_limit(toy: str, tmp_path: Path) -> None:
    ran = run(toy, _pictures(tmp_path, expect={"images": 3}), "--limit", "2")
    assert ran.code == 0 and records(Path("out"))[0]["data"]["seen"]["images"] == 3


# Pictures


def _truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:80])


def _no_picture(file: Path) -> None:
    file.write_text("not a picture")


def _empty(file: Path) -> None:
    file.write_bytes(b"")


def _dangling(file: Path) -> None:
    file.unlink()
    file.symlink_to("gone.png")


SPOILS = [_truncate, _no_picture, _empty, _dangling]


@pytest.mark.parametrize("spoil", SPOILS)
def test_unreadable_picture_fails_the_task_by_name_and_count(
    toy: str, tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    file = _pictures(tmp_path)
    spoil(tmp_path / "data" / "cat" / "1.png")
    line = fails(run(toy, file))
    assert line.startswith("1 of 3 images cannot be read: cat/1.png (") and "--allow-bad 1" in line


@pytest.mark.parametrize("spoil", SPOILS)
def test_allowed_unreadable_picture_gives_a_partial_record(
    toy: str, tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    file = _pictures(tmp_path)
    spoil(tmp_path / "data" / "cat" / "1.png")
    for _ in range(2):  # the second time from the store
        ran = run(toy, file, "--allow-bad", "1")
        assert ran.code == 1 and "PARTIAL: 1 unreadable images left out" in ran.out
        (record,) = records(Path("out"))
        assert record["status"] == "partial" and list(record["data"]["unreadable"]) == ["cat/1.png"]
        assert record["metrics"]["acc1"]["n"] == 2 and record["data"]["seen"]["images"] == 3


def test_more_unreadable_pictures_than_allowed_fail(toy: str, tmp_path: Path) -> None:
    file = _pictures(tmp_path)
    for number in range(2):
        _truncate(tmp_path / "data" / "cat" / f"{number}.png")
    assert "2 of 3 images cannot be read: cat/0.png (" in fails(run(toy, file, "--allow-bad", "1"))


def test_no_readable_picture_at_all_fails_whatever_is_allowed(toy: str, tmp_path: Path) -> None:
    file = _pictures(tmp_path)
    for name in ("cat/0.png", "cat/1.png", "dog/0.png"):
        _no_picture(tmp_path / "data" / name)
    assert "none of the 3 images can be read" in fails(run(toy, file, "--allow-bad", "3"))


def test_unreadable_picture_takes_its_captions_with_it(toy: str, tmp_path: Path) -> None:
    rows = [{"image": f"{name}.png", "caption": [f"a {name}", f"one {name}"]} for name in "abc"]
    file = _captions(tmp_path, rows)
    _truncate(tmp_path / "data" / "b.png")
    assert run(toy, file, "--allow-bad", "1").code == 1
    (record,) = records(Path("out"))
    assert record["metrics"]["t2i_r1"]["n"] == 4 and record["metrics"]["i2t_r1"]["n"] == 2


def test_one_bad_task_does_not_stop_the_other(toy: str, tmp_path: Path) -> None:
    good, bad = _pictures(tmp_path / "good", name="good"), _pictures(tmp_path / "bad", name="bad")
    _truncate(tmp_path / "bad" / "data" / "cat" / "0.png")
    assert run(toy, f"{bad},{good}").code == 1
    assert {record["task"]["name"]: record["status"] for record in records(Path("out"))} == {
        "good": "ok",
        "bad": "failed",
    }


# Texts, labels, ids


@pytest.mark.parametrize("caption", ["", "   ", "\n"])
def test_empty_caption(toy: str, tmp_path: Path, caption: str) -> None:
    rows = [{"image": "a.png", "caption": "x"}, {"image": "b.png", "caption": ["y", caption]}]
    assert "t.jsonl:2: empty caption" in fails(run(toy, _captions(tmp_path, rows)))


def test_label_out_of_range(toy: str, tmp_path: Path) -> None:
    for number, label in enumerate([0, 1, 7]):
        members = {f"s{number}.png": png_bytes(number), f"s{number}.cls": str(label).encode()}
        tar(tmp_path / "data" / "test" / f"{number}.tar", members)
    (tmp_path / "data" / "test" / "nshards.txt").write_text("3")
    (tmp_path / "data" / "classnames.txt").write_text("cat\ndog\n")
    line = fails(run(toy, card(tmp_path, "webdataset")))
    assert "1 labels outside 0..1: " in line and "(7)" in line


def test_duplicate_ids(toy: str, tmp_path: Path) -> None:
    rows = [{"image": f"{name}.png", "caption": name, "id": 5} for name in "ab"]
    assert "1 duplicate text ids: 5" in fails(run(toy, _captions(tmp_path, rows, caption_id="id")))


def test_wrong_kind_of_task_for_the_data(toy: str, tmp_path: Path) -> None:
    class_folders(tmp_path / "data", {"cat": 1, "dog": 1})
    assert "retrieval needs captions" in fails(run(toy, card(tmp_path, "folder", "retrieval")))


def test_picture_path_that_leaves_the_folder(toy: str, tmp_path: Path) -> None:
    file = _captions(tmp_path, [{"image": "a.png", "caption": "x"}])
    json_lines(tmp_path / "data" / "t.jsonl", [{"image": "../../secret.png", "caption": "x"}])
    assert "'../../secret.png' would leave its folder" in fails(run(toy, file))


def test_class_names_of_another_number_than_the_classes(toy: str, tmp_path: Path) -> None:
    params = {"prompts": ["a {c}"], "class_names": ["cat", "dog", "fish"]}
    assert "3 class names for 2 classes" in fails(run(toy, _pictures(tmp_path, params=params)))


def test_prompts_that_have_drifted(toy: str, tmp_path: Path) -> None:
    pin = {"clip_benchmark": "cifar10", "version": "1.5.9", "sha256": "0" * 64}
    line = fails(run(toy, _pictures(tmp_path, params={"prompts": pin})))
    assert re.search(r"is not what this card pins.*clip-benchmark==1\.5\.9", line)


# Embeddings


def _spoiled(tmp_path: Path, images: np.ndarray | None = None, texts: np.ndarray | None = None) -> tuple[str, Path]:
    folder = retrieval_embeddings(tmp_path / "given")
    for name, array in (("image", images), ("text", texts)):
        if array is not None:
            np.save(folder / f"{name}_embeddings.npy", array)
    return f"embeddings:{folder}", folder / "card.yaml"


def _some(rows: int, width: int = 8, value: float | None = None) -> np.ndarray:
    array = np.random.default_rng(1).normal(size=(rows, width)).astype(np.float32)
    if value is not None:
        array[1, 2] = value
    return array


@pytest.mark.parametrize(
    ("images", "texts", "line"),
    [
        (None, _some(12, 5), "text embeddings are 5 wide, image embeddings 8"),
        (_some(6, value=np.nan), None, "1 of 6 image embeddings hold NaN or infinite values"),
        (None, _some(12, value=np.inf), "1 of 12 text embeddings hold NaN or infinite values"),
        (np.zeros((6, 8)), None, "6 of 6 image embeddings are zero"),
        (np.ones((6, 8)), None, "all 6 image embeddings are equal"),
        (None, 3 * np.ones((12, 8)), "all 12 text embeddings are equal"),
    ],
)
def test_embeddings_that_cannot_be_scored(
    tmp_path: Path, images: np.ndarray | None, texts: np.ndarray | None, line: str
) -> None:
    assert line in fails(run(*_spoiled(tmp_path, images, texts)))


def test_embeddings_of_other_samples_stop_with_the_counts(tmp_path: Path) -> None:
    model, file = _spoiled(tmp_path)
    (tmp_path / "given" / "image_ids.txt").write_text("".join(f"i{n}\n" for n in range(1, 7)))
    line = fails(run(model, file))
    assert "image ids do not match one to one: the task has 6" in line and "1 of the task's are missing there" in line


def test_embeddings_of_another_task_stop_with_the_counts(tmp_path: Path) -> None:
    """Prompts are ids as well."""
    folder = embeddings_folder(tmp_path / "e", _some(3), ["cat/0.png", "cat/1.png", "dog/0.png"], _some(1), ["a cat"])
    line = fails(run(f"embeddings:{folder}", _pictures(tmp_path)))
    assert "text ids do not match one to one: the task has 2" in line and "a photo of a cat" in line


def test_embeddings_folder_that_is_not_there(tmp_path: Path) -> None:
    assert "no folder gone" in stops(run("embeddings:gone", _pictures(tmp_path)))


def test_embeddings_with_fewer_ids_than_rows(tmp_path: Path) -> None:
    model, file = _spoiled(tmp_path, images=_some(7))
    assert "image_ids.txt: 6 ids (0 twice) for 7 rows" in stops(run(model, file))


# Disks


def test_out_folder_that_cannot_be_made(toy: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    ran = goldieval("run", "--model", toy, "--tasks", _pictures(tmp_path), "--out", "file/results")
    assert ran.code == 2
    assert one_line(ran.err).startswith("error: cannot write results to file/results: Not a directory")


def test_store_that_cannot_be_made(toy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("GOLDIEVAL_STORE", str(tmp_path / "file" / "store"))
    ran = run(toy, _pictures(tmp_path))
    assert ran.code == 2 and "$GOLDIEVAL_STORE" in one_line(ran.err)
    assert run(toy, tmp_path / "card.yaml", "--no-cache").code == 0


@pytest.mark.parametrize("spec", ["toy", "embeddings"])
def test_full_disk_leaves_nothing_half_written(
    toy: str, tmp_path: Path, store: Path, monkeypatch: pytest.MonkeyPatch, spec: str
) -> None:
    model, file = (toy, _pictures(tmp_path)) if spec == "toy" else _spoiled(tmp_path)

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    ran = run(model, file)
    said = one_line(ran.err) if spec == "toy" else fails_unwritten(ran)
    assert "No space left on device" in said
    assert not [left for folder in (Path("out"), store) for left in folder.rglob("*") if left.suffix in PARTS]
    monkeypatch.undo()
    assert goldieval("run", "--model", model, "--tasks", file, "--out", tmp_path / "out", "--no-cache").code == 0
