"""Tiny data on disk, a model without weights, and the command line in this process."""

from __future__ import annotations

import io
import json
import sys
import tarfile
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import yaml
from PIL import Image

TOY_MODEL = '''
"""A model without weights: image embeddings are pixels, text embeddings a function of the letters."""

import numpy as np
import torch

from goldieval.models.adapter import ModelInfo


class Toy:
    def describe(self):
        return ModelInfo("toy", "file", "0" * 64, image_identity="toy-image", text_identity="toy-text")

    def preprocess(self, image):
        return torch.from_numpy(np.array(image.resize((4, 4)), dtype=np.float32).transpose(2, 0, 1)) / 255

    def tokenize(self, texts):
        padded = [text.ljust(24) for text in texts]
        letters = [[*map(ord, text[:23]), sum(map(ord, text[23:]))] for text in padded]
        return torch.tensor(letters)

    def encode_image(self, pixels):
        return pixels.flatten(1) - 0.5

    def encode_text(self, tokens):
        return torch.sin(tokens.float() @ torch.arange(24 * 48).reshape(24, 48).float())


def load(spec, options):
    return Toy()
'''


@dataclass
class Ran:
    code: int
    out: str
    err: str


def goldieval(*arguments: str | Path) -> Ran:
    """Run the command line in this process. With ``--debug``, exceptions are not caught."""
    from goldieval.cli import main

    out, err = io.StringIO(), io.StringIO()
    argv = ["goldieval", *map(str, arguments)]
    with mock.patch.object(sys, "argv", argv), redirect_stdout(out), redirect_stderr(err):
        try:
            main()
        except SystemExit as stop:
            return Ran(int(stop.code or 0), out.getvalue(), err.getvalue())
    raise AssertionError("main() returned without an exit code")


def one_line(text: str) -> str:
    """Return the only line of ``text``; fail if there is another one or a traceback."""
    lines = text.strip().splitlines()
    assert len(lines) == 1, text
    assert "Traceback" not in text and "bug in goldieval" not in text, text
    return lines[0]


def toy_model(folder: Path) -> str:
    """Write the toy model and return its spec."""
    file = folder / "toy_model.py"
    file.write_text(TOY_MODEL)
    return f"{file}:load"


def picture(file: Path, seed: int = 0) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 255, (8, 8, 3), dtype=np.uint8)).save(file)
    return file


def class_folders(root: Path, counts: Mapping[str, int]) -> Path:
    for label, (name, count) in enumerate(counts.items()):
        (root / name).mkdir(parents=True)
        for number in range(count):
            picture(root / name / f"{number}.png", seed=100 * label + number)
    return root


def content(reader: str = "folder", family: str = "zeroshot", **changes: Any) -> dict[str, Any]:
    """Return the content of a minimal card; ``source`` and other fields can be replaced."""
    source = {"reader": reader, "path": "data"} | changes.pop("source", {})
    by_family: dict[str, Any] = {"headline": "t2i_r1"}
    if family == "zeroshot":
        by_family = {"headline": "acc1", "params": {"prompts": ["a photo of a {c}"]}}
    base = {"name": "mine", "version": 1, "protocol": "all", "title": "Mine", "licence": "mine", "family": family}
    return base | by_family | {"source": source} | changes


def card(folder: Path, *args: Any, **changes: Any) -> Path:
    """Write ``content(...)`` as ``card.yaml`` and return the file."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "card.yaml"
    file.write_text(yaml.safe_dump(content(*args, **changes), sort_keys=False))
    return file


def json_lines(file: Path, rows: list[Any]) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


def embeddings_folder(
    folder: Path, images: np.ndarray, image_ids: list[str], texts: np.ndarray, text_ids: list[str]
) -> Path:
    """Write the files read by ``embeddings:FOLDER``."""
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "image_embeddings.npy", images)
    np.save(folder / "text_embeddings.npy", texts)
    (folder / "image_ids.txt").write_text("".join(f"{id}\n" for id in image_ids))
    (folder / "text_ids.txt").write_text("".join(f"{id}\n" for id in text_ids))
    return folder


def retrieval_embeddings(folder: Path, images: int = 6, dim: int = 8, **changes: Any) -> Path:
    """Write random embeddings of ``images`` images with two captions each, and their card; return the folder."""
    rng = np.random.default_rng(0)
    rows = [{"id": f"t{n}", "image": f"i{n // 2}", "caption": f"caption {n}"} for n in range(2 * images)]
    json_lines(folder / "texts.jsonl", rows)
    source = {"path": ".", "file": "texts.jsonl", "caption": "caption", "caption_id": "id", "pictures": False}
    card(folder, "table", "retrieval", source=source, **changes)
    pictures = rng.normal(size=(images, dim)).astype(np.float32)
    texts = rng.normal(size=(2 * images, dim)).astype(np.float32)
    ids = [row["id"] for row in rows]
    return embeddings_folder(folder, pictures, [f"i{n}" for n in range(images)], texts, ids)


def tar(file: Path, members: Mapping[str, bytes]) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(file, "w") as archive:
        for name, data in members.items():
            about = tarfile.TarInfo(name)
            about.size = len(data)
            archive.addfile(about, io.BytesIO(data))
    return file


def png_bytes(seed: int = 0) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 255, (8, 8, 3), dtype=np.uint8)).save(stream, "PNG")
    return stream.getvalue()


def records(out: Path) -> list[dict[str, Any]]:
    return [json.loads(file.read_text()) for file in sorted(out.rglob("*.json"))]
