"""Write small data sets in the layouts that people bring, and checkpoints in the forms that trainings save.

    python first_hour_data.py FOLDER [REAL]

The images are photographs from REAL (a folder with coco_mini and caltech101) if it exists, else scenes of the built-in
world. Every layout holds the same few images with their captions, masks or classes.
"""

from __future__ import annotations

import csv
import io
import json
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from PIL import Image

CAPTIONED, MASKED, PER_CLASS, CLASSES = 24, 12, 5, 6


@dataclass(frozen=True)
class Sample:
    """One image as a JPEG, with what is known about it."""

    name: str
    jpeg: bytes
    captions: list[str]
    label: str = ""
    mask: np.ndarray | None = None  # class of every pixel, uint8; 255 without a label


@dataclass(frozen=True)
class Samples:
    """What all layouts are made from."""

    captioned: list[Sample]
    labelled: list[Sample]
    masked: list[Sample]
    mask_names: list[str]


def real_samples(real: Path) -> Samples:
    coco = real / "coco_mini"
    captions = {
        row["file"]: [text.strip() for text in row["captions"][:5]]
        for row in map(json.loads, (coco / "captions_val2017.jsonl").read_text().splitlines())
    }
    names = json.loads((coco / "semantic_classes.json").read_text())
    ids = sorted(int(value) for value in names if value != "0")
    table = np.full(256, 255, dtype=np.uint8)
    table[ids] = np.arange(len(ids))
    masks = {
        row["file"]: table[np.asarray(Image.open(coco / row["mask"]))]
        for row in map(json.loads, (coco / "segmentation.jsonl").read_text().splitlines())
    }

    def of(file: str) -> Sample:
        return Sample(Path(file).stem, (coco / file).read_bytes(), captions[file], mask=masks.get(file))

    classes = sorted(path for path in (real / "caltech101" / "images").iterdir() if path.is_dir())[:CLASSES]
    labelled = [
        Sample(f"{folder.name}-{file.stem}", file.read_bytes(), [], folder.name)
        for folder in classes
        for file in sorted(folder.iterdir())[:PER_CLASS]
    ]
    both = [file for file in captions if file in masks]
    return Samples(
        [of(file) for file in islice(captions, CAPTIONED)],
        labelled,
        [of(file) for file in both[:MASKED]],
        [names[str(value)] for value in ids],
    )


def drawn_samples() -> Samples:
    from goldieval.data.shapes import draw, sample_scene, semantic_mask, short_captions
    from goldieval.data.shapes.world import SHAPES

    def of(index: int) -> Sample:
        scene = sample_scene("validation", index)
        captions = [text for text, _ in short_captions(scene, 5)]
        shapes = np.array([255, *range(len(SHAPES))], dtype=np.uint8)[semantic_mask(scene, 160)]
        return Sample(f"scene{index:04d}", _jpeg(draw(scene, 160)), captions, mask=shapes)

    def one(index: int) -> Sample:
        scene = sample_scene("validation", index, "dominant")
        largest = next(obj for obj in scene.objects if obj.size == "large")
        return Sample(f"one{index:04d}", _jpeg(draw(scene, 160)), [], f"{largest.colour}_{largest.shape}")

    labelled: dict[str, list[Sample]] = {}
    index = 0
    while sum(len(each) == PER_CLASS for each in labelled.values()) < CLASSES:
        sample = one(index)
        group = labelled.setdefault(sample.label, [])
        group += [sample] if len(group) < PER_CLASS else []
        index += 1
    full = [group for group in labelled.values() if len(group) == PER_CLASS]
    scenes = [of(index) for index in range(CAPTIONED)]
    return Samples(scenes, [sample for group in full for sample in group], scenes[:MASKED], list(SHAPES))


def _jpeg(image: Image.Image) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=92)
    return stream.getvalue()


