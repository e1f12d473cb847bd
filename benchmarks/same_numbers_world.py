"""What both revisions of ``same_numbers.py`` run on: small files for every reader, their cards, checkpoints, embeddings.

Everything is made once and read by both, so nothing here has to be the same on another machine.
"""

from __future__ import annotations

import io
import json
import sys
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests/support"))
from helpers import TOY_MODEL

COLOURS = ["red", "green", "blue", "yellow"]
IMAGES = 12
ARCHITECTURE = "same-numbers-tiny"
PROMPTS = ["a photo of a {c}.", "a drawing of a {c}."]


def make_world(root: Path) -> None:
    """Write cards and data to ``root/cards``, checkpoints to ``root/models``, embeddings to ``root/embeddings``."""
    cards = root / "cards"
    cards.mkdir(parents=True)
    for make in (_tables, _coco, _masks, _choices, _folders, _webdatasets, _parquets, _vqa):
        make(cards)
    _embeddings(cards, root / "embeddings")
    _checkpoints(root / "models")
    # Written for 0.1: its imports are those that the docs of 0.1 named.
    (root / "models/toy.py").write_text(TOY_MODEL.replace("goldieval.models.adapter", "goldieval.adapter"))
    (root / "recipe.yaml").write_text(yaml.safe_dump(RECIPE, sort_keys=False))


def _card(cards: Path, name: str, family: str, source: dict[str, Any], headline: str, **rest: Any) -> Path:
    """Write a card and return the folder of its data."""
    about = {"name": name, "family": family, "version": 1, "protocol": "made", "title": name, "licence": "none"}
    content = {**about, "source": {"path": name, **source}, "headline": headline, **rest}
    (cards / f"{name}.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    (cards / name).mkdir()
    return cards / name


def _png(seed: int) -> bytes:
    dice = np.random.default_rng(seed)
    colour = dice.integers(0, 256, 3)
    pixels = (0.6 * colour + 0.4 * dice.integers(0, 256, (40, 48, 3))).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def _picture(file: Path, seed: int) -> str:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(_png(seed))
    return file.name


def _json(file: Path, content: Any) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content))


def _lines(file: Path, rows: list[dict[str, Any]]) -> None:
    file.write_text("".join(f"{json.dumps(row)}\n" for row in rows))


def _text(number: int) -> str:
    return f"A {COLOURS[number % 4]} thing, number {number}. It is on a table. There are {number % 3 + 1} of it"


def _tables(cards: Path) -> None:
    folder = _card(cards, "made-table", "retrieval", {"reader": "table", "file": "t.csv", "caption": "text"}, "t2i_r1")
    names = [_picture(folder / f"{n}.png", n) for n in range(IMAGES)]
    (folder / "t.csv").write_text("image,text\n" + "".join(f'{name},"{_text(n)}"\n' for n, name in enumerate(names)))
    source = {"reader": "table", "file": "t.jsonl", "label": "kind", "classes": "classes.txt"}
    folder = _card(cards, "made-labels", "zeroshot", source, "acc1", params={"prompts": PROMPTS})
    (folder / "classes.txt").write_text("\n".join(COLOURS))
    rows = [{"image": _picture(folder / f"{n}.png", n), "kind": COLOURS[n % 4]} for n in range(IMAGES)]
    _lines(folder / "t.jsonl", rows)
    (folder / "5.png").write_bytes(_png(5)[:200])  # unreadable: a partial record, or a failed one
    part = {"image": "image", "caption": "text"}
    source = {"reader": "tables", "parts": [{"file": f"{side}.jsonl", **part} for side in "ab"]}
    folder = _card(cards, "made-tables", "retrieval", source | {"prepare": {"sentences": {"min_length": 3}}}, "t2i_r1")
    for start, side in enumerate("ab"):
        rows = [{"image": _picture(folder / f"{side}{n}.png", 50 + 10 * start + n), "text": _text(n)} for n in range(5)]
        _lines(folder / f"{side}.jsonl", rows)
    source = {"reader": "sidecar", "captions": "texts", "images": "pictures"}
    folder = _card(cards, "made-sidecar", "retrieval", source, "i2t_r1", params={"k": [1, 2]})
    for n in range(IMAGES):
        _picture(folder / f"pictures/{n}.png", n)
        (folder / "texts").mkdir(exist_ok=True)
        (folder / f"texts/{n}.txt").write_text(_text(n % 9))  # some twice


