"""Tiny data in the format of a card's own source, and a copy of the card that expects them."""

from __future__ import annotations

import gzip
import io
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import choice_data
import numpy as np
import question_data
import yaml
from helpers import json_lines, picture, png_bytes, tar
from PIL import Image

from goldieval.data.mask_files import MasksSource
from goldieval.data.source import read_lines
from goldieval.tasks.card import Task
from goldieval.tasks.params import SegmentationParams
from goldieval.tasks.prompts import CLASS_NAMES, PROMPTS, resolve

# Of a dense probe: one step of each of two heads, without a choice of the learning rate.
QUICK_HEADS = {"short_side": 64, "crop": 64, "stride": 64, "epochs": 1, "learning_rates": [0.01], "seeds": 2}
# Of one whose tower is trained as well: two steps of one training.
QUICK_TOWER = {"short_side": 64, "crop": 64, "stride": 64, "batch": 2, "seeds": 1, "iterations": 2, "warmup": 1}
LONG = "A red bus waits at the stop. It is raining.\nA man with an umbrella boards it. He is late"


def stand_in(task: Task, root: Path) -> Path:
    """Write data for ``task`` below ``root`` and return a card that runs on them, otherwise unchanged."""
    content = task.card.model_dump(mode="json", exclude_unset=True)
    source = content["source"]
    names = _class_names(task)
    source["path"] = str(root / "data")
    source.pop("id", None)
    source.pop("prepared_sha256", None)
    given = getattr(task.card.params, "strata", []) if task.card.family in ("choice", "vqa") else names
    content["expect"] = MAKERS[source["reader"]](root / "data", source, given) if source["reader"] in MAKERS else {}
    if names and content["params"].get("class_names"):
        content["params"]["class_names"] = names
    if task.card.family == "segmentation" and task.card.source.on_disk:
        content["expect"]["classes"] = task.card.expect.classes
        content["params"] |= _few_texts(task)
    if task.card.family == "dense-probe":
        content["params"] |= QUICK_TOWER if getattr(task.card.params, "finetune", False) else QUICK_HEADS
    if getattr(task.card.params, "corruptions", []):
        content["params"] |= {"severities": [3], "corruption_side": 32}
    if not task.card.source.on_disk:
        source.pop("path")
        scenes = 130 if task.card.family == "image_retrieval" else 24  # two of every class
        source |= {"scenes": scenes} | ({"train_scenes": 112} if "train_scenes" in source else {})
    file = root / f"{task.name}.yaml"
    file.write_text(yaml.safe_dump(content, sort_keys=False))
    return file


def _few_texts(task: Task) -> dict[str, Any]:
    """Return one prompt instead of the card's, whose hash is checked, and its class names as a list."""
    params = task.card.params
    assert isinstance(params, SegmentationParams) and isinstance(params.class_names, str)
    assert resolve(task, params.prompts, PROMPTS)
    return {"prompts": ["a {c}"], "class_names": read_lines(task.file.parent / params.class_names)}


def _class_names(task: Task) -> list[str]:
    """Return the first few of the card's own class names, after checking its hashes."""
    if task.card.family not in ("zeroshot", "probe", "multilabel"):
        return []
    given = getattr(task.card.params, "class_names", None)
    few = min(7 if task.card.headline.endswith("acc5") else 4, task.card.expect.classes or 4)
    return resolve(task, given, CLASS_NAMES)[:few] if given else [f"class {number}" for number in range(few)]


def _webdataset(folder: Path, source: dict[str, Any], names: list[str]) -> dict[str, int]:
    splits = [source.get("split", "test"), *([source["train"]] if "train" in source else [])]
    count = 8 * _values(source)
    for split in splits:
        samples = [_sample(row, row + 100 * splits.index(split), source, len(names)) for row in range(count)]
        tar(folder / split / "0.tar", {name: data for sample in samples[:4] for name, data in sample.items()})
        tar(folder / split / "1.tar", {name: data for sample in samples[4:] for name, data in sample.items()})
        (folder / split / "nshards.txt").write_text("2")
    if not names:
        return {"images": count, "texts": 2 * count}
    lines = [f"{source['objective']}:{name}" for name in names] + ["other:x"] if "objective" in source else names
    (folder / "classnames.txt").write_text("".join(f"{line}\n" for line in lines))
    if "templates" in source:
        (folder / source["templates"]).write_text("a view of {c}\n{c} from above\n")
    return {"images": count, "classes": len(names)} | ({"train": count} if "train" in source else {})


