"""Folders as data sets are published, in small, for the tests of ``goldieval data import``."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from helpers import goldieval, one_line, picture, toy_model
from PIL import Image

from goldieval.engine.load import LoadedTask, load_task_data
from goldieval.tasks.card import load_card


def mask(file: Path, values: Sequence[int], palette: bool = False) -> Path:
    """Write a mask of the size of ``helpers.picture`` in which every value occurs."""
    file.parent.mkdir(parents=True, exist_ok=True)
    made = Image.fromarray(np.resize(np.asarray(values, dtype=np.uint8), (8, 8)))
    if palette:
        made.putpalette(list(range(256)) * 3)
    made.save(file)
    return file


def put(file: Path, lines: Sequence[str]) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(f"{line}\n" for line in lines))
    return file


def imported(*arguments: str | Path) -> tuple[dict[str, Any], list[str], LoadedTask]:
    """Import a folder; return the card's content, the lines of the output, and the task as a run reads it."""
    ran = goldieval("data", "import", *arguments)
    assert (ran.code, ran.err) == (0, ""), ran.err
    file = Path(ran.out.rpartition("--tasks ")[2].strip())
    task = load_card(file)
    content: dict[str, Any] = yaml.safe_load(file.read_text())
    return content, ran.out.splitlines(), load_task_data(task, task.folder(Path()), None, 1)


def refused(*arguments: str | Path) -> str:
    """Return the error line of an import that writes nothing."""
    before = sorted(Path().rglob("*"))
    ran = goldieval("data", "import", *arguments)
    assert ran.code == 2 and sorted(Path().rglob("*")) == before
    return one_line(ran.err)


def card_of(*arguments: str) -> dict[str, Any]:
    """Import, run the command of the last line with a toy model, and return the card."""
    ran = goldieval("data", "import", *arguments)
    assert (ran.code, ran.err) == (0, ""), ran.out + ran.err
    command = ran.out.rpartition("run it: goldieval run --model ")[2].split()[1:]
    done = goldieval("run", "--model", toy_model(Path.cwd()), "--no-cache", *command)
    assert done.code == 0, done.out + done.err
    found: dict[str, Any] = yaml.safe_load(Path(command[-1]).read_text())
    return found


def output_of(*arguments: str) -> str:
    """Return the output of a dry run, which writes nothing."""
    before = sorted(Path().rglob("*"))
    ran = goldieval("data", "import", *arguments, "--dry-run")
    assert (ran.code, ran.err) == (0, ""), ran.out + ran.err
    assert sorted(Path().rglob("*")) == before
    return ran.out


def files_by_class(loaded: LoadedTask) -> dict[str, list[str]]:
    """Return the file names of the images of each class."""
    dataset, labels = loaded.prepared.dataset, loaded.prepared.class_labels or []
    assert dataset.labels is not None
    found: dict[str, list[str]] = {}
    for image, label in zip(dataset.images, dataset.labels, strict=True):
        found.setdefault(labels[label], []).append(Path(image.path).name)
    return found


# Data sets of torchvision


def food101(root: Path) -> Path:
    for name in ("apple_pie", "baby_back_ribs"):
        for number in range(4):
            picture(root / f"food-101/images/{name}/{number}.jpg", number)
    for split, numbers in (("train", (0, 1)), ("test", (2, 3))):
        names = [f"{name}/{number}" for name in ("apple_pie", "baby_back_ribs") for number in numbers]
        put(root / f"food-101/meta/{split}.txt", names)
    put(root / "food-101/meta/classes.txt", ["apple_pie", "baby_back_ribs"])
    put(root / "food-101/meta/labels.txt", ["Apple pie", "Baby back ribs"])
    return root / "food-101"


def dtd(root: Path) -> Path:
    names = [f"{texture}/{texture}_{number:04d}.jpg" for texture in ("banded", "dotted") for number in range(4)]
    for seed, name in enumerate(names):
        picture(root / "dtd/dtd/images" / name, seed)
    for partition in range(1, 11):
        for place, split in enumerate(("train", "test")):
            put(root / f"dtd/dtd/labels/{split}{partition}.txt", names[place::2])
    put(root / "dtd/dtd/labels/labels_joint_anno.txt", [f"{name} {name.split('/')[0]} striped" for name in names])
    return root / "dtd"