def _coco(cards: Path) -> None:
    source = {"reader": "coco", "annotations": "captions.json", "images": "pictures"}
    folder = _card(cards, "made-coco", "retrieval", source, "t2i_r1")
    images = [{"id": 7 * n % 13, "file_name": _picture(folder / f"pictures/{n}.png", n)} for n in range(IMAGES)]
    said = [
        {"id": 100 * image["id"] + n, "image_id": image["id"], "caption": f"{_text(n)} of {image['id']}"}
        for image in images
        for n in range(1 + int(image["id"]) % 3)
    ]
    _json(folder / "captions.json", {"images": images, "annotations": said})
    params = {"prompts": PROMPTS, "short_side": 48, "crop": 32, "stride": 16}
    source = {"reader": "coco-masks", "annotations": "instances.json", "images": "pictures", "others": "background"}
    folder = _card(cards, "made-outlines", "segmentation", source, "miou", params=params)
    images = [
        {"id": n, "file_name": _picture(folder / f"pictures/{n}.png", n), "width": 48, "height": 40} for n in range(4)
    ]
    boxes = [(4 + 3 * n, 5, 20 + 3 * n, 30) for n in range(4)]
    parts = [
        {"id": n + 1, "image_id": n, "category_id": 1 + n % 2, "segmentation": [[a, b, c, b, c, d, a, d]],
         "area": (c - a) * (d - b), "bbox": [a, b, c - a, d - b], "iscrowd": 0}
        for n, (a, b, c, d) in enumerate(boxes)
    ]  # fmt: skip
    kinds = [{"id": 1, "name": "red"}, {"id": 2, "name": "green"}]
    _json(folder / "instances.json", {"images": images, "annotations": parts, "categories": kinds})


def _masks(cards: Path) -> None:
    params = {"prompts": PROMPTS, "class_names": ["red", "green", "blue"], "short_side": 48, "crop": 32, "stride": 16}
    source = {"reader": "masks", "images": "pictures", "masks": "masks", "values": [3, 5, 9]}
    folder = _card(cards, "made-masks", "segmentation", source, "miou", params=params)
    (folder / "masks").mkdir()
    for n in range(5):
        _picture(folder / f"pictures/{n}.png", n)
        mask = np.random.default_rng(n).choice(np.array([3, 5, 9, 255], dtype=np.uint8), (5, 6)).repeat(8, 0)
        Image.fromarray(mask.repeat(8, 1)).save(folder / f"masks/{n}.png")


def _choices(cards: Path) -> None:
    source = {"reader": "contrast", "files": ["objects.json", "colours.json"], "images": "pictures"}
    folder = _card(
        cards, "made-contrast", "choice", source, "accuracy", params={"strata": ["objects", "colours"]}, chance=0.5
    )
    for number, file in enumerate(source["files"]):
        items = {
            str(n): {"filename": f"{n}.png", "caption": _text(n), "negative_caption": _text(n + 1 + number)}
            for n in range(IMAGES - number)
        }
        _json(folder / str(file), items)
    for n in range(IMAGES):
        _picture(folder / f"pictures/{n}.png", n)
    source = {"reader": "crossed", "file": "examples.jsonl", "images": "pictures", "picture": "{}.png"}
    folder = _card(cards, "made-crossed", "choice", source, "group_score", params={"sets": True})
    rows = [
        {"id": n, "image_0": f"{n}-0", "image_1": f"{n}-1", "caption_0": _text(n), "caption_1": _text(n + 2)}
        for n in range(6)
    ]
    _lines(folder / "examples.jsonl", rows)
    for n in range(6):
        for side in range(2):
            _picture(folder / f"pictures/{n}-{side}.png", 2 * n + side)


def _folders(cards: Path) -> None:
    folder = _card(cards, "made-folder", "zeroshot", {"reader": "folder"}, "mean_per_class_recall",
                   params={"prompts": PROMPTS})  # fmt: skip
    for n in range(IMAGES):
        _picture(folder / COLOURS[n % 4] / f"{n}.png", n)


