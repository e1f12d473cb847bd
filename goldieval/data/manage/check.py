"""``goldieval data check``: problems in the data of a task, and the one command that resolves them."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from goldieval.core.containment import contained, error_line
from goldieval.core.errors import TaskError, listing
from goldieval.core.meter import tracked
from goldieval.data.fetch.lockfile import Lock, claimed_lock, difference
from goldieval.data.image_source import NoImage
from goldieval.data.map_check import check_maps
from goldieval.data.roots import inside
from goldieval.data.samples import ImageSample
from goldieval.data.source import tilde
from goldieval.tasks.card import Task
from goldieval.tasks.catalogue import command_name


@dataclass(frozen=True)
class Fault:
    """One problem.

    Attributes:
        what: File or count, and what is wrong with it.
        fix: Command, or instruction, that resolves it.
    """

    what: str
    fix: str


@dataclass(frozen=True)
class CheckReport:
    """Result of checking one task.

    Attributes:
        task: The task.
        facts: What was verified, for one line of output.
        faults: Problems; empty if there are none.
    """

    task: Task
    facts: list[str]
    faults: list[Fault]


def check(task: Task, root: Path, workers: int) -> CheckReport:
    """Compare a task's data with its lock file and its card, and decode every image; exceptions count as problems."""
    try:
        with contained("checking its data"):
            return _checked(task, root, workers)
    except TaskError as error:
        return CheckReport(task, [], [Fault(str(error), "goldieval --debug data check shows where it happened")])


def _checked(task: Task, root: Path, workers: int) -> CheckReport:
    from goldieval.engine.task_loader import lack_of_data

    source, folder = task.card.source, task.folder(root)
    get = source.how_to_get(folder, command_name(task))
    if lack := lack_of_data(task, folder, tilde(folder)):
        return CheckReport(task, [], [Fault(lack, get)])
    try:
        with contained("reading its lock file"):
            lock = claimed_lock(folder)[0] if source.on_disk else None
    except TaskError as error:
        return CheckReport(task, [], [Fault(str(error), get)])
    fix = _fix(task, get, lock)
    differing = [Fault(what, fix) for what in _differing(folder, lock)] if lock else []
    facts = (
        [f"{sum(len(origin.files) for origin in lock.origins):,} files as fetched"] if lock and not differing else []
    )
    try:
        with contained("reading it"):
            seen, unreadable = _read(task, folder, workers)
    except TaskError as error:
        return CheckReport(task, facts, differing or [Fault(str(error), fix)])
    if unreadable:
        named = listing(f"{id} ({reason})" for id, reason in unreadable.items())
        differing = differing or [Fault(f"{len(unreadable):,} images cannot be read: {named}", fix)]
    return CheckReport(task, [*facts, *seen], differing)


def _fix(task: Task, get: str, lock: Lock | None) -> str:
    if lock and any(origin.adopted for origin in lock.origins):
        place = next(origin.adopted for origin in lock.origins if origin.adopted)
        return f"repair the files in your {place}"
    if not (task.card.source.hub or task.card.source.urls):
        return get
    command, sep, rest = get.partition(" (")
    return f"{command} --repair{sep}{rest}"


def _differing(folder: Path, lock: Lock) -> Iterator[str]:
    """Yield how downloaded files differ from their recorded state."""
    files = [entry for origin in lock.origins for entry in origin.files.items()]
    for name, held in tracked(files, "hashing files", len(files)):
        if fault := difference(inside(folder, name), held):
            yield f"{name}: {fault}"


def _read(task: Task, folder: Path, workers: int) -> tuple[list[str], dict[str, str]]:
    """Return the counts, and id and reason for each image that cannot be decoded. Raises TaskError."""
    from goldieval.engine.load import prepare_and_count

    prepared, seen, _ = prepare_and_count(task, folder)
    images = [image for image in prepared.dataset.images if not isinstance(image.source, NoImage)]
    with ThreadPoolExecutor(workers) as threads:
        read = images if task.card.source.on_disk else []
        reasons = tracked(threads.map(_reason, read), "decoding images", len(read))
        unreadable = {image.id: reason for image, reason in zip(images, reasons, strict=False) if reason}
    facts = check_maps(prepared.dataset, seen, prepared.class_labels, workers).facts
    return [*(f"{number:,} {what}" for what, number in seen.items()), *facts, *prepared.dataset.notes], unreadable


def _reason(image: ImageSample) -> str:
    try:
        image.source.open()
    except OSError as error:
        return str(error.strerror or error)
    except Exception as error:
        return error_line(error)
    return ""