def pets(root: Path) -> Path:
    rows: dict[str, list[str]] = {"trainval": [], "test": []}
    for label, breed in enumerate(("Abyssinian", "american_bulldog"), start=1):
        for number in (1, 2, 3, 4):
            picture(root / f"oxford-iiit-pet/images/{breed}_{number}.jpg", 10 * label + number)
            mask(root / f"oxford-iiit-pet/annotations/trimaps/{breed}_{number}.png", [1, 2, 3])
            rows["trainval" if number < 3 else "test"].append(f"{breed}_{number} {label} {label} 1")
    for split, lines in rows.items():
        put(root / f"oxford-iiit-pet/annotations/{split}.txt", lines)
    put(
        root / "oxford-iiit-pet/annotations/list.txt",
        ["#Image CLASS-ID SPECIES BREED ID", *rows["trainval"], *rows["test"]],
    )
    return root / "oxford-iiit-pet"


def aircraft(root: Path) -> Path:
    data, variants = root / "fgvc-aircraft-2013b/data", ["707-320", "A318 mod", "A320"]
    family = {"707-320": "Boeing 707", "A318 mod": "A320", "A320": "A320"}
    for start, split in ((1000, "train"), (2000, "test")):
        ids = [str(start + number) for number in range(6)]
        for seed, id in enumerate(ids):
            picture(data / f"images/{id}.jpg", seed)
        named = [(id, variants[number % 3]) for number, id in enumerate(ids)]
        put(data / f"images_{split}.txt", ids)
        put(data / f"images_variant_{split}.txt", [f"{id} {variant}" for id, variant in named])
        put(data / f"images_family_{split}.txt", [f"{id} {family[variant]}" for id, variant in named])
    put(data / "variants.txt", variants)
    return root / "fgvc-aircraft-2013b"


def sun397(root: Path) -> Path:
    for seed, name in enumerate(("a/abbey", "a/apartment_building/outdoor", "b/badlands")):
        picture(root / f"SUN397/{name}/sun_{seed}.jpg", seed)
    put(root / "SUN397/ClassName.txt", ["/a/abbey", "/a/apartment_building/outdoor", "/b/badlands"])
    return root / "SUN397"


def flowers102(root: Path) -> Path:
    from scipy.io import savemat

    top = root / "flowers-102"
    for number in range(1, 7):
        picture(top / f"jpg/image_{number:05d}.jpg", number)
    savemat(top / "imagelabels.mat", {"labels": np.array([[1, 2, 3, 1, 2, 102]], dtype=np.uint8)})
    splits = {"trnid": np.array([[1, 2]]), "valid": np.array([[3]]), "tstid": np.array([[4, 5, 6]])}
    savemat(top / "setid.mat", splits, do_compression=True)
    return top


def stanford_cars(root: Path) -> Path:
    from scipy.io import savemat

    top = root / "stanford_cars"
    (top / "devkit").mkdir(parents=True)
    for seed, split in enumerate(("train", "test")):
        for number in range(4):
            picture(top / f"cars_{split}/{number:05d}.jpg", 10 * seed + number)
    savemat(top / "cars_test_annos_withlabels.mat", {"annotations": car_annotations([1, 2, 2, 1])})
    savemat(top / "devkit/cars_train_annos.mat", {"annotations": car_annotations([1, 1, 2, 2])})
    names = np.empty((1, 2), dtype=object)
    names[0, :] = ["Acura RL Sedan 2012", "Audi V8 Sedan 1994"]
    savemat(top / "devkit/cars_meta.mat", {"class_names": names})
    return top


def car_annotations(classes: Sequence[int]) -> np.ndarray:
    rows = np.zeros((1, len(classes)), dtype=[("bbox_x1", "O"), ("class", "O"), ("fname", "O")])
    for number, label in enumerate(classes):
        rows[0, number] = (np.array([[1]]), np.array([[label]]), f"{number:05d}.jpg")
    return rows


