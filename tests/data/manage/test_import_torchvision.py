"""``goldieval data import`` of data sets as torchvision downloads them, in small."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import import_cases as cases
import pytest
from helpers import class_folders, goldieval, picture, toy_model
from import_cases import files_by_class, imported, put, refused


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.chdir(tmp_path)


LAYOUTS: dict[str, tuple[Callable[[Path], Path], str, dict[str, list[str]]]] = {
    "food101": (
        cases.food101,
        "food-101",
        {"apple pie": ["2.jpg", "3.jpg"], "baby back ribs": ["2.jpg", "3.jpg"]},
    ),
    "dtd": (
        cases.dtd,
        "dtd-own",
        {"banded": ["banded_0001.jpg", "banded_0003.jpg"], "dotted": ["dotted_0001.jpg", "dotted_0003.jpg"]},
    ),
    "pets": (
        cases.pets,
        "oxford-iiit-pet",
        {
            "Abyssinian": ["Abyssinian_3.jpg", "Abyssinian_4.jpg"],
            "american bulldog": ["american_bulldog_3.jpg", "american_bulldog_4.jpg"],
        },
    ),
    "aircraft": (
        cases.aircraft,
        "fgvc-aircraft-2013b",
        {
            "707-320": ["2000.jpg", "2003.jpg"],
            "A318 mod": ["2001.jpg", "2004.jpg"],
            "A320": ["2002.jpg", "2005.jpg"],
        },
    ),
    "sun397": (
        cases.sun397,
        "sun397-own",
        {"abbey": ["sun_0.jpg"], "apartment building outdoor": ["sun_1.jpg"], "badlands": ["sun_2.jpg"]},
    ),
    "flowers": (
        cases.flowers102,
        "flowers-102",
        {
            "pink primrose": ["image_00004.jpg"],
            "hard-leaved pocket orchid": ["image_00005.jpg"],
            "blackberry lily": ["image_00006.jpg"],
        },
    ),
    "cars": (
        cases.stanford_cars,
        "stanford_cars",
        {"Acura RL Sedan 2012": ["00000.jpg", "00003.jpg"], "Audi V8 Sedan 1994": ["00001.jpg", "00002.jpg"]},
    ),
    "stl10": (
        cases.stl10,
        "stl10_binary",
        {
            "airplane": ["test_X.bin#00000"],
            "truck": ["test_X.bin#00001"],
            "bird": ["test_X.bin#00002"],
        },
    ),
    "mnist": (
        cases.mnist,
        "mnist-own",
        {
            "zero": ["t10k-images-idx3-ubyte#00000"],
            "one": ["t10k-images-idx3-ubyte#00001"],
            "nine": ["t10k-images-idx3-ubyte#00002", "t10k-images-idx3-ubyte#00003"],
        },
    ),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_the_test_split_with_its_classes_and_name(name: str) -> None:
    make, task, classes = LAYOUTS[name]
    card, _, loaded = imported(make(Path()))
    assert (card["name"], card["family"]) == (task, "zeroshot")
    assert files_by_class(loaded) == classes
    assert card["params"]["class_names"] == loaded.prepared.class_labels


def test_an_imported_task_runs() -> None:
    for folder in (cases.food101(Path()), cases.cifar10_binary(Path()), cases.flowers102(Path())):
        command = ["--model", toy_model(Path.cwd()), "--no-cache", "--tasks"]
        imported(folder)
        ran = goldieval("run", *command, f"{folder.name}.yaml")
        assert ran.code == 0, ran.out + ran.err


def test_prompts_are_those_of_the_shipped_task_with_the_same_classes() -> None:
    card, lines, _ = imported(cases.cifar10_binary(Path()))
    assert card["params"]["prompts"]["clip_benchmark"] == "cifar10"
    assert "prompts are those of the shipped task cifar10, which has as many classes" in lines
    assert imported(cases.stl10(Path()))[0]["params"]["prompts"]["clip_benchmark"] == "stl10"


def test_other_partitions_levels_and_splits_are_named_and_can_be_chosen() -> None:
    _, lines, _ = imported(cases.dtd(Path()))
    assert "the list dtd/labels/test1.txt, images in dtd/images" in lines[0]
    assert any(line.startswith("other partitions or levels of classes: --file dtd/labels/test2.txt") for line in lines)
    chosen = imported("dtd", "--file", "dtd/labels/train10.txt", "--name", "other")
    assert chosen[0]["source"]["file"] == "dtd/labels/train10.txt"
    card, _, loaded = imported(cases.aircraft(Path()), "--file", "data/images_family_test.txt", "--name", "family")
    assert loaded.prepared.class_labels == ["A320", "Boeing 707"] and card["source"]["label"] == 1
    cars = cases.stanford_cars(Path())
    _, _, loaded = imported(cars, "--file", "devkit/cars_train_annos.mat", "--name", "cars-train")
    assert loaded.prepared.dataset.images[0].path == "cars_train/00000.jpg"


def test_wordnet_ids_get_their_names_and_of_two_splits_val_is_taken() -> None:
    for split in ("train", "val"):
        class_folders(Path(f"imagenet/{split}"), {"n01440764": 1, "n01443537": 2})
    card, lines, loaded = imported("imagenet")
    assert card["source"]["folder_name"] == "val" and card["name"] == "imagenet-own"
    assert list(files_by_class(loaded)) == ["tench", "goldfish"]
    assert "of 2 splits val is taken; the others: --file train" in lines
    assert "class names cleaned: n01440764 -> tench, n01443537 -> goldfish" in lines


def test_tiny_imagenet_has_its_validation_labels_in_a_list() -> None:
    for number in range(4):
        picture(Path(f"tiny-imagenet-200/val/images/val_{number}.JPEG"), number)
    ids = ("n01443537", "n01629819")
    rows = [f"val_{number}.JPEG\t{ids[number % 2]}\t0\t0\t9\t9" for number in range(4)]
    put(Path("tiny-imagenet-200/val/val_annotations.txt"), rows)
    class_folders(Path("tiny-imagenet-200/train"), {f"{id}/images": 2 for id in ids})
    _, _, loaded = imported("tiny-imagenet-200")
    assert files_by_class(loaded) == {
        "goldfish": ["val_0.JPEG", "val_2.JPEG"],
        "fire salamander": ["val_1.JPEG", "val_3.JPEG"],
    }


def test_background_of_caltech_is_no_class() -> None:
    class_folders(Path("caltech101/101_ObjectCategories"), {"BACKGROUND_Google": 1, "Faces": 1, "yin_yang": 1})
    card, lines, loaded = imported("caltech101")
    assert list(files_by_class(loaded)) == ["Faces", "yin yang"] and card["name"] == "caltech101"
    assert "left out: BACKGROUND_Google (not classes by their names)" in lines


def test_pickles_are_refused_with_what_to_do() -> None:
    Path("cifar-100-python").mkdir()
    Path("cifar-100-python/test").write_bytes(pickle.dumps({"data": []}, protocol=2))
    line = refused("cifar-100-python")
    assert "holds Python pickles (test)" in line and "binary version" in line
