"""Cells of a heat table: the number with its colour, its mark, and the lines that are shown beside it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from goldieval.core.errors import listing
from goldieval.metrics.units import UNITS
from goldieval.report.grid import Cell, Grid, GridPanel
from goldieval.report.numbers import reference_text
from goldieval.report.references import references_of
from goldieval.report.score import Score
from goldieval.report.standings import Contest
from goldieval.report.table_sources import TableSources

STEPS = 20  # of the colour scale, from chance to ceiling
LEADS, SHARES = "leads", "shares"


@dataclass(frozen=True)
class HeatCell:
    """One cell.

    Attributes:
        text: the number.
        sort: the number that it is sorted by; None for an empty cell.
        step: its place on the colour scale, 0 for chance to ``STEPS`` for the ceiling; None without a colour.
        mark: ``leads``, ``shares`` the lead, or empty.
        lines: what is shown beside it on hover, focus and touch.
        notes: numbers of footnotes.
    """

    text: str = ""
    sort: float | None = None
    step: int | None = None
    mark: str = ""
    lines: tuple[str, ...] = ()
    notes: tuple[int, ...] = ()


class CellMaker:
    """One column of a panel while its cells are made."""

    def __init__(
        self, grid: Grid, panel: GridPanel, place: int, sources: TableSources, contest: Contest | None
    ) -> None:
        self.grid, self.place, self.contest = grid, place, contest
        self.scores = [cell.score for cell in panel.column(place) if cell.score]
        self.score = next((score for score in self.scores if score.task), None)
        self.mdd = grid.mdd(panel)[place] if panel.mdd else ""
        known = references_of([score for score in self.scores if score.task and score.value is not None], sources)
        self.chance = next((chance for chance, _ in known if chance is not None), None)
        self.ceiling = next((ceiling for _, ceiling in known if ceiling is not None), None)

    def cell(self, model: str, cell: Cell) -> HeatCell:
        score = cell.score
        if score is None:
            return HeatCell()
        lines = tuple(self._lines(model, cell, score)) if score.task else ()
        return HeatCell(
            self.grid.value(cell), score.value, self._step(score), self._mark(model, score), lines, tuple(cell.notes)
        )

    def _step(self, score: Score) -> int | None:
        """Return the place of a score between chance and ceiling; None where these are not known.

        A percentage has a ceiling of 100 where no lower one is known, and a rank one of 1.
        """
        best, lowest = self.ceiling, self.chance
        if best is None and score.unit in ("percent", "rank"):
            best = 1.0
        if score.value is None or not score.task or best is None or lowest is None or best == lowest:
            return None
        share = (score.value - lowest) / (best - lowest)
        return round(STEPS * min(max(share, 0.0), 1.0))

    def _mark(self, model: str, score: Score) -> str:
        if self.contest is None or score.kind != "ours":
            return ""
        if model == self.contest.leader and self.contest.alone:
            return LEADS
        leads = model == self.contest.leader and bool(self.contest.inseparable)
        return SHARES if leads or model in self.contest.inseparable else ""

    def _lines(self, model: str, cell: Cell, score: Score) -> Iterator[str]:
        """Yield what a reader wants to know of one number."""
        if score.low is not None and score.high is not None:
            unreliable = f", unreliable: {score.unreliable}" if score.unreliable else ""
            yield f"95 %: {self._text(score.low)}–{self._text(score.high)}{unreliable}"
        elif score.kind == "ours" and score.value is not None:
            yield f"no interval{': ' + score.unreliable if score.unreliable else ''}"
        facts = [("n", score.size), ("chance", self._text(self.chance)),
                 ("ceiling", self._text(self.ceiling)),
                 ("MDD", self.mdd)]  # fmt: skip
        if score.kind != "ours":
            facts = facts[1:3]
        if texts := [f"{name} {text}" for name, text in facts if text]:
            yield ", ".join(texts)
        if self.contest and score.kind == "ours":
            yield from self._verdict(model)
        yield from (self.grid.footnotes[note - 1] for note in cell.notes)
        if score.kind != "ours":
            yield ", ".join(text for text in (score.protocol, score.source, score.grade) if text)

    def _verdict(self, model: str) -> Iterator[str]:
        contest = self.contest
        assert contest is not None
        if model == contest.leader:
            others = f"cannot be separated from {listing(contest.inseparable)}" if contest.inseparable else "not tested"
            yield "best, separated from every other" if contest.alone else f"best, but {others}"
        elif model in contest.inseparable:
            yield f"cannot be separated from the best, {contest.leader}"
        elif model in contest.behind:
            yield f"significantly worse than the best, {contest.leader}"

    def _text(self, number: float | None) -> str:
        if number is None or self.score is None:
            return ""
        return reference_text(number, UNITS[self.score.unit], self.grid.digits)
