"""``goldieval data import``: existing folders, for a known task or as the user's own."""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from helpers import class_folders, content, goldieval, json_lines, one_line, picture, png_bytes, records, tar, toy_model

from goldieval.engine.load import prepare_and_count
from goldieval.tasks.card import load_card

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT.parent / "shared" / "data"


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.chdir(tmp_path)


def root() -> Path:
    return Path(os.environ["GOLDIEVAL_DATA"])


def snapshot(folder: Path) -> dict[str, tuple[int, int]]:
    return {str(f): (f.lstat().st_size, f.lstat().st_mtime_ns) for f in sorted(folder.rglob("*"))}


def written(*arguments: str) -> dict[str, Any]:
    """Import, run the command in the last line with a toy model, and return the card."""
    ran = goldieval("data", "import", *arguments)
    assert (ran.code, ran.err) == (0, ""), ran.err
    file = ran.out.rpartition("--tasks ")[2].strip()
    done = goldieval("run", "--model", toy_model(Path.cwd()), "--tasks", f"./{file}", "--no-cache")
    assert done.code == 0, done.out + done.err
    found: dict[str, Any] = yaml.safe_load(Path(file).read_text())
    assert len(Path(file).read_text().splitlines()) <= 26
    return found


def refused(*arguments: str) -> str:
    before = snapshot(Path())
    ran = goldieval("data", "import", *arguments)
    assert ran.code == 2 and snapshot(Path()) == before
    return one_line(ran.err)


def captions(folder: Path, rows: int = 4) -> list[dict[str, Any]]:
    for number in range(rows):
        picture(folder / "img" / f"{number}.png", number)
    return [{"pic": f"img/{n}.png", "words": f"this is picture {n}"} for n in range(rows)]


def csv(file: Path, rows: list[dict[str, Any]], mark: str = ",") -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    lines = [mark.join(rows[0]), *(mark.join(map(str, row.values())) for row in rows)]
    file.write_text("\n".join(lines) + "\n")


# Data of one's own


def test_class_folders() -> None:
    class_folders(Path("My Pets/all"), {"cat": 2, "dog": 3})
    found = written("My Pets")
    assert found["name"] == "my-pets" and found["family"] == "zeroshot"
    assert found["source"] == {"reader": "folder", "path": "My Pets", "folder_name": "all"}
    assert found["expect"] == {"images": 5, "classes": 2} and found["chance"] == 0.5


@pytest.mark.parametrize(("ending", "mark"), [("csv", ","), ("tsv", "\t")])
def test_table_of_captions_is_detected_by_its_content(ending: str, mark: str) -> None:
    csv(Path(f"mine/t.{ending}"), captions(Path("mine")), mark)
    found = written("mine", "--family", "retrieval", "--name", "other", "--out", "cards/other.yaml")
    assert found["source"] | {"path": ""} == {
        "reader": "table",
        "path": "",
        "file": f"t.{ending}",
        "image": "pic",
        "caption": "words",
    }
    assert found["expect"] == {"images": 4, "texts": 4} and found["chance"] == 0.25


def test_json_lines_with_lists_and_pictures_in_a_folder_that_paths_leave_out() -> None:
    captions(Path("mine"))
    rows = [{"id": n, "picture": f"{n}.png", "said": [f"one of {n} things", f"two of {n} things"]} for n in range(4)]
    json_lines(Path("mine/t.jsonl"), rows)
    found = written("mine")
    assert found["source"]["images"] == "img" and found["expect"] == {"images": 4, "texts": 8}


def test_class_names_of_a_column_are_the_classes() -> None:
    for number in range(4):
        picture(Path(f"mine/{number}.png"), number)
    rows = [{"f": f"{n}.png", "n": n % 2, "species": ["wolf", "fox"][n % 2]} for n in range(4)]
    csv(Path("mine/t.csv"), rows)
    found = written("mine")
    assert found["source"]["label"] == "species"  # n says the same in numbers
    task = load_card(Path("mine.yaml"))
    dataset = task.card.source.read(task.folder(root()))
    assert dataset.class_names == ["fox", "wolf"] and dataset.labels is not None
    assert dataset.labels.tolist() == [1, 0, 1, 0]