def cifar10_binary(root: Path) -> Path:
    top = root / "cifar-10-batches-bin"
    top.mkdir(parents=True)
    pixels = np.random.default_rng(0).integers(0, 255, (20, 3072), dtype=np.uint8)
    (top / "test_batch.bin").write_bytes(b"".join(bytes([n % 10]) + row.tobytes() for n, row in enumerate(pixels)))
    put(top / "batches.meta.txt", ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship",
                                   "truck", ""])  # fmt: skip
    return top


def stl10(root: Path) -> Path:
    top = root / "stl10_binary"
    top.mkdir(parents=True)
    np.random.default_rng(0).integers(0, 255, (3, 27648), dtype=np.uint8).tofile(top / "test_X.bin")
    (top / "test_y.bin").write_bytes(bytes([1, 10, 2]))
    put(top / "class_names.txt", ["airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck"])
    return top


def mnist(root: Path) -> Path:
    top = root / "MNIST/raw"
    top.mkdir(parents=True)
    pixels = np.random.default_rng(0).integers(0, 255, (4, 28, 28), dtype=np.uint8)
    (top / "t10k-images-idx3-ubyte").write_bytes(struct.pack(">HBBIII", 0, 8, 3, 4, 28, 28) + pixels.tobytes())
    (top / "t10k-labels-idx1-ubyte").write_bytes(struct.pack(">HBBI", 0, 8, 1, 4) + bytes([0, 1, 9, 9]))
    return root / "MNIST"


# Data sets of masks


def voc(root: Path) -> Path:
    top = root / "VOCdevkit/VOC2012"
    for number in range(5):
        picture(top / f"JPEGImages/2007_{number:06d}.jpg", number)
    for number in range(4):
        mask(top / f"SegmentationClass/2007_{number:06d}.png", [0, 1, 15, 255], palette=True)
        mask(top / f"SegmentationObject/2007_{number:06d}.png", [0, 1, 2, 255], palette=True)
    for split, numbers in (("train", (0, 1)), ("val", (2, 3)), ("trainval", (0, 1, 2, 3))):
        put(top / f"ImageSets/Segmentation/{split}.txt", [f"2007_{number:06d}" for number in numbers])
    put(top / "ImageSets/Main/cat_val.txt", ["2007_000000 -1", "2007_000001  1"])
    return root / "VOCdevkit"


def cityscapes(root: Path, splits: Sequence[str] = ("val",)) -> Path:
    for split, city in ((split, city) for split in splits for city in ("frankfurt", "lindau")):
        for number in range(2):
            stem = f"{split}/{city}/{city}_{number}_"
            picture(root / f"cityscapes/leftImg8bit/{stem}leftImg8bit.png", number)
            mask(root / f"cityscapes/gtFine/{stem}gtFine_labelIds.png", [0, 7, 8, 11])
            mask(root / f"cityscapes/gtFine/{stem}gtFine_instanceIds.png", [1, 2])
            picture(root / f"cityscapes/gtFine/{stem}gtFine_color.png", number)
    return root / "cityscapes"


def ade20k(root: Path) -> Path:
    top = root / "ADEChallengeData2016"
    for split in ("training", "validation"):
        for number in range(2):
            picture(top / f"images/{split}/ADE_{split}_{number}.jpg", number)
            mask(top / f"annotations/{split}/ADE_{split}_{number}.png", [0, 1, 2, 150])
    put(
        top / "objectInfo150.txt",
        ["Idx\tRatio\tTrain\tVal\tName", *(f"{n}\t0.1\t1\t1\tname {n}" for n in range(1, 151))],
    )
    return top


def mmseg(root: Path) -> Path:
    for split in ("train", "val"):
        for number in range(2):
            picture(root / f"streets/img_dir/{split}/{split}{number}.jpg", number)
            mask(root / f"streets/ann_dir/{split}/{split}{number}.png", [0, 1, 2, 255])
    return root / "streets"


def camvid(root: Path) -> Path:
    for split in ("train", "val", "test"):
        for number in range(2):
            picture(root / f"CamVid/{split}/{split}{number}.png", number)
            mask(root / f"CamVid/{split}annot/{split}{number}.png", [0, 1, 11])
    return root / "CamVid"