def _webdatasets(cards: Path) -> None:
    source = {"reader": "webdataset", "split": "test", "train": "train"}
    folder = _card(cards, "made-probe", "probe", source, "acc1", params={"penalties": [1, 0.1, 0.01, 0.001]})
    (folder / "classnames.txt").write_text("\n".join(COLOURS))
    for first, split, shards in ((0, "test", 2), (200, "train", 4)):
        (folder / split).mkdir()
        (folder / split / "nshards.txt").write_text(str(shards))
        for shard in range(shards):
            rows = range(first + 10 * shard, first + 10 * shard + 10)
            _tar(folder / split / f"{shard}.tar", {name: data for n in rows for name, data in _labelled(n).items()})
    folder = _card(cards, "made-pairs", "retrieval", {"reader": "webdataset"}, "t2i_r1")
    (folder / "test").mkdir()
    (folder / "test/nshards.txt").write_text("1")
    _tar(folder / "test/0.tar", {k: v for n in range(IMAGES) for k, v in
                                 {f"s{n}.png": _png(n), f"s{n}.txt": f"{_text(n)}\nagain {n}".encode()}.items()})  # fmt: skip


def _labelled(number: int) -> dict[str, bytes]:
    return {f"s{number}.png": _png(number), f"s{number}.cls": str(number % 4).encode()}