def _png(values: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(values).save(stream, "PNG")
    return stream.getvalue()


def _write(file: Path, content: bytes | str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content.encode() if isinstance(content, str) else content)


def _images(folder: Path, samples: list[Sample]) -> None:
    for sample in samples:
        _write(folder / f"{sample.name}.jpg", sample.jpeg)


def class_folders(folder: Path, samples: Samples) -> None:
    """CLASS/IMAGE, with numbers and underscores in the names of the folders."""
    numbers = {label: number for number, label in enumerate(sorted({each.label for each in samples.labelled}), 1)}
    for sample in samples.labelled:
        _write(folder / f"{numbers[sample.label]:03d}.{sample.label}" / f"{sample.name}.jpg", sample.jpeg)


def split_folders(folder: Path, samples: Samples) -> None:
    """SPLIT/CLASS/IMAGE."""
    for number, sample in enumerate(samples.labelled):
        split = "train" if number % PER_CLASS == 0 else "test"
        _write(folder / split / sample.label / f"{sample.name}.jpg", sample.jpeg)


def labels_csv(folder: Path, samples: Samples) -> None:
    """A table of files and classes."""
    _images(folder / "img", samples.labelled)
    rows = [f"img/{sample.name}.jpg,{sample.label}" for sample in samples.labelled]
    _write(folder / "labels.csv", "\n".join(["file,label", *rows]))


def open_clip_tsv(folder: Path, samples: Samples) -> None:
    """The table that open_clip trains on: filepath, a tab, title."""
    _images(folder / "images", samples.captioned)
    rows = [f"images/{each.name}.jpg\t{text}" for each in samples.captioned for text in each.captions]
    _write(folder / "captions.csv", "\n".join(["filepath\ttitle", *rows]))


def json_lines(folder: Path, samples: Samples) -> None:
    """One JSON object per image, with a list of captions."""
    _images(folder / "photos", samples.captioned)
    rows = [{"image": f"photos/{each.name}.jpg", "captions": each.captions} for each in samples.captioned]
    _write(folder / "captions.jsonl", "\n".join(map(json.dumps, rows)))


def coco_captions(folder: Path, samples: Samples) -> None:
    """COCO's caption file."""
    _images(folder / "val2017", samples.captioned)
    images = [{"id": number, "file_name": f"{each.name}.jpg"} for number, each in enumerate(samples.captioned)]
    texts = [(number, text) for number, each in enumerate(samples.captioned) for text in each.captions]
    annotations = [{"id": row, "image_id": number, "caption": text} for row, (number, text) in enumerate(texts)]
    _write(folder / "annotations" / "captions.json", json.dumps({"images": images, "annotations": annotations}))


def flickr_tokens(folder: Path, samples: Samples) -> None:
    """Flickr8k's caption file: FILE#NUMBER, a tab, the caption."""
    _images(folder / "Images", samples.captioned)
    rows = [f"{each.name}.jpg#{n}\t{text}" for each in samples.captioned for n, text in enumerate(each.captions)]
    _write(folder / "Flickr8k.token.txt", "\n".join(rows))


def img2dataset_shards(folder: Path, samples: Samples) -> None:
    """Tar files as img2dataset writes them: KEY.jpg, KEY.txt, KEY.json."""
    folder.mkdir(parents=True)
    for shard, start in enumerate(range(0, len(samples.captioned), 12)):
        with tarfile.open(folder / f"{shard:05d}.tar", "w") as tar:
            for number, sample in enumerate(samples.captioned[start : start + 12]):
                key, about = f"{shard:05d}{number:04d}", {"caption": sample.captions[0], "status": "success"}
                for ending, content in {
                    "jpg": sample.jpeg,
                    "txt": sample.captions[0].encode(),
                    "json": json.dumps(about).encode(),
                }.items():
                    member = tarfile.TarInfo(f"{key}.{ending}")
                    member.size = len(content)
                    tar.addfile(member, io.BytesIO(content))
        _write(folder / f"{shard:05d}_stats.json", json.dumps({"count": 12, "successes": 12}))


def hub_parquet(folder: Path, samples: Samples) -> None:
    """Parquet as the datasets library writes it: an Image and a ClassLabel feature."""
    import datasets

    datasets.disable_progress_bars()
    names = sorted({sample.label for sample in samples.labelled})
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=names)})
    rows = {
        "image": [{"bytes": sample.jpeg, "path": f"{sample.name}.jpg"} for sample in samples.labelled],
        "label": [names.index(sample.label) for sample in samples.labelled],
    }
    (folder / "data").mkdir(parents=True)
    table = datasets.Dataset.from_dict(rows, features=features)
    table.to_parquet(str(folder / "data" / "test-00000-of-00001.parquet"))


def mask_folders(folder: Path, samples: Samples) -> None:
    """Two folders with the same file names, and the names of the classes."""
    _images(folder / "images", samples.masked)
    for sample in samples.masked:
        assert sample.mask is not None
        _write(folder / "masks" / f"{sample.name}.png", _png(sample.mask))
    _write(folder / "classes.txt", "\n".join(samples.mask_names))