def test_coco_captions() -> None:
    captions(Path("mine"))
    about = {
        "images": [{"id": n, "file_name": f"{n}.png"} for n in range(4)],
        "annotations": [{"id": n, "image_id": n // 2, "caption": f"caption {n}"} for n in range(8)],
    }
    Path("mine/annotations").mkdir()
    Path("mine/annotations/c.json").write_text(json.dumps(about))
    assert written("mine")["source"]["images"] == "img"


@pytest.mark.parametrize("ending", ["cls", "txt"])
def test_web_dataset(ending: str) -> None:
    content = {"cls": b"%d", "txt": b"caption %d\nand another"}[ending]
    members = {f"{n}.{kind}": data for n in range(2) for kind, data in (("png", png_bytes(n)), (ending, content % n))}
    tar(Path("mine/test/0.tar"), members)
    if ending == "cls":
        assert "class numbers (0, 1), but prompts require names" in refused("mine")
    Path("mine/test/nshards.txt").write_text("1")
    Path("mine/classnames.txt").write_text("a\nb\n")
    found = written("mine")
    assert found["family"] == {"cls": "zeroshot", "txt": "retrieval"}[ending]


def _two_captions(folder: Path) -> None:
    csv(folder / "t.csv", [row | {"more": f"that is picture {n}"} for n, row in enumerate(captions(folder))])


def _two_tables(folder: Path) -> None:
    csv(folder / "a.csv", captions(folder))
    csv(folder / "b.csv", captions(folder))


def _no_pictures(folder: Path) -> None:
    csv(folder / "t.csv", [{"pic": "gone/0.png", "words": "this is a picture"}])


def _only_numbers(folder: Path) -> None:
    csv(folder / "t.csv", [{"a": 1, "b": 2}])


def _broken_picture(folder: Path) -> None:
    csv(folder / "t.csv", captions(folder))
    (folder / "img/0.png").write_text("no picture")


REFUSED: dict[str, tuple[Callable[[Path], None], list[str], str]] = {
    "two columns": (_two_captions, [], "t.csv: columns 'words' and 'more' could both hold the caption: add --caption."),
    "two tables": (_two_tables, [], "a.csv and b.csv both fit: add --file a.csv."),
    "no such column": (_two_captions, ["--caption", "text"], "t.csv has no column 'text' for --caption; it has pic"),
    "pictures elsewhere": (_no_pictures, [], "the images of column 'pic' (first: gone/0.png) are not below mine"),
    "no pictures": (_only_numbers, [], "t.csv has no column with names of image files; it has a, b."),
    "broken picture": (_broken_picture, [], "1 of 4 images cannot be read: img/0.png (not an image format"),
    "captions are no classes": (_two_captions, ["--family", "zeroshot"], "no column looks like classes; name one of"),
    "nothing": (lambda folder: folder.mkdir(), [], "mine holds no images with captions, classes or masks"),
    "no folder": (lambda folder: None, [], "mine is not a folder"),
    "no family": (
        _two_captions,
        ["--family", "regions"],
        "retrieval, zeroshot, segmentation, dense-probe, choice or vqa",
    ),
    "name is taken": (_two_captions, ["--name", "cifar10"], "a task 'cifar10' exists already"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_detected_is_one_line_and_writes_nothing(name: str) -> None:
    make, options, line = REFUSED[name]
    make(Path("mine"))
    assert line in refused("mine", *options)


def test_option_decides_between_two_columns() -> None:
    _two_captions(Path("mine"))
    assert written("mine", "--caption", "more")["source"]["caption"] == "more"


def test_existing_card_is_not_overwritten() -> None:
    class_folders(Path("mine"), {"cat": 1, "dog": 1})
    Path("mine.yaml").write_text("kept")
    assert "mine.yaml exists already" in refused("mine")


# A folder for a known task


COCO = {"reader": "coco", "annotations": "annotations/captions_val.json", "images": "val"}


def coco_card(**changes: Any) -> str:
    source = {"path": "", "id": "coco", "manual": "ask"} | COCO
    about = content("coco", "retrieval", expect={"images": 4, "texts": 8}, source=source) | changes
    Path("card.yaml").write_text(yaml.safe_dump(about))
    return "./card.yaml"


def coco_folder(folder: Path, images: str = "val", annotations: str = "annotations") -> Path:
    for number in range(4):
        picture(folder / images / f"{number}.png", number)
    about = {
        "images": [{"id": n, "file_name": f"{n}.png"} for n in range(4)],
        "annotations": [{"id": n, "image_id": n // 2, "caption": f"caption {n}"} for n in range(8)],
    }
    (folder / annotations).mkdir(parents=True, exist_ok=True)
    (folder / annotations / "captions_val.json").write_text(json.dumps(about))
    return folder


@pytest.mark.parametrize(
    "layout",
    [{}, {"images": "images/val"}, {"annotations": "."}, {"images": "2017/val", "annotations": "2017/annotations"}],
)
def test_folder_of_a_known_task_is_linked_in_and_not_modified(layout: dict[str, str]) -> None:
    own = coco_folder(Path("own"), **layout)
    before, task = snapshot(own), coco_card()
    ran = goldieval("data", "import", task, "own")
    assert (ran.code, ran.err) == (0, ""), ran.err
    assert "4 images, 8 texts, as its card expects" in ran.out
    assert snapshot(own) == before
    assert goldieval("run", "--model", toy_model(Path.cwd()), "--tasks", task, "--no-cache").code == 0
    (record,) = records(Path("results"))
    assert record["data"]["origins"] == ["a folder of the user's own"]
    assert goldieval("data", "check", task).code == 0
    assert "linked to your" in goldieval("data", "get", task).out
    assert "has its data in" in refused(task, "own")
    (own / layout.get("images", "val") / "0.png").write_text("broken")
    ran = goldieval("data", "check", task)
    assert ran.code == 1 and "to fix it: repair the files in your" in ran.out


def test_folder_with_pictures_of_the_same_name_in_two_places() -> None:
    """Masks are in folders of the same name as the images'; the images are those named by the captions."""
    own = coco_folder(Path("own"), images="pictures/val")
    picture(own / "masks/val/mask_0.png")
    assert goldieval("data", "import", coco_card(), "own").code == 0
    assert (root() / "coco/val").resolve() == (own / "pictures/val").resolve()


def test_wrong_counts_link_nothing() -> None:
    coco_folder(Path("own"))
    line = refused(coco_card(expect={"images": 5000}), "own")
    assert "own is not linked in: the data are not what card.yaml expects: 4 images instead of 5,000" in line
    assert [entry.name for entry in root().iterdir() if not entry.name.startswith(".")] == []
    assert not (root() / ".coco.trial").exists()


def test_folder_without_the_files_says_what_it_lacks() -> None:
    Path("own").mkdir()
    assert "it lacks annotations/captions_val.json, val" in refused(coco_card(), "own")
    assert "own2 is not a folder" in refused(coco_card(), "own2")
    assert "--family is for data of your own" in refused(coco_card(), "own", "--family", "retrieval")
    assert "has no folder below the data root" in refused("shapes-zeroshot", "own")


def test_pickles_are_never_opened() -> None:
    folder = Path("own/cifar-10-batches-py")
    folder.mkdir(parents=True)
    (folder / "test_batch").write_bytes(b"cos\nsystem\n(S'touch pwned'\ntR.")
    line = refused("cifar10", "own")
    assert "holds Python pickles (test_batch)" in line and "goldieval data get cifar10" in line
    assert not Path("pwned").exists()


def test_another_layout_of_the_same_pictures_is_another_task() -> None:
    class_folders(Path("own"), {"cat": 1, "dog": 1})
    line = refused("cifar10", "own")
    assert "it holds class folders" in line
    command = shlex.split(line.partition("goldieval data import ")[2])
    assert written(*command)["name"] == "cifar10-own"


def test_web_dataset_of_clip_benchmark_is_linked_in() -> None:
    members = {f"{n}.{kind}": data for n in range(2) for kind, data in (("png", png_bytes(n)), ("cls", b"%d" % n))}
    tar(Path("own/wds_mine/test/0.tar"), members)
    Path("own/wds_mine/test/nshards.txt").write_text("1")
    Path("own/wds_mine/classnames.txt").write_text("a\nb\n")
    about = content("webdataset", expect={"images": 2, "classes": 2}, source={"path": "", "id": "mine"})
    Path("card.yaml").write_text(yaml.safe_dump(about))
    assert goldieval("data", "import", "./card.yaml", "own").code == 0
    assert goldieval("data", "check", "./card.yaml").code == 0


# The documentation


def _examples() -> list[str]:
    section = (ROOT / "docs/data.md").read_text().partition("## Data of your own")[2]
    return re.findall(r"^    (goldieval data import .+)$", section, re.M)


def test_worked_examples_of_the_documentation_run() -> None:
    class_folders(Path("clothes"), {"dress": 2, "hat": 2, "shoes": 1})
    csv(Path("holiday/captions.csv"), [{"file": r["pic"], "caption": r["words"]} for r in captions(Path("holiday"))])
    rows = [{"picture": r["pic"], "short": r["words"], "long": r["words"] * 3} for r in captions(Path("scenes"))]
    json_lines(Path("scenes/scenes.jsonl"), rows)
    examples = _examples()
    assert len(examples) == 3
    names = {written(*shlex.split(line)[3:])["name"] for line in examples}
    assert names == {"clothes", "holiday", "scenes-long"}


# Real pictures


REAL = [
    (["cifar10"], {"images": 1000, "classes": 10}),
    (["caltech101"], {"images": 1010, "classes": 101}),
    (["clothing"], {"images": 372, "classes": 10}),
    (["pacs"], {"images": 616, "classes": 7}),
    (["coco_mini", "--file", "annotations/captions_val2017.json"], {"images": 238, "texts": 1191}),
    (["coco_mini", "--file", "captions_train2017.jsonl"], {"images": 90, "texts": 450}),
]


@pytest.mark.skipif(not DATA.is_dir(), reason=f"no real data in {DATA}")
@pytest.mark.parametrize(("arguments", "counts"), REAL, ids=[" ".join(arguments) for arguments, _ in REAL])
def test_real_folder_gets_a_card_that_reads_it(arguments: list[str], counts: dict[str, int]) -> None:
    before = snapshot(DATA / arguments[0])
    ran = goldieval("data", "import", str(DATA / arguments[0]), *arguments[1:], "--name", "real")
    assert (ran.code, ran.err) == (0, "")
    task = load_card(Path("real.yaml"))
    assert prepare_and_count(task, task.folder(root()))[1] == counts == task.card.expect.model_dump(exclude_none=True)
    assert snapshot(DATA / arguments[0]) == before


@pytest.mark.skipif(not DATA.is_dir(), reason=f"no real data in {DATA}")
def test_real_folder_runs() -> None:
    goldieval("data", "import", str(DATA / "coco_mini"), "--file", "captions_train2017.jsonl", "--name", "real")
    assert goldieval("run", "--model", "random", "--tasks", "./real.yaml", "--limit", "8", "--no-cache").code == 0


@pytest.mark.skipif(not DATA.is_dir(), reason=f"no real data in {DATA}")
def test_real_coco_folder_is_linked_in_for_its_task() -> None:
    """COCO's layout with the images one folder deeper, and masks in folders of the same name."""
    source = {"path": "", "id": "coco", "annotations": "annotations/captions_val2017.json", "images": "val2017"}
    about = content("coco", "retrieval", expect={"images": 238, "texts": 1191}, source=source)
    Path("card.yaml").write_text(yaml.safe_dump(about))
    assert "238 images instead of 5,000" in refused("coco-val2017", str(DATA / "coco_mini"))
    assert goldieval("data", "import", "./card.yaml", str(DATA / "coco_mini")).code == 0
    assert (root() / "coco/val2017").resolve() == (DATA / "coco_mini/images/val2017").resolve()