def _tar(file: Path, members: dict[str, bytes]) -> None:
    with tarfile.open(file, "w") as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def _parquets(cards: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pictures = pa.array([{"bytes": _png(n), "path": f"{n}.png"} for n in range(IMAGES)])
    features = {"image": {"_type": "Image"}, "label": {"names": COLOURS, "_type": "ClassLabel"}}
    table = pa.table({"image": pictures, "label": pa.array([n % 4 for n in range(IMAGES)])})
    hub = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    source = {"reader": "parquet", "label": "label", "files": "*.parquet"}
    folder = _card(cards, "made-hub", "zeroshot", source, "acc1", params={"prompts": PROMPTS})
    pq.write_table(hub.slice(0, 7), folder / "a.parquet", row_group_size=3)
    pq.write_table(hub.slice(7), folder / "b.parquet")
    folder = _card(cards, "made-plain", "zeroshot", source | {"classes": "classes.txt"}, "acc1",
                   params={"prompts": PROMPTS})  # fmt: skip
    (folder / "classes.txt").write_text("\n".join(COLOURS))
    pq.write_table(table, folder / "a.parquet")
    texts = pa.table({"picture": pa.array([_png(n) for n in range(IMAGES)]), "key": [f"k{n}" for n in range(IMAGES)],
                      "texts": [[_text(n), f"also {n}"] for n in range(IMAGES)]})  # fmt: skip
    source = {"reader": "parquet", "image": "picture", "id_column": "key", "caption": "texts"}
    pq.write_table(texts, _card(cards, "made-captions", "retrieval", source, "t2i_r1") / "a.parquet", row_group_size=5)


def _vqa(cards: Path) -> None:
    files = {"questions": "q.json", "annotations": "a.json", "gallery": "g.json", "images": "pictures"}
    prepare = {"questions": {"with_answer": True, "answer_type": "other", "agreement": 3, "most_images": 20}}
    folders = [
        _card(cards, "made-questions", "retrieval", {"reader": "vqa", **files, "prepare": prepare}, "t2i_r1"),
        _card(cards, "made-vqa", "vqa", {"reader": "vqa", **files}, "accuracy"),
    ]
    asked = [(n, n % IMAGES, f"What is number {n % 7}?", COLOURS[n % 4]) for n in range(20)]
    for folder in folders:
        images = [{"id": n, "file_name": _picture(folder / f"pictures/{n}.png", n)} for n in range(IMAGES)]
        _json(folder / "g.json", {"images": images, "annotations": []})
        _json(
            folder / "q.json", {"questions": [{"question_id": q, "image_id": i, "question": t} for q, i, t, _ in asked]}
        )
        given = [
            {"question_id": q, "multiple_choice_answer": a, "answer_type": "other", "answers": [{"answer": a}] * 5}
            for q, _, _, a in asked
        ]
        _json(folder / "a.json", {"annotations": given})


def _embeddings(cards: Path, folder: Path) -> None:
    source = {"reader": "relevance", "file": "texts.jsonl", "gallery": "gallery.txt"}
    data = _card(cards, "made-relevance", "retrieval", source, "t2i_r1")
    ids = [f"picture {n}" for n in range(60)]
    (data / "gallery.txt").write_text("\n".join(ids))
    dice = np.random.default_rng(0)
    texts = [
        {"id": f"t{n}", "text": f"text {n}", "image_ids": [ids[n % 60], ids[(7 * n + 1) % 60]]} for n in range(130)
    ]
    _lines(data / "texts.jsonl", texts)
    folder.mkdir()
    np.save(folder / "image_embeddings.npy", dice.standard_normal((60, 16)).astype(np.float32))
    np.save(folder / "text_embeddings.npy", dice.integers(-2, 3, (130, 16)).astype(np.float16))
    (folder / "image_ids.txt").write_text("\n".join(ids))
    (folder / "text_ids.txt").write_text("\n".join(text["id"] for text in texts))


def _checkpoints(folder: Path) -> None:
    """Tiny models in the files of open_clip, FLAIR, COSMOS and SuperCLIP."""
    import open_clip
    import torch

    sizes: dict[str, Any] = {
        "embed_dim": 64,
        "vision_cfg": {"image_size": 32, "layers": 2, "width": 64, "head_width": 64, "patch_size": 16},
        "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 64, "heads": 1, "layers": 2},
    }
    folder.mkdir()
    _json(folder / f"{ARCHITECTURE}.json", sizes)  # open_clip is told of it before the runs

    def clip(seed: int) -> dict[str, torch.Tensor]:
        torch.manual_seed(seed)
        return dict(open_clip.CLIP(**sizes).state_dict())

    def pooling(prefix: str) -> dict[str, torch.Tensor]:
        norms = {f"{prefix}ln_{side}.{part}": torch.rand(64) for side in "qkv" for part in ("weight", "bias")}
        attention = torch.nn.MultiheadAttention(64, 8).state_dict()
        return {**{f"{prefix}attn.{name}": tensor for name, tensor in attention.items()}, **norms}

    torch.save({"epoch": 1, "state_dict": clip(1)}, folder / "clip_1.pt")
    torch.save({"epoch": 2, "state_dict": {f"module.{name}": tensor for name, tensor in clip(2).items()}},
               folder / "clip_2.pt")  # fmt: skip
    post = {"visual.proj": "image_post.proj", "text_projection": "text_post.proj"}
    flair = {post.get(name, name): tensor for name, tensor in clip(3).items()} | pooling("visual_proj.")
    torch.save({"state_dict": flair | {"logit_bias": torch.tensor(-10.0)}}, folder / "flair.pt")
    crossed = {
        who: {f"module.{name}": tensor for name, tensor in (clip(seed) | pooling("text_attn_cross_pool.")).items()}
        | {"module.distill_logit_scale": torch.tensor(1.0)}
        for seed, who in ((4, "student"), (5, "teacher"))
    }
    torch.save({"epoch": 32, **crossed}, folder / "cosmos.pt")
    renamed = {
        name if name.startswith(("visual.", "logit_scale")) else f"text.{name}": t for name, t in clip(6).items()
    }
    head = {"text_decoder.text_projection.bias": torch.zeros(49408), "cap_fq": torch.zeros(1, 49408)}
    torch.save({"state_dict": renamed | head}, folder / "superclip.pt")


RECIPE: dict[str, Any] = {
    "name": "mine",
    "title": "a small training",
    "model": {
        **{"image_size": 32, "vision_width": 32, "vision_layers": 1, "vision_heads": 2, "merges": 300},
        **{"text_width": 32, "text_layers": 1, "text_heads": 2, "embed_dim": 32},
        **{"decoder": "through_encoder", "token_classes": True},
    },
    "data": {"scenes": 40, "captions": 4, "questions": 2, "questions_as_captions": "either", "foils": 2,
             "token_targets": "image", "locals": 2, "local_size": 24},
    "objectives": {"softmax": 1.0, "conditioned": 1.0, "distil_agnostic": 0.3, "distil_conditioned": 0.3, "vqa": 1.0,
                   "token_classes": 1.0, "foils_conditioned": 1.0},
    "weighting": {"kind": "uncertainty"},
    "teacher": {"loss": "info_nce"},
    "optimiser": {"steps": 6, "batch_size": 8, "warm_up": 1},
    "evaluation": {"every": 3, "tasks": ["shapes-zeroshot", "shapes-vqa"], "limit": 12},
    "seed": 3,
}  # fmt: skip
