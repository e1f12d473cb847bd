"""The beginning of the page in words and numbers: who leads where, by how much, and what cannot be separated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from goldieval.core.errors import listing
from goldieval.metrics.registry import metric_of
from goldieval.metrics.units import UNITS
from goldieval.report.grid import Grid
from goldieval.report.heat import heading
from goldieval.report.short_names import shortened
from goldieval.report.standings import Contest, Standing, Standings

NAME_CELLS = 44  # of a model's name in a sentence or a line of a table; the heat table has it whole


@dataclass(frozen=True)
class ContestLine:
    """One column in which models are compared.

    Attributes:
        setting: heading of its panel, where that is not the first; else empty.
        title: heading of the column.
        metric: label of its metric, where the heading does not contain it.
        task: name of the task.
        leader: name of the leader.
        score: its score.
        lead: by how much it is ahead.
        ends: interval of the lead; empty where there is none.
        second: name of the second.
        verdict: ``leads``, ``shares`` or ``untested``.
        equals: models that cannot be separated from the leader, as text.
        untested: models that were not tested, as text.
    """

    setting: str
    title: str
    metric: str
    task: str
    leader: str
    score: str
    lead: str
    ends: str
    second: str
    verdict: str
    equals: str
    untested: str


@dataclass(frozen=True)
class Summary:
    """What the page says first.

    Attributes:
        sentences: the result in words.
        models: standings of the models, with the width of each part of their bars in percent.
        contests: the columns.
        noun: what a column is called.
    """

    sentences: list[str]
    models: list[tuple[Standing, list[tuple[str, float, float]]]]
    contests: list[ContestLine]
    noun: str


def summary(grid: Grid, compared: Standings) -> Summary:
    """Return the summary of a table from the comparison of its measured models."""
    tasks = [contest.best.task for contest in compared.counted]
    noun = "task" if len(set(tasks)) == len(tasks) else "column"
    short = shortened([model.name for model in compared.models], NAME_CELLS)
    most = max((model.contests for model in compared.models), default=1)
    return Summary(
        _sentences(compared, noun, short) if compared.counted else [_nothing_compared(compared), *_next(grid)],
        [(model, _parts(model, most)) for model in compared.models],
        [_line(grid, contest, short) for contest in compared.contests],
        noun,
    )


def _sentences(compared: Standings, noun: str, short: Mapping[str, str]) -> list[str]:
    contests, models = compared.counted, compared.models
    first, total = models[0], len(contests)
    alone = sum(contest.alone for contest in contests)
    name = short[first.name]
    if first.alone:
        shared = f", and shares the lead in {first.shared:,}" if first.shared else ""
        sentences = [f"{name} leads {_of(first.alone, total, noun)} alone{shared}."]
    elif first.shared:
        sentences = [f"{name} is most often among the best, in {_of(first.shared, total, noun)}."]
    else:
        sentences = ["The scores have no intervals, so that no lead can be tested."]
    if alone < total:
        sentences.append(f"In {_of(total - alone, total, noun)} no model can be called the best.")
    if compared.single:
        columns = f"{compared.single:,} {_plural(compared.single, 'column')}"
        sentences.append(f"Not compared: {columns} with one model under that setting.")
    return sentences


def _nothing_compared(compared: Standings) -> str:
    if compared.faults:
        return "No models could be compared; the lines below the table say why."
    if compared.single:
        return (
            "No two models were measured under the same setting, so there is nothing to compare: "
            "every score stands beside chance."
        )
    return "No measured model is in this table."


def _next(grid: Grid) -> list[str]:
    """Return the hints of a table as sentences."""
    return [f"{hint[:1].upper()}{hint[1:]}" for hint in grid.hints]


def _of(count: int, total: int, noun: str) -> str:
    return f"{count:,} of {total:,} {_plural(total, noun)}"


def _plural(count: int, noun: str) -> str:
    return noun if count == 1 else f"{noun}s"


def _parts(model: Standing, most: int) -> list[tuple[str, float, float]]:
    """Return kind, start and width of the parts of a model's bar, in percent of the longest one."""
    parts, start = [], 0.0
    for kind in ("alone", "shared", "behind", "untested"):
        width = 100 * getattr(model, kind) / most
        if width:
            parts.append((kind, round(start, 2), round(width, 2)))
        start += width
    return parts


def _line(grid: Grid, contest: Contest, short: Mapping[str, str]) -> ContestLine:
    panel, place = contest.place
    column, unit, lead = heading(grid.panels[panel], place), UNITS[contest.best.unit], contest.lead
    ends = ""
    if lead.low is not None and lead.high is not None:
        ends = " to ".join(unit.text(end, grid.digits).replace("-", "−") for end in (lead.low, lead.high))
    return ContestLine(
        setting=grid.panels[panel].title if panel else "",
        title=column.title,
        metric=column.metric,
        task=contest.best.task,
        leader=short[contest.leader],
        score=grid.number(contest.best.value or 0.0, contest.best.unit),
        lead=unit.text(lead.value, grid.digits) + (" lower" if metric_of(contest.best.metric).lower_is_better else ""),
        ends=ends,
        second=short[contest.second],
        verdict="leads" if contest.alone else "shares" if contest.inseparable else "untested",
        equals=listing(short[name] for name in contest.inseparable),
        untested=listing(short[name] for name in contest.untested),
    )