def mask_table(folder: Path, samples: Samples) -> None:
    """A table with a column of images and a column of masks."""
    mask_folders(folder, samples)
    rows = [["image", "mask"], *([f"images/{each.name}.jpg", f"masks/{each.name}.png"] for each in samples.masked)]
    with (folder / "pairs.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)


def coco_panoptic(folder: Path, samples: Samples) -> None:
    """COCO's panoptic annotations: a JSON file, and a PNG per image whose colours are the ids of segments."""
    _images(folder / "val2017", samples.masked)
    images, annotations = [], []
    for number, sample in enumerate(samples.masked):
        mask = sample.mask
        assert mask is not None
        ids = np.where(mask == 255, 0, mask.astype(np.int64) + 1 + 1000)
        colours = np.stack([ids % 256, ids // 256, np.zeros_like(ids)], axis=-1).astype(np.uint8)
        _write(folder / "panoptic_val2017" / f"{sample.name}.png", _png(colours))
        height, width = mask.shape
        images.append({"id": number, "file_name": f"{sample.name}.jpg", "height": height, "width": width})
        segments = [
            {"id": int(value) + 1 + 1000, "category_id": int(value) + 1, "iscrowd": 0}
            for value in np.unique(mask[mask < 255])
        ]
        annotations.append({"image_id": number, "file_name": f"{sample.name}.png", "segments_info": segments})
    content = {"images": images, "annotations": annotations, "categories": _categories(samples)}
    _write(folder / "annotations" / "panoptic_val2017.json", json.dumps(content))


def coco_instances(folder: Path, samples: Samples) -> None:
    """COCO's instance annotations, with outlines as run lengths."""
    from pycocotools import mask as coco_mask

    _images(folder / "val2017", samples.masked)
    images, annotations = [], []
    for number, sample in enumerate(samples.masked):
        mask = sample.mask
        assert mask is not None
        height, width = mask.shape
        images.append({"id": number, "file_name": f"{sample.name}.jpg", "height": height, "width": width})
        for value in np.unique(mask[mask < 255]):
            encoded = coco_mask.encode(np.asfortranarray((mask == value).astype(np.uint8)))
            outline = {"size": encoded["size"], "counts": encoded["counts"].decode()}
            about = {"id": len(annotations), "image_id": number, "category_id": int(value) + 1, "iscrowd": 0}
            annotations.append(about | {"segmentation": outline})
    content = {"images": images, "annotations": annotations, "categories": _categories(samples)}
    _write(folder / "annotations" / "instances_val2017.json", json.dumps(content))


def _categories(samples: Samples) -> list[dict[str, object]]:
    return [{"id": number, "name": name} for number, name in enumerate(samples.mask_names, 1)]


def sugarcrepe(folder: Path, samples: Samples) -> None:
    """SugarCrepe's file: one true and one false caption per image; false is here the caption of the next image."""
    _images(folder / "images", samples.captioned)
    following = [*samples.captioned[1:], samples.captioned[0]]
    items = {
        str(number): {
            "filename": f"{each.name}.jpg",
            "caption": each.captions[0],
            "negative_caption": other.captions[0],
        }
        for number, (each, other) in enumerate(zip(samples.captioned, following, strict=True))
    }
    _write(folder / "swap_obj.json", json.dumps(items))


def winoground(folder: Path, samples: Samples) -> None:
    """Winoground's file: two images and two captions per row."""
    _images(folder / "images", samples.captioned)
    pairs = zip(samples.captioned[::2], samples.captioned[1::2], strict=True)
    rows = [
        {
            "id": number,
            "image_0": f"images/{a.name}.jpg",
            "image_1": f"images/{b.name}.jpg",
            "caption_0": a.captions[0],
            "caption_1": b.captions[0],
        }
        for number, (a, b) in enumerate(pairs)
    ]
    _write(folder / "examples.jsonl", "\n".join(map(json.dumps, rows)))


LAYOUTS = {
    "my-birds": class_folders,
    "my-splits": split_folders,
    "my-labels": labels_csv,
    "my-tsv": open_clip_tsv,
    "my-lines": json_lines,
    "my-coco": coco_captions,
    "my-flickr": flickr_tokens,
    "my-shards": img2dataset_shards,
    "my-parquet": hub_parquet,
    "my-masks": mask_folders,
    "my-mask-table": mask_table,
    "my-panoptic": coco_panoptic,
    "my-instances": coco_instances,
    "my-foils": sugarcrepe,
    "my-pairs": winoground,
}


def checkpoints(folder: Path) -> Iterator[str]:
    """Write one small open_clip model, slightly changed, in three forms that trainings save."""
    import logging

    import open_clip

    logging.disable(logging.WARNING)  # "no pretrained weights": they are random on purpose
    torch.manual_seed(0)
    model = open_clip.create_model("ViT-S-32-alt")
    weights = model.state_dict()
    averaged = {name: value + 0.001 if value.is_floating_point() else value for name, value in weights.items()}
    folder.mkdir(parents=True)
    saved = {
        "epoch_1.pt": {"epoch": 1, "state_dict": {f"module.{name}": value for name, value in weights.items()}},
        "last.ckpt": {
            "pytorch-lightning_version": "2.5.0",
            "state_dict": {f"model._orig_mod.{name}": value for name, value in weights.items()},
            "hyper_parameters": {"lr": 5e-4},
        },
        "averaged.pt": {"model": weights, "model_ema": averaged, "step": 100},
    }
    for name, content in saved.items():
        torch.save(content, folder / name)
        yield name


def main() -> None:
    folder, real = Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else None
    samples = real_samples(real) if real and real.is_dir() else drawn_samples()
    for name, write in LAYOUTS.items():
        write(folder / name, samples)
        print(f"{name}: {(write.__doc__ or '').strip()}")
    for name in checkpoints(folder / "checkpoints"):
        print(f"checkpoints/{name}")


if __name__ == "__main__":
    main()