def _values(source: dict[str, Any]) -> int:
    """Return the number of groups of a source: the product of the numbers of names of its groupings."""
    return math.prod(len(each["names"]) for each in source.get("groups", []))


def _sample(row: int, seed: int, source: dict[str, Any], classes: int) -> dict[str, bytes]:
    """Return the members of one sample: its label is ``row`` modulo the classes, its groups take turns."""
    members = {f"s{row}.png": png_bytes(seed)}
    if not classes:
        return members | {f"s{row}.txt": f"one {row}\ntwo {row}".encode()}
    numbers, rest = np.zeros(10, dtype=np.int64), row
    for each in source.get("groups", []):
        rest, numbers[int(each["key"].removeprefix("npy."))] = divmod(rest, len(each["names"]))
    if source.get("multilabel"):
        stream, shown = io.BytesIO(), [row % classes == each or row % 3 == each for each in range(classes)]
        np.save(stream, np.array(shown, dtype=np.float32))
        return members | {f"s{row}.npy": stream.getvalue()}
    label = source.get("label", "")
    if label and label not in [each["key"] for each in source.get("groups", [])]:
        numbers[int(label.removeprefix("npy."))] = row % classes
    stream = io.BytesIO()
    np.save(stream, numbers)
    cls = {} if label else {f"s{row}.cls": str(row % classes).encode()}
    return members | cls | ({f"s{row}.npy": stream.getvalue()} if "groups" in source or label else {})


def _masks(folder: Path, source: dict[str, Any], names: list[str]) -> dict[str, int]:
    """Write three images of each split, half of one class and half of another, with the raw values of the source."""
    parts = [{**source, **part} for part in source.get("train", [])]
    for number, split in enumerate([source, *parts]):
        _masks_of_split(folder, split, range(10 * number, 10 * number + 3))
    if "classes" in source:
        _json(folder / source["classes"], {"0": "sky", "1": "road", "2": "tree", "11": "nothing"})
    return {"images": 3} | ({"train": 3 * len(parts)} if parts else {})


