"""What ``goldieval data import`` prints and writes: names, samples, splits, class names, nothing with ``--dry-run``."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers import class_folders, goldieval, json_lines, picture
from import_cases import files_by_class, imported, mask, put, refused

from goldieval.data.manage.class_names import cleaned, doubtful
from goldieval.data.manage.generic_names import preferred_split, telling_name
from goldieval.data.manage.pickles import pickle_in


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.chdir(tmp_path)


def test_dry_run_prints_the_same_and_writes_nothing() -> None:
    class_folders(Path("zoo"), {"cat": 2, "dog": 3})
    before = sorted(Path().rglob("*"))
    ran = goldieval("data", "import", "zoo", "--dry-run")
    assert ran.code == 0 and sorted(Path().rglob("*")) == before
    written = goldieval("data", "import", "zoo")
    assert goldieval("data", "import", "zoo", "--dry-run").out == ran.out
    assert ran.out.replace("would write", "wrote") == written.out
    assert written.out.splitlines()[-1] == "wrote zoo.yaml; run it: goldieval run --model random --tasks zoo.yaml"


def test_three_samples_show_picture_size_and_class_or_caption() -> None:
    class_folders(Path("zoo"), {"cat": 2, "dog": 3})
    _, lines, _ = imported("zoo")
    place = lines.index("samples, as they were understood:")
    assert lines[place + 1 : place + 4] == [
        "  cat/0.png (8 x 8): cat",
        "  dog/0.png (8 x 8): dog",
        "  dog/2.png (8 x 8): dog",
    ]
    rows = [{"file": f"{n}.png", "captions": ["one of a few things", f"{n} of many " * 9]} for n in range(2)]
    for number in range(2):
        picture(Path(f"talk/{number}.png"), number)
    json_lines(Path("talk/t.jsonl"), rows)
    _, lines, _ = imported("talk")
    assert lines[-3] == '  0.png (8 x 8): "one of a few things" and 1 more'


@pytest.mark.parametrize(
    ("folder", "place", "name"),
    [
        ("/x/flowers/images", ".", "flowers"),
        ("/x/flowers/train", "t.csv", "flowers"),
        ("/x/data", "food-101/images", "food-101"),
        ("/x/My Pets", "images", "My Pets"),
        ("/x/eurosat/2750", ".", "eurosat"),
        ("/data", "images", ""),
        ("/x/CUB/images_test", ".", "CUB"),
    ],
)
def test_a_task_is_named_after_the_data_set(folder: str, place: str, name: str) -> None:
    assert telling_name(Path(folder), place) == name


def test_the_name_of_a_shipped_task_gets_an_addition() -> None:
    class_folders(Path("cifar10/test"), {"cat": 1, "dog": 1})
    assert imported("cifar10/test")[0]["name"] == "cifar10-own"
    assert "a task 'cifar10' exists already" in refused("cifar10", "--name", "cifar10")


def test_roles_and_splits_are_no_classes() -> None:
    for name in ("images", "split"):
        picture(Path(f"flat/{name}/0.png"))
    assert "flat holds no images with captions, classes or masks" in refused("flat")
    class_folders(Path("mixed"), {"cat": 1, "dog": 1, "images": 1, "test": 1})
    card, lines, loaded = imported("mixed")
    assert list(files_by_class(loaded)) == ["cat", "dog"] and card["source"]["exclude"] == ["images", "test"]
    assert "left out: images, test (not classes by their names)" in lines


def test_a_train_among_other_vehicles_is_a_class() -> None:
    class_folders(Path("vehicles"), {"bus": 1, "car": 1, "train": 1})
    _, lines, loaded = imported("vehicles")
    assert list(files_by_class(loaded)) == ["bus", "car", "train"]
    assert any(line.startswith("the folder train is taken as a class") for line in lines)


def test_of_several_splits_test_is_taken_and_the_others_are_named() -> None:
    for split in ("train", "val", "test"):
        class_folders(Path(f"zoo/{split}"), {"cat": 1, "dog": 2})
    card, lines, _ = imported("zoo")
    assert card["source"]["folder_name"] == "test"
    assert "of 3 splits test is taken; the others: --file train, --file val" in lines
    assert imported("zoo", "--file", "val/", "--name", "other")[0]["source"]["folder_name"] == "val"
    assert preferred_split(["a.csv", "b.csv"], str) is None


def test_other_layouts_in_a_folder_are_named() -> None:
    class_folders(Path("zoo/images"), {"cat": 1, "dog": 1})
    rows = [{"file": f"images/{name}/0.png", "text": f"this is a {name}"} for name in ("cat", "dog")]
    json_lines(Path("zoo/captions.jsonl"), rows)
    card, lines, _ = imported("zoo")
    assert card["family"] == "retrieval"
    assert "it also holds class folders in images: --file images" in lines


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["black_footed_albatross", "crow"], ["black footed albatross", "crow"]),
        (["001.Black_footed_Albatross", "002.Crow"], ["Black footed Albatross", "Crow"]),
        (["01-oak", "2 elm"], ["oak", "elm"]),
        (["7up", "cola"], ["7up", "cola"]),
        (["AnnualCrop", "SeaLake", "t-shirt"], ["Annual Crop", "Sea Lake", "t-shirt"]),
        (["n01440764", "n01443537"], ["tench", "goldfish"]),
        (["n99999999", "n01443537"], ["n99999999", "goldfish"]),
        (["a_b", "a b"], ["a_b", "a b"]),
        (["0", "1"], ["0", "1"]),
    ],
)
def test_class_names_are_cleaned_with_a_notice(names: list[str], expected: list[str]) -> None:
    found, notices = cleaned(names)
    assert found == expected and bool(notices) == (names != expected)


@pytest.mark.parametrize("name", ["0", "n99999999", "x", "img_01.jpg", "class 3", "__", "1,5"])
def test_names_with_which_prompts_read_badly_are_warned_of(name: str) -> None:
    assert name in doubtful(["cat", name], "a photo of a {c}.")[0]
    assert doubtful(["cat", "707-320", "T-shirt", "A320", "4x4"], "a photo of a {c}.") == []


@pytest.mark.parametrize(
    ("file", "text", "keys"),
    [
        ("LOC_synset_mapping.txt", "n99999998 tench, Tinca tinca\nn99999999 sea lion\n", ["n99999998", "n99999999"]),
        ("cat_to_name.json", '{"1": "tench", "2": "sea lion", "3": "cat"}', ["1", "2"]),
        ("imagenet_class_index.json", '{"0": ["n99999998", "tench"], "1": ["n99999999", "sea_lion"]}',
         ["n99999998", "n99999999"]),
    ],
)  # fmt: skip
def test_names_of_ids_and_numbers_come_from_a_file_beside_the_folders(file: str, text: str, keys: list[str]) -> None:
    class_folders(Path("zoo/val"), dict.fromkeys(keys, 1))
    put(Path("zoo") / file, text.splitlines())
    card, lines, _ = imported("zoo")
    assert card["params"]["class_names"] == ["tench", "sea lion"]
    assert f"names of the classes from {file}" in lines


def test_class_names_are_a_list_that_can_be_edited() -> None:
    class_folders(Path("digits"), {str(digit): 1 for digit in range(10)})
    card, lines, _ = imported("digits")
    assert card["params"]["class_names"] == [str(digit) for digit in range(10)]
    warning = "warning: 10 class names read badly in a prompt ('a photo of a 0.'): 0 (a number), 1 (a number)"
    assert any(line.startswith(warning) and line.endswith("edit class_names in the card") for line in lines)
    text = Path("digits.yaml").read_text().replace("class_names: ['0',", "class_names: [zero,")
    Path("digits.yaml").write_text(text)
    assert goldieval("run", "--model", "random", "--tasks", "digits.yaml", "--dry-run").code == 0


def test_masks_are_not_taken_for_classes_or_pictures() -> None:
    for number in range(2):
        picture(Path(f"streets/frames/{number}.png"), number)
        mask(Path(f"streets/masks/{number}.png"), [0, 1])
    assert imported("streets")[0]["family"] == "segmentation"
    assert "holds no images with classes" in refused("streets", "--family", "zeroshot", "--name", "other")


def test_a_table_that_names_images_without_their_extension() -> None:
    for number in range(4):
        picture(Path(f"breeds/test/00{number}.jpg"), number)
    rows = [f"00{number},{('collie', 'boxer')[number % 2]}" for number in range(4)]
    put(Path("breeds/labels.csv"), ["id,breed", *rows])
    card, _, loaded = imported("breeds")
    assert card["source"] | {"image": "id", "images": "test", "picture": "{}.jpg", "label": "breed"} == card["source"]
    assert files_by_class(loaded) == {"collie": ["000.jpg", "002.jpg"], "boxer": ["001.jpg", "003.jpg"]}


def test_a_text_that_is_no_list_is_not_taken_for_one() -> None:
    class_folders(Path("zoo"), {"cat": 2, "dog": 2})
    put(Path("zoo/notes.txt"), ["cat/0.png", "dog/0.png"])
    put(Path("zoo/README.txt"), ["cat and dog", ""])
    card, _, _ = imported("zoo", "--name", "a")
    assert card["source"]["reader"] == "folder"


def test_hostile_names_reach_the_terminal_escaped() -> None:
    class_folders(Path("zoo"), {"cat\x1b[31m": 1, "dog\u202e": 1})
    ran = goldieval("data", "import", "zoo", "--dry-run")
    assert ran.code == 0 and "\x1b" not in ran.out and "\u202e" not in ran.out


def test_pickles_are_recognised_by_their_bytes() -> None:
    Path("x").mkdir()
    Path("x/readme").write_text("text")
    assert pickle_in(Path("x")) is None
    Path("x/test").write_bytes(b"\x80\x02}q\x00.")
    assert pickle_in(Path("x")) == Path("x/test")


HOSTILE: dict[str, dict[str, bytes]] = {
    "arrays": {"MNIST/t10k-images-idx3-ubyte": b"\0\0\x08\x03" + b"\xff" * 12, "MNIST/t10k-labels-idx1-ubyte": b"\0"},
    "records": {"test_batch.bin": b"x" * 100, "batches.meta.txt": b"cat\ndog\n"},
    "matlab": {"imagelabels.mat": b"\0" * 300, "setid.mat": b"MATLAB 5.0 MAT-file" + b"\xff" * 200},
    "categories": {
        "a.json": b'{"categories": [1, {"id": "x"}], "images": [{"id": 1}], "annotations": [{"segmentation": []}]}'
    },
    "panoptic": {
        "a.json": b'{"categories": [{"id": 1, "name": "a"}], "images": [{"id": 1, "file_name": "../../etc/passwd"}], '
        b'"annotations": [{"image_id": 1, "file_name": "/etc/passwd", "segments_info": [null]}]}'
    },
    "list": {"test.txt": b"../../etc/passwd.png 1\n\xff\xfe", "train.txt": b"\0" * 50, "x.lst": b"/etc/passwd"},
    "mask table": {"t.csv": b"image,mask\n../0.png,/etc/passwd.png\n"},
    "names": {"classes.json": b"[" * 5000, "labels.txt": b"\xff" * 100},
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_files_are_one_line(case: str) -> None:
    for name, data in HOSTILE[case].items():
        file = Path("zoo", name)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    line = refused("zoo")
    assert (line.startswith("error: ") and "zoo" in line) or ".mat" in line or ".json" in line
