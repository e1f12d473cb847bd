"""Real images from ../shared/data as local web datasets in clip-benchmark's layout, each with a task card.

Shared by ``run_vs_clip_benchmark.py`` and ``tests/engine/test_oracle_cli.py``; writes only below the given folder.
"""

from __future__ import annotations

import importlib.resources
import io
import json
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

CHECKOUT = Path(__file__).resolve().parents[1]
SHARED_DATA = CHECKOUT.parent / "shared/data"
TEMPLATES = "en_zeroshot_classification_templates.json"

# Name of the set: (index of its samples, entry of clip-benchmark's template file where it has one).
CLASSIFICATION = {
    "cifar10": ("cifar10/index.jsonl", "cifar10"),
    "caltech101": ("caltech101/index.jsonl", "caltech101"),
    "pacs": ("pacs/index.jsonl", ""),
    "clothing": ("clothing/index.jsonl", ""),
}
RETRIEVAL = {"coco_mini": "coco_mini/captions_val2017.jsonl"}


@dataclass(frozen=True)
class Exported:
    """A set on disk. keys: sample keys in the order of the tar, which is the order that clip-benchmark reads."""

    name: str
    folder: Path
    retrieval: bool
    keys: list[str]
    texts: int = 0

    @property
    def card(self) -> Path:
        return self.folder / "card.yaml"

    @property
    def task(self) -> str:
        """Name of the task on our card."""
        return f"{self.name}-local".replace("_", "-")


def export_classification(name: str, root: Path, limit: int | None = None) -> Exported:
    """Write ``root/<name>``. limit: that many pictures, drawn evenly over the index, which is sorted by class."""
    index, templates = CLASSIFICATION[name]
    rows = _evenly(_lines(SHARED_DATA / index), limit)
    source = (SHARED_DATA / index).parent
    names = [line.replace("_", " ") for line in (source / "classes.txt").read_text(encoding="utf-8").splitlines()]
    folder = root / name
    keys = _write_tar(folder, source, rows, "cls", [str(row["label_index"]) for row in rows])
    prompts = _templates(templates) if templates else ["a photo of a {c}."]
    _write(folder / "classnames.txt", names)
    _write(folder / "zeroshot_classification_templates.txt", prompts)
    _write(folder / "dataset_type.txt", ["classification"])
    exported = Exported(name, folder, False, keys, len(prompts) * len(names))
    _write_card(
        exported,
        family="zeroshot",
        protocol=f"{len(prompts)} prompts, {len(rows):,} local pictures",
        expect={"images": len(rows), "classes": len(names)},
        params={"prompts": "zeroshot_classification_templates.txt"},
        headline="acc1",
    )
    return exported


def export_retrieval(name: str, root: Path, limit: int | None = None) -> Exported:
    """Write ``root/<name>``. limit: that many pictures, drawn evenly over the index."""
    index = SHARED_DATA / RETRIEVAL[name]
    rows = _evenly(_lines(index), limit)
    folder = root / name
    # Some of COCO's captions end in a line break, which the one-line-a-caption layout would read as an empty caption.
    contents = ["\n".join(caption.strip() for caption in row["captions"]) for row in rows]
    keys = _write_tar(folder, index.parent, rows, "txt", contents)
    _write(folder / "dataset_type.txt", ["retrieval"])
    texts = sum(len(row["captions"]) for row in rows)
    exported = Exported(name, folder, True, keys, texts)
    _write_card(
        exported,
        family="retrieval",
        protocol=f"{len(rows):,} local pictures, all captions",
        expect={"images": len(rows), "texts": texts},
        params={"k": [1, 5, 10]},
        headline="t2i_r1",
    )
    return exported


def make_checkpoint(architecture: str, file: Path, seed: int = 0) -> Path:
    """Save seeded random weights as open_clip's trainer saves them: ``module.`` prefix, optimizer and all."""
    import open_clip
    import torch

    torch.manual_seed(seed)
    module = open_clip.create_model(architecture, load_weights=False)
    optimizer = torch.optim.AdamW(module.parameters(), lr=5e-4)
    state = {f"module.{name}": tensor for name, tensor in module.state_dict().items()}
    torch.save({"epoch": 1, "name": "seeded", "state_dict": state, "optimizer": optimizer.state_dict()}, file)
    return file


def _write_card(exported: Exported, **content: Any) -> None:
    card = {
        "name": exported.task,
        "version": 1,
        "title": f"{exported.name}, local pictures",
        "licence": "see ../shared/data/README.md",
        "source": {"reader": "webdataset", "path": "."},
        **content,
    }
    exported.card.write_text(yaml.safe_dump(card, sort_keys=False), encoding="utf-8")


def _write_tar(folder: Path, source: Path, rows: list[dict[str, Any]], ending: str, contents: list[str]) -> list[str]:
    (folder / "test").mkdir(parents=True, exist_ok=True)
    keys = []
    with tarfile.open(folder / "test/0.tar", "w") as archive:
        for row, content in zip(rows, contents, strict=True):
            picture = Path(row["file"])
            key = picture.with_suffix("").as_posix().replace("/", "-").replace(".", "_")
            _add(archive, f"{key}{picture.suffix.lower()}", (source / picture).read_bytes())
            _add(archive, f"{key}.{ending}", content.encode())
            keys.append(key)
    if len(set(keys)) < len(keys):
        raise ValueError(f"{source}: two pictures would have the same key")
    _write(folder / "test/nshards.txt", ["1"])
    return keys


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))


def _evenly(rows: list[dict[str, Any]], limit: int | None) -> list[dict[str, Any]]:
    if limit is None or limit >= len(rows):
        return rows
    return [rows[position * len(rows) // limit] for position in range(limit)]


def _lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def _templates(entry: str) -> list[str]:
    content = importlib.resources.files("clip_benchmark").joinpath("datasets", TEMPLATES).read_text(encoding="utf-8")
    templates: list[str] = json.loads(content)[entry]
    return templates


def _write(file: Path, lines: list[str]) -> None:
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