def _masks_of_split(folder: Path, source: dict[str, Any], rows: range) -> None:
    labelled = MasksSource.model_validate({**source, "path": "."})
    raw = [int(value) for value in labelled.values[:2]] or [1, 2]
    stems = [f"city/p{row}" if source.get("image_suffix") else f"p{row}" for row in rows]
    for row, stem in zip(rows, stems, strict=True):
        picture(folder / source["images"] / f"{stem}{source.get('image_suffix', '.png')}", row)
        with Image.open(folder / source["images"] / f"{stem}{source.get('image_suffix', '.png')}") as shown:
            mask = np.full((shown.height, shown.width), raw[0], dtype=np.uint8)
        mask[:, : mask.shape[1] // 2] = raw[1]
        file = folder / source["masks"] / f"{stem}{source.get('mask_suffix', '.png')}"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(mask).save(file)
    if "names" in source:
        (folder / source["names"]).parent.mkdir(parents=True, exist_ok=True)
        (folder / source["names"]).write_text("\n".join(stems))


def _depth_maps(folder: Path, source: dict[str, Any], names: list[str]) -> dict[str, int]:
    """Write three images of each split with maps in the unit of the source, of the size that the Eigen crop needs."""
    parts = [{**source, **part} for part in source.get("train", [])]
    for number, split in enumerate([source, *parts]):
        for row in range(3):
            stem = f"kitchen_0001a_{10 * number + row:05d}"
            image, depth = folder / split["images"] / f"{stem}.jpg", folder / split["depths"] / f"{stem}.png"
            for file in (image, depth):
                file.parent.mkdir(parents=True, exist_ok=True)
            metres = np.linspace(0.5 + row, 4.0 + row, 480 * 640).reshape(480, 640)
            shade = Image.fromarray((metres * 30).astype(np.uint8))
            shade.convert("RGB").save(image)
            Image.fromarray((metres / source["metres_per_unit"]).astype(np.uint16)).save(depth)
    return {"images": 3} | ({"train": 3 * len(parts)} if parts else {})


def _folder(folder: Path, source: dict[str, Any], names: list[str]) -> dict[str, int]:
    for row, name in enumerate(["BACKGROUND_Google", *(f"folder {row}" for row in range(len(names)))]):
        for number in range(3):
            picture(folder / source["folder_name"] / name / f"image_{number:04d}.png", 10 * row + number)
    source["prepare"]["random_split"]["sizes"] = [5, 7]
    return {"images": 7, "classes": 4}


def _coco(folder: Path, source: dict[str, Any], names: list[str]) -> dict[str, int]:
    images = [{"id": row, "file_name": f"{row:012d}.png"} for row in (7, 3, 5)]
    annotations = [
        {"id": 10 * image["id"] + n, "image_id": image["id"], "caption": f"c {n} {image['id']}"}
        for image in images
        for n in range(6)
    ]
    for image in images:
        picture(folder / source["images"] / str(image["file_name"]), int(image["id"]))
    _json(folder / source["annotations"], {"images": images, "annotations": annotations})
    return {"images": 3, "texts": 15 if "prepare" in source else 18}


def _numbered_captions(folder: Path, source: dict[str, Any]) -> dict[str, int]:
    """Write lines ``IMAGE#NUMBER``, tab, caption, of which a list names three images of four."""
    source["picture"] = source["picture"].replace(".jpg", ".png")
    for row in range(4):
        picture(folder / source["images"] / f"p{row}.png", row)
    (folder / source["file"]).parent.mkdir(parents=True, exist_ok=True)
    (folder / source["file"]).write_text("\n".join(f"p{row}#{n}\tc {n} {row}" for row in range(4) for n in range(2)))
    (folder / source["listed"]).write_text("p0\np3\np1")
    return {"images": 3, "texts": 6}


def _table(folder: Path, source: dict[str, Any], names: list[str]) -> dict[str, int]:
    if source["file"].endswith(".txt"):
        return _numbered_captions(folder, source)
    rows = []
    for row in range(4):
        name = f"p{row}.png"
        picture(folder / source.get("images", ".") / name, row)
        entry: dict[str, Any] = {source.get("image", "image"): name} | source.get("where", {})
        text = f"{row} is here. {LONG}"
        caption = source["caption"]
        if "." in caption:
            entry["conversations"] = [{}, {"value": text}]
        else:
            entry[caption] = [text, f"short {row}"] if caption == "caption" else text
        rows.append(entry)
    if "where" in source:
        rows.append(rows[0] | dict.fromkeys(source["where"], "another"))
    if source["file"].endswith(".json"):
        _json(folder / source["file"], rows)
    else:
        json_lines(folder / source["file"], rows)
    if source["caption"] == "caption":
        return {"images": 4, "texts": 8}
    return {"images": 4, "texts": 20 if "sentences" in source.get("prepare", {}) else 4}


def _tables(folder: Path, source: dict[str, Any], names: list[str]) -> dict[str, int]:
    for number, part in enumerate(source["parts"]):
        part["picture"] = part["picture"].replace(".jpg", ".png")
        name = f"x{number}" + ("" if part["picture"].endswith(".png") else ".png")
        picture(folder / part["picture"].replace("{}", name), number)
        json_lines(folder / part["file"], [{part["image"]: name, part["caption"]: f"{number} is it. {LONG}."}])
    return {"images": 3, "texts": 15 if "sentences" in source["prepare"] else 3}


def _sidecar(folder: Path, source: dict[str, Any], names: list[str]) -> dict[str, int]:
    files = []
    for row in range(3):
        picture(folder / source["images"] / f"{row}.png", row)
        file = folder / source["captions"] / f"{row}-data.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        if source.get("format") == "json":
            extra = LONG if row else ""
            _json(file, {"image": f"{row}.png", "short_caption": f"short {row}.", "extra_caption": extra})
            files.append(file.name)
        else:
            file.with_name(f"{row}.txt").write_text(f"line {row} \nand more")
    if "listed" in source:
        _json(folder / source["listed"], {"train": files[:1], "valid": files[1:2], "test": files[2:]})
    return {"images": 3, "texts": 6 if "sentences" in source.get("prepare", {}) else 3}


def _association(folder: Path, source: dict[str, Any], names: list[str]) -> dict[str, int]:
    """Write four cues, two with each number of candidates that the card names first in its groups."""
    sizes, lines = [each[0] for each in source["sizes"].values()], ["ID,cue,candidates,associations"]
    for row in range(2 * len(sizes)):
        candidates = [f"thing {number}" for number in range(row, row + sizes[row % len(sizes)])]
        quoted = [json.dumps(each).replace('"', '""') for each in (candidates, candidates[1:3])]
        lines.append(f'{row},Cue {row},"{quoted[0]}","{quoted[1]}"')
        for number, name in enumerate(candidates, start=row):
            png = picture(
                folder / source["images"] / source["picture"].replace("{}", name).replace(".jpg", ".png"), number
            )
            png.rename(png.with_suffix(".jpg"))
    (folder / source["file"]).write_text("\n".join(lines))
    return {"texts": 2 * len(sizes)}


def _judged(folder: Path, source: dict[str, Any], names: list[str]) -> dict[str, int]:
    """Write ten images with two captions each; the last one is no query, and a positive is not in the gallery."""
    images = [{"id": row, "file_name": f"{row:012d}.png"} for row in range(10)]
    captions = [{"id": 10 * row + n, "image_id": row, "caption": f"c {n} {row}"} for row in range(10) for n in range(3)]
    for image in images:
        picture(folder / source["images"] / str(image["file_name"]), int(str(image["id"])))
    _json(folder / source["annotations"], {"images": images, "annotations": captions})
    ids = folder / source["captions"]
    ids.parent.mkdir(parents=True, exist_ok=True)
    np.save(ids, np.array([10 * row + n for row in (3, 1, 2, 0, *range(4, 10)) for n in range(2)]))
    by_image = {str(row): [10 * row, 10 * row + 1] for row in range(9)}
    by_image["0"].append(2)
    _json(folder / source["image_to_caption"], by_image)
    _json(folder / source["caption_to_image"], {str(10 * row): [row] for row in range(9)})
    return {"images": 10, "texts": 20}


def _language_table(folder: Path, source: dict[str, Any], names: list[str]) -> dict[str, int]:
    rows = []
    for row in range(3):
        picture(folder / source["images"] / f"p{row}.png", row)
        texts = {language: {"caption": [f"{language} {row}", "more"]} for language in source["languages"]}
        rows.append({source["image"]: f"p{row}", **texts})
    source["picture"] = source["picture"].replace(".jpg", ".png")
    json_lines(folder / source["file"], rows)
    return {"images": 3, "texts": 3 * len(source["languages"])}


def _caption_lines(folder: Path, source: dict[str, Any], names: list[str]) -> dict[str, int]:
    lines = ["image,caption"]
    for row in range(3):
        picture(folder / source["images"] / f"p{row}.png", row)
        lines += [f'p{row}.png,"a, {row}', f"p{row}.png,b,{row}"]
    (folder / source["file"]).write_text("\n".join(lines))
    return {"images": 3, "texts": 6}


def _parallel_lines(folder: Path, source: dict[str, Any], names: list[str]) -> dict[str, int]:
    files = [file for files in source["captions"].values() for file in files]
    for row in range(3):
        picture(folder / source["images"] / f"p{row}.png", row)
    for file in (source["listed"], *files):
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
    (folder / source["listed"]).write_text("p0.png\np1.png\np2.png\n")
    for number, file in enumerate(files):
        (folder / file).write_bytes(gzip.compress("".join(f"{number} of {row}\n" for row in range(3)).encode()))
    return {"images": 3, "texts": 3 * len(files)}


def _image_pairs(folder: Path, source: dict[str, Any], names: list[str]) -> dict[str, int]:
    images = [{"id": row, "file_name": f"{row}.png"} for row in range(4)]
    for image in images:
        picture(folder / source["images"] / str(image["file_name"]), int(str(image["id"])))
    _json(folder / source["gallery"], {"images": images, "annotations": []})
    (folder / source["file"]).parent.mkdir(parents=True, exist_ok=True)
    rows = ["image1,image2,agg_score,sampling_method", "0.png,1.png,3.6,x", "2.png,1.png,2.5,x", "0.png,3.png,2.49,x"]
    (folder / source["file"]).write_text("\n".join(rows))
    return {"images": 4}


def _vqa(folder: Path, source: dict[str, Any], names: list[str]) -> dict[str, int]:
    images = [{"id": row, "file_name": f"COCO_val2014_{row:012d}.png"} for row in range(3)]
    for image in images:
        picture(folder / source["images"] / str(image["file_name"]), int(str(image["id"])))
    _json(folder / source["gallery"], {"images": images, "annotations": []})
    asked = [(1, 0, "What is it?", "bus"), (2, 0, "Is it?", "yes"), (3, 1, "what is it", "bus")]
    asked += [(4, 2, "Who?", "him"), (5, 9, "?", "x")]
    _json(
        folder / source["questions"],
        {"questions": [{"question_id": id, "image_id": image, "question": text} for id, image, text, _ in asked]},
    )
    _json(
        folder / source["annotations"],
        {
            "annotations": [
                {
                    "question_id": id,
                    "multiple_choice_answer": answer,
                    "answer_type": "yes/no" if answer == "yes" else "other",
                    "answers": [{"answer": answer}] * 4 + [{"answer": "else"}] * 6,
                }
                for id, _, _, answer in asked
            ]
        },
    )
    return {"images": 3, "texts": 3}


def _boxes(folder: Path, source: dict[str, Any], names: list[str]) -> dict[str, int]:
    """Write three boxes on two pictures, with classes or with false texts, of which one has fewer."""
    if "label" in source:
        rows = [f"p{number % 2}.png,1,0.5,{3 + number},4,{name}" for number, name in enumerate(["cat", "dog", "cat"])]
        picture(folder / "p0.png"), picture(folder / "p1.png", 1)
        (folder / source["file"]).write_text("\n".join(["image,x,y,w,h,label", *rows]))
        return {"images": 2, "classes": 2, "boxes": 3}
    rows = []
    for number, name in enumerate(["p0.png", "p0.png", "p1.png"]):
        picture(folder / source.get("images", ".") / name, int(name[1]))
        entry = {source["image"]: name, source["box"]: [1.5, 0, 4 + number, 6], source["box_id"]: 100 + number}
        entry |= dict.fromkeys(source["size"], 8)
        false = [f"A no {number} {other}." for other in range(1 if number == 1 else 3)]
        rows.append(entry | {source["true"]: [f"A thing {number}."], source["false"]: false})
    json_lines(folder / source["file"], rows)
    return {"images": 2, "texts": 10, "boxes": 3}


def _coco_boxes(folder: Path, source: dict[str, Any], names: list[str]) -> dict[str, int]:
    """Write two pictures with boxes and one without, as COCO or, where pictures come from two folders, as LVIS."""
    lvis, top = "images" not in source, folder / source.get("images", ".")
    places = [f"{'train2017/' if row == 5 and lvis else 'val2017/' if lvis else ''}{row:012d}.png" for row in (3, 5, 7)]
    images: list[dict[str, Any]] = [{"id": row, "width": 8, "height": 8} for row in (3, 5, 7)]
    for image, place in zip(images, places, strict=True):
        picture(top / place, image["id"])
        image |= {"coco_url": f"http://images/{place}"} if lvis else {"file_name": place}
    frequencies = [{"frequency": letter} if lvis else {} for letter in "rcf"]
    categories = [{"id": 7 * row, "name": f"a_thing {row}"} | frequencies[row - 1] for row in (1, 2, 3)]
    boxes = [
        {"id": 10 + row, "image_id": (3, 5, 5, 3)[row], "category_id": (7, 21, 14, 7)[row], "bbox": [row, 1, 3, 4.5]}
        for row in range(4)
    ]
    boxes[0]["iscrowd"] = 1
    _json(folder / source["annotations"], {"images": images, "annotations": boxes, "categories": categories})
    source.pop("listed", None)
    return {"images": 2, "classes": 3, "boxes": 4}


def _json(file: Path, content: Any) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content))


MAKERS: dict[str, Callable[[Path, dict[str, Any], list[str]], dict[str, int]]] = {
    "association": _association,
    "depth-maps": _depth_maps,
    "masks": _masks,
    "boxes": _boxes,
    "coco": _coco,
    "coco-boxes": _coco_boxes,
    "contrast": choice_data.contrast,
    "crossed": choice_data.crossed,
    "folder": _folder,
    "sidecar": _sidecar,
    "statements": choice_data.statements,
    "table": _table,
    "tables": _tables,
    "caption-lines": _caption_lines,
    "image-pairs": _image_pairs,
    "judged": _judged,
    "language-table": _language_table,
    "parallel-lines": _parallel_lines,
    "questions": question_data.questions,
    "vqa": _vqa,
    "webdataset": _webdataset,
}
