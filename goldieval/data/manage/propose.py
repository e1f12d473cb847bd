"""The proposal of a card for a folder: its layout detected, its data read and checked, nothing written."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from goldieval.core.containment import contained
from goldieval.core.errors import GoldievalError, listing
from goldieval.data.manage.caption_options import read_with_rules, with_caption_rules
from goldieval.data.manage.card_text import NOTE, card_text
from goldieval.data.manage.check_pictures import check_pictures
from goldieval.data.manage.class_names import cleaned, doubtful
from goldieval.data.manage.detect import detect
from goldieval.data.manage.family_defaults import FAMILIES, ONE_PROMPT
from goldieval.data.manage.finding import DetectionHints, Finding
from goldieval.data.manage.generic_names import telling_name
from goldieval.data.manage.shipped_prompts import ShippedPrompts, shipped_prompts
from goldieval.data.manage.show_samples import sample_lines
from goldieval.data.mask_check import check_masks
from goldieval.data.source import tilde
from goldieval.families.base import Prepared
from goldieval.metrics.registry import metric_of
from goldieval.tasks.card import load_card
from goldieval.tasks.catalogue import Catalogue

NAME = re.compile("[a-z0-9][a-z0-9._-]*")

FIRST_MODELS = {"vqa": "goldiclip"}  # an untrained model gives no answers


@dataclass(frozen=True)
class Proposal:
    """A card that was not written yet.

    Attributes:
        file: File to write.
        text: Content of the file.
        lines: What was found, what was left out, and some samples.
        options: Options that the first run requires.
        model: Model of the first run.
    """

    file: Path
    text: str
    lines: list[str]
    options: str = ""
    model: str = "random"


def propose_card(
    folder: Path, hints: DetectionHints, name: str | None, out: Path | None, dry_run: bool = False
) -> Proposal:
    """Detect the layout of a folder, read it, and return its card; the folder is not modified.

    Args:
        folder: Folder of the data.
        hints: Options given by the user.
        name: Name of the task; by default that of the data set.
        out: File of the card; by default ``NAME.yaml``.
        dry_run: Whether the file may exist, because it is not written.

    Raises:
        GoldievalError: There is no such folder, no layout or several layouts fit, or the name is in use.
    """
    if not folder.is_dir():
        raise GoldievalError(f"{folder} is not a folder.")
    check_options(hints, name)
    folder = folder.resolve() if ".." in folder.parts else folder
    with contained(f"looking at {folder}", passing=GoldievalError):
        found = with_caption_rules(detect(folder, hints), hints.keep_uncaptioned)
        return proposal_of(folder, found, name, out, dry_run)


def proposal_of(
    folder: Path, found: Finding, name: str | None, out: Path | None, dry_run: bool = False, data_set: str = ""
) -> Proposal:
    """Read the data of a finding and return its card.

    Args:
        folder: Folder of the data.
        found: How they are read.
        name: Name of the task, if the user gives one.
        out: File of the card, if the user gives one.
        dry_run: Whether the card is not going to be written, so that its file may exist.
        data_set: Name of the data set; by default that of its folder.

    Raises:
        GoldievalError: The data cannot be read as the finding says, or the file exists.
    """
    data_set = data_set or telling_name(folder.resolve(), found.place)
    name = name or free_name(data_set)
    file = out or Path(f"{name}.yaml")
    if file.exists() and not dry_run:
        raise GoldievalError(f"{file} exists already. Choose another --name or --out.")
    content = _content(name, found)
    read = partial(_read_source, content, folder)
    content["source"], (prepared, seen) = read_with_rules(content["source"], read)
    names, notices = _class_names(found, prepared)
    shipped = shipped_prompts(data_set, names) if found.family == "zeroshot" else None
    if shipped is not None:
        names, notices = shipped.names or names, [*notices, _shipped_note(shipped)]
        content |= {
            "params": {**content["params"], "prompts": shipped.prompts},
            "protocol": f"all of it, prompts of {shipped.task}",
        }
    notices += _asked_to_edit(doubtful(names, ONE_PROMPT[0])) if "prompts" in content["params"] else []
    if names:
        content["params"] = {**content["params"], "class_names": names}
        prepared, seen = _read(content, folder)  # again: the names can be invalid, and records contain them
    lacking = check_pictures(prepared.dataset)
    if prepared.dataset.masks is not None and not lacking:
        check_masks(prepared.dataset.images, prepared.dataset.masks, seen["classes"], os.cpu_count() or 1)
    content["expect"] = seen
    chance = metric_of(content["headline"]).chance(seen) if found.chance is None else found.chance
    content |= {"chance": float(f"{chance:.4g}")} if chance is not None else {}
    lines = [
        f"{tilde(folder)}: {found.description}",
        ", ".join(f"{number:,} {what}" for what, number in seen.items()),
        *found.notes,
        *prepared.dataset.notes,
        *_missing_notes(lacking, seen["images"]),
        *notices,
        "samples, as they were understood:",
        *sample_lines(prepared.dataset, names or prepared.class_labels),
    ]
    text = NOTE + card_text(content, folder, file.parent, found.location)
    model = FIRST_MODELS.get(content["family"], "random")
    return Proposal(file, text, lines, " --subset present" if lacking else "", model)


def check_options(hints: DetectionHints, name: str | None) -> None:
    """Raise GoldievalError if no card is written for the family, or a shipped task has the name."""
    if hints.family not in (None, *FAMILIES):
        *most, last = FAMILIES
        raise GoldievalError(f"--family {hints.family!r}: choose {', '.join(most)} or {last}.")
    if name is not None:
        check_name(name)


def check_name(name: str) -> None:
    """Raise GoldievalError if a shipped task has that name, or a card cannot have it."""
    if not NAME.fullmatch(name):
        raise GoldievalError(
            f"--name {name!r}: write lower-case letters, digits, '.', '_' and '-', beginning with a letter or digit."
        )
    if name in Catalogue().tasks:
        raise GoldievalError(f"a task {name!r} exists already. Choose another --name.")


def free_name(data_set: str) -> str:
    """Return the name of a task from that of a data set, with an addition if a shipped task has it."""
    name = re.sub("[^a-z0-9._-]+", "-", data_set.lower()).strip("-._") or "mine"
    return f"{name}-own" if name in Catalogue().tasks else name


def _content(name: str, found: Finding) -> dict[str, Any]:
    defaults = FAMILIES[found.family]
    named = {"class_names": found.classes} if found.classes else {}
    return {
        "name": name,
        "family": found.family,
        "version": 1,
        "protocol": f"all of it{defaults.protocol}",
        "title": f"{name}, data of our own",
        "licence": found.licence or "not stated",
        "source": found.source,
        "expect": {},
        "params": defaults.params | found.params | named,
        "headline": found.headline or defaults.headline,
    }


def _read_source(content: dict[str, Any], folder: Path, source: dict[str, Any]) -> tuple[Prepared[Any], dict[str, int]]:
    return _read(content | {"source": source}, folder)


def _read(content: dict[str, Any], folder: Path) -> tuple[Prepared[Any], dict[str, int]]:
    """Read the data with a card in a temporary folder; return them and their counts."""
    from goldieval.engine.load import prepare_and_count

    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch, "card.yaml")
        file.write_text(card_text(content, folder, file.parent), encoding="utf-8")
        prepared, seen, _ = prepare_and_count(load_card(file), folder)
    return prepared, seen


def _class_names(found: Finding, prepared: Prepared[Any]) -> tuple[list[str], list[str]]:
    """Return the class names that the card lists, and a notice of what was changed."""
    if not FAMILIES[found.family].lists_classes:
        return [], []
    return cleaned(found.classes or prepared.class_labels or ())


def _shipped_note(shipped: ShippedPrompts) -> str:
    what = "prompts and class names" if shipped.names else "prompts"
    return f"{what} are those of the shipped task {shipped.task}, which has as many classes"


def _asked_to_edit(warnings: Sequence[str]) -> list[str]:
    return [f"warning: {line}; edit class_names in the card" for line in warnings]


def _missing_notes(lacking: list[str], images: int) -> list[str]:
    if not lacking:
        return []
    return [
        f"{len(lacking):,} of {images:,} images are missing: {listing(lacking)}; --subset present evaluates the rest"
    ]
