"""A card for data of the user's own, written once it has been read with it."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import Any

import yaml

from goldieval.card import Task, load_card
from goldieval.care.guess import Finding, Wishes, find
from goldieval.data.samples import Dataset, NoImage
from goldieval.data.source import tilde
from goldieval.errors import GoldievalError, TaskError
from goldieval.files import atomic_write
from goldieval.registry import Catalogue

SAMPLE = 16  # pictures that are opened before a folder is taken in
FAMILIES = ("retrieval", "zeroshot")


def write_card(folder: Path, wishes: Wishes, name: str | None, out: Path | None) -> tuple[Path, list[str]]:
    """Find out what a folder holds, read it, and write its card; nothing in the folder is changed.

    Returns:
        The card, and lines that say what was found.

    Raises:
        GoldievalError: no folder, nothing that can be read or two ways to read it, a name that is taken.
    """
    from goldieval.prepare import counted

    if not folder.is_dir():
        raise GoldievalError(f"{folder} is no folder.")
    if wishes.family not in (None, *FAMILIES):
        raise GoldievalError(f"--family {wishes.family!r}: choose {' or '.join(FAMILIES)}.")
    name = name or re.sub("[^a-z0-9._-]+", "-", folder.resolve().name.lower()).strip("-._") or "mine"
    file = out or Path(f"{name}.yaml")
    if file.exists():
        raise GoldievalError(f"{file} exists already. Name another --name or --out.")
    if name in Catalogue().tasks:
        raise GoldievalError(f"a task {name!r} exists already. Name yours with --name.")
    found = find(folder, wishes)
    content = _content(name, found)
    with tempfile.TemporaryDirectory() as scratch:
        prepared, seen, _ = counted(_task(content, folder, Path(scratch)), folder)
    check_pictures(prepared.dataset)
    content["expect"] = seen
    content["chance"] = float(f"{_chance(content['headline'], seen, prepared.dataset):.4g}")
    _write(file, content, folder)
    return file, [f"{tilde(folder)}: {found.said}", ", ".join(f"{number:,} {what}" for what, number in seen.items())]


def check_pictures(dataset: Dataset) -> None:
    """Open some pictures, evenly spread. Raises TaskError naming the first that is none."""
    images = [image for image in dataset.images if not isinstance(image.source, NoImage)]
    for image in images[:: max(1, len(images) // SAMPLE)]:
        try:
            image.source.open()
        except OSError as error:
            raise TaskError(f"picture {image.path or image.id} cannot be read: {error.strerror or error}.") from error


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
    """A path below the card's folder is written relative to it, so that both can move together."""
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
        raise GoldievalError(f"cannot write {file}: {error.strerror or error}. Name another --out.") from error


def _chance(headline: str, seen: dict[str, int], dataset: Dataset) -> float:
    """What a guess gets: one in the classes, or a text's one picture in the gallery."""
    return 1 / seen["classes"] if headline == "acc1" else 1 / len(dataset.images)
