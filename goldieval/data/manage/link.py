"""Linking of an existing folder into the data root, in the layout that a task's reader expects."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from goldieval.core.errors import GoldievalError, listing
from goldieval.core.ledger import allow_folders
from goldieval.core.text import shell_argument
from goldieval.data.fetch.lockfile import Origin, write_lock
from goldieval.data.fetch.staging import hidden_sibling, lock_for_fetch
from goldieval.data.fetch.unpack import clear
from goldieval.data.manage.check_pictures import check_pictures
from goldieval.data.manage.detect import detect
from goldieval.data.manage.finding import DetectionHints
from goldieval.data.manage.pickles import pickle_in
from goldieval.data.manage.places import folders_below
from goldieval.data.map_check import check_maps
from goldieval.data.source import Source, tilde
from goldieval.tasks.card import Task

DEPTH = 3

Links = dict[str, Path]


def link_folder(task: Task, given: Path, root: Path) -> str:
    """Link the files that a task needs from ``given`` into its data folder; return a line that describes the result.

    Several layouts are tried: the expected one, a subfolder, and individual files in other places. A layout is read and
    counted and some of its images are opened before the first link is created.

    Raises:
        GoldievalError: No layout fits; the message says what is missing, or what is wrong with the closest one.
    """
    source, folder = task.card.source, task.folder(root)
    if not given.is_dir():
        raise GoldievalError(f"{given} is not a folder.")
    if not source.on_disk or not source.id:
        raise GoldievalError(f"{task.name} has no folder below the data root, so nothing can be linked in.")
    if folder.is_dir() and not source.missing(folder):
        raise GoldievalError(f"{task.name} has its data in {tilde(folder)} already. Remove that folder first.")
    layouts = list(_layouts(source, given.resolve()))
    if not layouts:
        raise GoldievalError(_why_not(task, given))
    with lock_for_fetch(folder, lambda line: None):
        links, seen = _first_that_reads(task, folder, layouts, given)
        for name, target in links.items():
            place = folder / name
            if not place.exists():
                place.parent.mkdir(parents=True, exist_ok=True)
                place.symlink_to(target)
        write_lock(folder, [Origin(adopted=str(given.resolve()))])
    return f"{task.name}: linked {tilde(given)} into {tilde(folder)}; {seen}"


def _first_that_reads(task: Task, folder: Path, layouts: list[Links], given: Path) -> tuple[Links, str]:
    from goldieval.engine.load import prepare_and_count

    trial, faults = hidden_sibling(folder, "trial"), []
    for links in layouts:
        clear(trial)
        allow_folders([str(given), *map(str, links.values())])
        _link(links | _existing(folder), trial)
        try:
            if lacking := task.card.source.missing(trial):
                raise GoldievalError(f"it lacks {listing(lacking)}")
            prepared, seen, _ = prepare_and_count(task, trial)
            if gone := check_pictures(prepared.dataset):
                raise GoldievalError(f"{len(gone):,} of its {seen['images']:,} images are missing: {listing(gone)}")
            check_maps(prepared.dataset, seen, prepared.class_labels, os.cpu_count() or 1)
            found = ", ".join(f"{number:,} {what}" for what, number in seen.items())
            return links, "; ".join([f"{found}, as its card expects", *prepared.dataset.notes])
        except GoldievalError as error:
            faults.append(str(error).replace(str(trial), str(folder)))
        finally:
            clear(trial)
    raise GoldievalError(f"{tilde(given)} is not linked in: {faults[-1]}")


def _layouts(source: Source, given: Path) -> Iterator[Links]:
    """Yield candidate layouts: a folder as it is, a subfolder, then individual files by name."""
    places = (given, *folders_below(given, DEPTH))
    for place in places:
        if not source.missing(place):
            yield {entry.name: entry for entry in sorted(place.iterdir()) if not entry.name.startswith(".")}
    pieces = {need: _called(places, need) for need in source.needs() if need not in (".", "")}
    if all(pieces.values()):
        whole = {entry.name: entry for entry in given.iterdir() if not entry.name.startswith(".")}
        for number in range(max(map(len, pieces.values()), default=0)):
            chosen = {need: found[min(number, len(found) - 1)] for need, found in pieces.items()}
            tops = {Path(need).parts[0] for need in chosen}
            yield {name: entry for name, entry in whole.items() if name not in tops} | chosen


def _called(places: tuple[Path, ...], need: str) -> list[Path]:
    """Return files or folders whose path ends like a required path, with the longest common ending first."""
    parts = Path(need).parts
    for length in range(len(parts), 0, -1):
        found = [place.joinpath(*parts[-length:]) for place in places if place.joinpath(*parts[-length:]).exists()]
        if found:
            return found
    return []


def _existing(folder: Path) -> Links:
    return {entry.name: entry for entry in folder.iterdir() if entry.name[0] != "."} if folder.is_dir() else {}


def _link(links: Links, place: Path) -> None:
    place.mkdir(parents=True)
    for name, target in links.items():
        link = place / name
        link.parent.mkdir(parents=True, exist_ok=True)
        if not os.path.lexists(link):
            link.symlink_to(target)


def _why_not(task: Task, given: Path) -> str:
    """Return what is missing, and what to do with a layout that this task's reader does not support."""
    source, where = task.card.source, tilde(given)
    if (pickle := pickle_in(given)) is not None:
        return (
            f"{where} holds Python pickles ({pickle.name}), which can run any code when opened, so they are never "
            f"read. Supported instead: goldieval data get {task.name}, or class folders of images."
        )
    lacking = listing(source.missing(given))
    try:
        found = detect(given, DetectionHints())
    except GoldievalError:
        return f"{where} is not data of {task.name}: it lacks {lacking}."
    return (
        f"{where} lacks {lacking}; it holds {found.description}. Another copy of the images is another task: "
        f"goldieval data import {shell_argument(str(where))} --family {found.family} --name {task.name}-own"
    )
