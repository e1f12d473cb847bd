"""Writing of a card for the user's own data, after the data have been read with it."""

from __future__ import annotations

import os
import re
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from goldieval.core.errors import GoldievalError, TaskError, listing
from goldieval.core.files import atomic_write
from goldieval.data.image_source import EncodedImage, FileImage, NoImage
from goldieval.data.manage.detect import detect
from goldieval.data.manage.finding import DetectionHints, Finding
from goldieval.data.samples import Dataset, ImageSample
from goldieval.data.source import tilde
from goldieval.metrics.registry import metric_of
from goldieval.tasks.card import Task, load_card
from goldieval.tasks.catalogue import Catalogue

SAMPLE = 16  # number of images that are decoded before a card is written
FAMILIES = ("retrieval", "zeroshot")


@dataclass(frozen=True)
class WrittenCard:
    """A card that was written.

    Attributes:
        card: The file.
        lines: What was found, and what was left out.
        options: Options required for the first run.
    """

    card: Path
    lines: list[str]
    options: str = ""


def write_card(folder: Path, hints: DetectionHints, name: str | None, out: Path | None) -> WrittenCard:
    """Detect the layout of a folder, read it, and write its card; the folder is not modified.

    Raises:
        GoldievalError: There is no such folder, no layout or several layouts fit, or the name is in use.
    """
    from goldieval.engine.load import prepare_and_count

    if not folder.is_dir():
        raise GoldievalError(f"{folder} is not a folder.")
    if hints.family not in (None, *FAMILIES):
        raise GoldievalError(f"--family {hints.family!r}: choose {' or '.join(FAMILIES)}.")
    name = name or re.sub("[^a-z0-9._-]+", "-", folder.resolve().name.lower()).strip("-._") or "mine"
    file = out or Path(f"{name}.yaml")
    if file.exists():
        raise GoldievalError(f"{file} exists already. Choose another --name or --out.")
    if name in Catalogue().tasks:
        raise GoldievalError(f"a task {name!r} exists already. Choose another --name.")
    found = detect(folder, hints)
    content = _content(name, found)
    with tempfile.TemporaryDirectory() as scratch:
        prepared, seen, _ = prepare_and_count(_task(content, folder, Path(scratch)), folder)
    lacking = check_pictures(prepared.dataset)
    content["expect"] = seen
    chance = metric_of(content["headline"]).chance(seen)
    content |= {"chance": float(f"{chance:.4g}")} if chance is not None else {}
    _write(file, content, folder)
    counts = ", ".join(f"{number:,} {what}" for what, number in seen.items())
    lines = [
        f"{tilde(folder)}: {found.description}",
        counts,
        *prepared.dataset.notes,
        *_missing_notes(lacking, seen["images"]),
    ]
    return WrittenCard(file, lines, " --subset present" if lacking else "")


def check_pictures(dataset: Dataset) -> list[str]:
    """Check the header of every image and decode an evenly spaced sample; return the paths of missing images.

    Raises:
        TaskError: Files are not images, or all are missing; names the first.
    """
    images = [image for image in dataset.images if not isinstance(image.source, NoImage)]
    lacking = [image.path or image.id for image in images if _lacks(image)]
    there = [image for image in images if not _lacks(image)]
    if images and not there:
        raise TaskError(f"none of the {len(images):,} images exists: {listing(lacking)}.")
    decoded = {id(image) for image in there[:: max(1, len(there) // SAMPLE)]}
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = list(pool.map(lambda image: _fault(image, id(image) in decoded), there))
    faults = [f"{image.path or image.id} ({fault})" for image, fault in zip(there, found, strict=True) if fault]
    if faults:
        raise TaskError(f"{len(faults):,} of {len(images):,} images cannot be read: {listing(faults)}.")
    return lacking


def _lacks(image: ImageSample) -> bool:
    return isinstance(image.source, FileImage) and not os.path.lexists(image.source.file)


def _fault(image: ImageSample, whole: bool) -> str:
    try:
        if whole or not isinstance(image.source, EncodedImage):
            image.source.open()
        else:
            image.source.check()
    except OSError as error:
        return str(error.strerror or error)
    return ""


def _missing_notes(lacking: list[str], images: int) -> list[str]:
    if not lacking:
        return []
    return [
        f"{len(lacking):,} of {images:,} images are missing: {listing(lacking)}; --subset present evaluates the rest"
    ]


def _content(name: str, found: Finding) -> dict[str, Any]:
    about: dict[str, dict[str, Any]] = {
        "retrieval": {"params": {"k": [1, 5, 10]}, "headline": "t2i_r1"},
        "zeroshot": {"params": {"prompts": ["a photo of a {c}."]}, "headline": "acc1"},
    }
    return {
        "name": name,
        "family": found.family,
        "version": 1,
        "protocol": "all of it" + (", one prompt" if found.family == "zeroshot" else ""),
        "title": f"{name}, data of our own",
        "licence": "not stated",
        "source": found.source,
        "expect": {},
        **about[found.family],
    }


def _task(content: dict[str, Any], folder: Path, scratch: Path) -> Task:
    file = scratch / "card.yaml"
    file.write_text(_yaml(content, folder, scratch), encoding="utf-8")
    return load_card(file)


def _yaml(content: dict[str, Any], folder: Path, beside: Path) -> str:
    """Return the card's text; a path below the card's folder is relative, so that both can be moved together."""
    place, home = folder.resolve(), beside.resolve()
    path = place.relative_to(home).as_posix() if place.is_relative_to(home) else str(place)
    source = {"reader": content["source"]["reader"], "path": path, **content["source"]}
    kept = {key: value for key, value in (content | {"source": source}).items() if value != {}}
    return yaml.safe_dump(kept, sort_keys=False, allow_unicode=True, width=110, default_flow_style=None)


def _write(file: Path, content: dict[str, Any], folder: Path) -> None:
    note = "# Written by `goldieval data import`. Raise version when you change what is measured.\n"
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(file, (note + _yaml(content, folder, file.parent)).encode())
    except OSError as error:
        raise GoldievalError(f"cannot write {file}: {error.strerror or error}. Choose another --out.") from error
