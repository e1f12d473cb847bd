"""Is B better than A: every task that both have, on the same samples, Holm over all tests, three words of verdict."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from goldieval.comparison.curve import curve_of
from goldieval.comparison.pairs import Pair, Unpaired, pair
from goldieval.comparison.result import Comparison
from goldieval.comparison.sides import Library, Side, command
from goldieval.comparison.significance import rows_of
from goldieval.core.errors import GoldievalError, did_you_mean, listing
from goldieval.tasks.catalogue import Catalogue
from goldieval.tasks.plugins import model_families


def compare(
    a: str | Path,
    b: str | Path,
    results: str | Path = "results",
    *,
    tasks: str | Sequence[str] = (),
    all_metrics: bool = False,
    seeds: bool = False,
) -> Comparison:
    """Compare two models by their records, without running anything.

    Args:
        a: model spec or glob over specs, beginning of a fingerprint, record file or folder.
        b: the same; the verdict is about B.
        results: folder of the records.
        tasks: names of the only tasks to compare, as a list or separated by commas.
        all_metrics: whether to test every metric, not only the headline.
        seeds: whether the models of a glob are seeds of one recipe, even if their records do not show it.

    Raises:
        GoldievalError: a side has no records (the message names the command that makes them), or the sides have no
            samples in common.
    """
    tasks = [name.strip() for name in tasks.split(",") if name.strip()] if isinstance(tasks, str) else tasks
    folder = Path(results)
    library = Library(folder)
    one, other = library.side(str(a)), library.side(str(b))
    _check_names(one, other, tasks)
    _check(one, other, library, tasks)
    if tasks:
        one, other = _only(one, tasks), _only(other, tasks)
        _check(one, other, library, tasks)
    several = {"A": _several(one, seeds), "B": _several(other, seeds)}
    left, right = (each.models if several[name] else each.models[-1:] for name, each in (("A", one), ("B", other)))
    groups = [pair(one.of(x), other.of(y)) for x in left for y in right]
    pairs = _distinct([found for group, _ in groups for found in group])
    unpaired = groups[0][1]
    notes, refused = _notes(unpaired, one, other)
    curves = {name: each for name, each in (("A", one), ("B", other)) if len(each.models) > 1 and not several[name]}
    for name, each in curves.items():
        last = each.entries[-1].record.model.spec
        notes.append(f"{name} names {len(each.models)} checkpoints; the last is tested, {last}")
    rows, kept, untested, unreadable = rows_of(pairs, all_metrics)
    refused += unreadable
    notes += dict.fromkeys(f"left out: {fault}" for side in (one, other) for fault in side.faults)
    if not rows:
        why = "; ".join(line.rstrip(".") for line in [*refused, *notes, *untested])
        raise GoldievalError(f"nothing to compare: {why}")
    return Comparison(
        one, other, rows, kept, notes + untested, refused, curve_of({"A": one, "B": other}) if curves else []
    )


def _of_a_family(text: str, library: Library) -> bool:
    """Return whether the text may be a model spec: its family is installed, or has records."""
    families = {*model_families(), *(_family(entry.record.model.spec) for entry in library.entries)}
    return text.startswith((".", "/", "~")) or _family(text) in families


def _family(spec: str) -> str:
    return re.split("[:@]", spec, maxsplit=1)[0]


def _only(side: Side, tasks: Sequence[str]) -> Side:
    return replace(side, entries=[entry for entry in side.entries if entry.record.task.name in tasks])


def _check_names(a: Side, b: Side, tasks: Sequence[str]) -> None:
    """Raise GoldievalError for a task that no card and no record has."""
    there = {entry.record.task.name for side in (a, b) for entry in side.entries}
    shipped = Catalogue().tasks if set(tasks) - there else {}
    for name in tasks:
        if name not in there and name not in shipped:
            near = did_you_mean(name, {*there, *shipped}) or f" These records are of {listing(sorted(there))}."
            raise GoldievalError(f"compare: no task {name!r}.{near}")


def _check(a: Side, b: Side, library: Library, tasks: Sequence[str]) -> None:
    """Raise GoldievalError where a side has no record, with the command that makes it."""
    lacking = [side for side in (a, b) if not side.entries]
    if not lacking:
        return
    there = [entry for side in (a, b) for entry in side.entries]
    names = tasks or [entry.record.task.name for entry in there] or ["retrieval", "zeroshot"]
    what = " and of ".join(dict.fromkeys(side.text for side in lacking))
    unknown = [side.text for side in lacking if side.spec and not _of_a_family(side.text, library)]
    specs = [] if unknown else list(dict.fromkeys(side.text for side in lacking if side.spec))
    near = did_you_mean(lacking[0].text, {entry.record.model.spec for entry in library.entries})
    how = f" To make it: {command(specs, there, names, library.results)}" if specs else ""
    how += "".join(f" {text} is neither a folder nor of a known model family." for text in dict.fromkeys(unknown))
    where = ", ".join(dict.fromkeys(str(library.results if side.spec else side.text) for side in lacking))
    faults = list(dict.fromkeys(fault for side in lacking for fault in side.faults))
    left_out = f" Left out: {listing(faults)}." if faults else ""
    raise GoldievalError(f"no record of {what} in {where}.{near}{how}{left_out}")


def _several(side: Side, asked: bool) -> bool:
    return side.seeds or (asked and len(side.models) > 1)


def _distinct(pairs: list[Pair]) -> list[Pair]:
    return list({(each.a.file, each.b.file): each for each in pairs}.values())


def _notes(unpaired: list[Unpaired], a: Side, b: Side) -> tuple[list[str], list[str]]:
    """Return one line for each side without some records, with the command that makes them, and the refused tasks."""
    notes, refused = [], [f"{each.task}: {each.reason}" for each in unpaired if not each.lacking]
    for name, side, other in (("A", a, b), ("B", b, a)):
        lacking = {each.task: each.limit for each in unpaired if each.lacking == name}
        for limit in sorted(set(lacking.values()), key=lambda most: most or 0):
            some = [task for task, most in lacking.items() if most == limit]
            like = [e for e in other.entries if e.record.task.name in some and e.record.task.limit == limit]
            how = command([side.entries[-1].record.model.spec], like, some, side.out)
            notes.append(f"{name} has no record of {', '.join(some)}. To make it: {how}")
    return notes, refused
