"""Tests whether B is better than A: all common tasks, on the same samples, with p-values adjusted by Holm."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from goldieval.comparison.average_tests import average_tests
from goldieval.comparison.curve import curve_of
from goldieval.comparison.pairs import Pair, Unpaired, pair
from goldieval.comparison.result import Comparison
from goldieval.comparison.sides import RecordIndex, Side, command
from goldieval.comparison.significance import rows_of
from goldieval.core.errors import GoldievalError, did_you_mean, listing
from goldieval.records.averages import averages_of
from goldieval.records.results import Entry
from goldieval.tasks.averages import Average
from goldieval.tasks.card import Task
from goldieval.tasks.catalogue import Catalogue
from goldieval.tasks.plugins import model_families

UNFINISHED = "every task of both failed, see goldieval show."


def compare(
    a: str | Path,
    b: str | Path,
    results: str | Path = "results",
    *,
    tasks: str | Sequence[str] = (),
    all_metrics: bool = False,
    seeds: bool = False,
    tasks_dir: str | Path | None = None,
) -> Comparison:
    """Compare two models by their records, without running anything.

    Args:
        a: model spec or glob over specs, beginning of a fingerprint, record file or folder.
        b: the other model, in the same forms; the verdict is about B.
        results: folder of the records.
        tasks: names of the only tasks and averages to compare, as a list or separated by commas.
        all_metrics: whether to test every metric, not only the headline.
        seeds: whether the models of a glob are seeds of one recipe, even if their records do not show it.
        tasks_dir: folder with your own task cards and suites, for the averages of these suites.

    Raises:
        GoldievalError: a side has no records (the message names the command that makes them), or the sides have no
            samples in common.
    """
    tasks = [name.strip() for name in tasks.split(",") if name.strip()] if isinstance(tasks, str) else tasks
    folder = Path(results)
    index, catalogue = RecordIndex(folder), Catalogue(tasks_dir)
    side_a, side_b = index.side(str(a)), index.side(str(b))
    averages = [average for average in catalogue.averages.values() if not tasks or average.name in tasks]
    named = [name for name in tasks if name not in catalogue.averages]
    _check_task_names(side_a, side_b, named, catalogue)
    _check_records(side_a, side_b, index, named)
    sides = {"A": side_a, "B": side_b}
    if tasks:
        needed = [*named, *(task for average in averages for task in average.tasks)]
        side_a, side_b = _of_tasks(side_a, needed), _of_tasks(side_b, needed)
        _check_records(side_a, side_b, index, needed)
        sides = {"A": side_a, "B": side_b}
    are_seeds = {name: side.seeds or (seeds and len(side.models) > 1) for name, side in sides.items()}
    models_a, models_b = (side.models if are_seeds[name] else side.models[-1:] for name, side in sides.items())
    of_a, of_b = [side_a.entries_of(model) for model in models_a], [side_b.entries_of(model) for model in models_b]
    groups = [pair(_only(x, named, tasks), _only(y, named, tasks)) for x in of_a for y in of_b]
    pairs = _distinct([each for group, _ in groups for each in group])
    unpaired = groups[0][1]
    notes, refused = _notes(unpaired, side_a, side_b)
    curves = [name for name, side in sides.items() if len(side.models) > 1 and not are_seeds[name]]
    for name in curves:
        last = sides[name].entries[-1].record.model.spec
        notes.append(f"{name} matches {len(sides[name].models)} checkpoints; the last is tested, {last}")
    of_averages = average_tests(of_a, of_b, averages, catalogue.tasks, likely=not tasks)
    rows, kept, untested, unreadable = rows_of(pairs, all_metrics, of_averages.tests)
    refused += unreadable + (of_averages.refused if tasks else [])
    notes += [] if tasks else [f"not compared, {line}" for line in of_averages.refused]
    notes += dict.fromkeys(f"left out: {fault}" for side in sides.values() for fault in side.faults)
    notes += catalogue.faults
    if not rows:
        reasons = "; ".join(line.rstrip(".") for line in [*refused, *notes, *untested])
        raise GoldievalError(f"nothing to compare: {reasons or UNFINISHED}")
    curve = curve_of(_with_averages(sides, averages, catalogue.tasks)) if curves else []
    return Comparison(side_a, side_b, rows, kept, notes + untested, refused, curve)


def _is_of_a_family(text: str, index: RecordIndex) -> bool:
    """Return whether a text may be a model spec: its family is installed, or has records."""
    families = {*model_families(), *(_family(entry.record.model.spec) for entry in index.entries)}
    return text.startswith((".", "/", "~")) or _family(text) in families


def _family(spec: str) -> str:
    return re.split("[:@]", spec, maxsplit=1)[0]


def _of_tasks(side: Side, tasks: Sequence[str]) -> Side:
    return replace(side, entries=[entry for entry in side.entries if entry.record.task.name in tasks])


def _only(entries: list[Entry], named: Sequence[str], tasks: Sequence[str]) -> list[Entry]:
    """Return the records of the named tasks, all of them where nothing is named."""
    return [entry for entry in entries if entry.record.task.name in named] if tasks else entries


def _with_averages(
    sides: Mapping[str, Side], averages: Sequence[Average], tasks: Mapping[str, Task]
) -> dict[str, Side]:
    """Return the sides with the averages of each model among its records."""
    return {
        name: replace(side, entries=[*side.entries, *averages_of(side.entries, averages, tasks, likely=True)])
        for name, side in sides.items()
    }


def _check_task_names(a: Side, b: Side, tasks: Sequence[str], catalogue: Catalogue) -> None:
    """Raise GoldievalError if a task has neither a card nor a record."""
    recorded = {entry.record.task.name for side in (a, b) for entry in side.entries}
    for name in tasks:
        if name not in recorded and name not in catalogue.tasks:
            near = did_you_mean(name, {*recorded, *catalogue.tasks, *catalogue.averages})
            near = near or f" The tasks of these records are {listing(sorted(recorded))}."
            raise GoldievalError(f"compare: no task {name!r}.{near}")


def _check_records(a: Side, b: Side, index: RecordIndex, tasks: Sequence[str]) -> None:
    """Raise GoldievalError if a side has no record, with the command that makes it."""
    lacking = [side for side in (a, b) if not side.entries]
    if not lacking:
        return
    present = [entry for side in (a, b) for entry in side.entries]
    names = tasks or [entry.record.task.name for entry in present] or ["retrieval", "zeroshot"]
    models = " and of ".join(dict.fromkeys(side.text for side in lacking))
    unknown = [side.text for side in lacking if side.spec and not _is_of_a_family(side.text, index)]
    specs = [] if unknown else list(dict.fromkeys(side.text for side in lacking if side.spec))
    near = did_you_mean(lacking[0].text, {entry.record.model.spec for entry in index.entries})
    how = f" To make it: {command(specs, present, names, index.results)}" if specs else ""
    how += "".join(f" {text} is neither a folder nor of a known model family." for text in dict.fromkeys(unknown))
    folders = ", ".join(dict.fromkeys(str(index.results if side.spec else side.text) for side in lacking))
    faults = list(dict.fromkeys(fault for side in lacking for fault in side.faults))
    left_out = f" Left out: {listing(faults)}." if faults else ""
    raise GoldievalError(f"no record of {models} in {folders}.{near}{how}{left_out}")


def _distinct(pairs: list[Pair]) -> list[Pair]:
    return list({(each.a.file, each.b.file): each for each in pairs}.values())


def _notes(unpaired: list[Unpaired], a: Side, b: Side) -> tuple[list[str], list[str]]:
    """Return one line for each side that lacks records, with the command that makes them, and the refused tasks."""
    notes, refused = [], [f"{each.task}: {each.reason}" for each in unpaired if not each.lacking]
    for name, side, other in (("A", a, b), ("B", b, a)):
        lacking = {each.task: each.limit for each in unpaired if each.lacking == name}
        for limit in sorted(set(lacking.values()), key=lambda most: most or 0):
            some = [task for task, most in lacking.items() if most == limit]
            like = [e for e in other.entries if e.record.task.name in some and e.record.task.limit == limit]
            how = command([side.entries[-1].record.model.spec], like, some, side.out)
            notes.append(f"{name} has no record of {', '.join(some)}. To make it: {how}")
    return notes, refused
