"""What a column is read against: chance, ceiling, and whether it is the headline of its task."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from goldieval.metrics.registry import metric_of
from goldieval.metrics.units import PERCENT, UNITS
from goldieval.report.grid import GridPanel
from goldieval.report.numbers import reference_text
from goldieval.report.score import Score
from goldieval.report.table_sources import TableSources


def set_references(panel: GridPanel, sources: TableSources, digits: int) -> None:
    """Set chance, ceiling and headline of each column: of the measured models, else as the task card states them."""
    for place in range(len(panel.columns)):
        scores = [cell.score for cell in panel.column(place) if cell.score and cell.score.value is not None]
        known = references_of(scores, sources)
        unit = scores[0].unit if scores else PERCENT.name
        panel.headline.append(any(_is_headline(score, sources) for score in scores))
        panel.chance.append(reference_texts({chance for chance, _ in known}, unit, digits))
        panel.ceiling.append(reference_texts({ceiling for _, ceiling in known}, unit, digits))


def references_of(scores: Sequence[Score], sources: TableSources) -> list[tuple[float | None, float | None]]:
    """Return chance and ceiling of each measured score of a column, else as the card of the task states them."""
    measured = [(score.chance, score.ceiling) for score in scores if score.record or score.chance is not None]
    return measured or [_on_card(score, sources) for score in scores[:1]]


def _is_headline(score: Score, sources: TableSources) -> bool:
    if score.record is not None:
        return score.record.task.headline == score.metric
    return score.task in sources.tasks and sources.tasks[score.task].card.headline == score.metric


def _on_card(score: Score, sources: TableSources) -> tuple[float | None, float | None]:
    """Return chance and ceiling as the card of a published score's task states them; None where it does not."""
    if score.task not in sources.tasks:
        return None, None
    card = sources.tasks[score.task].card
    if score.metric == card.headline:
        return card.chance, card.ceiling
    metric = metric_of(score.metric)
    if metric.guessed_like == card.headline:
        return card.chance, None
    counts = {name: count for name, count in card.expect.model_dump().items() if count is not None}
    try:
        return metric.chance(counts), None
    except KeyError:  # the card does not state the counts from which it follows
        return None, None


def reference_texts(values: Iterable[float | None], unit: str, digits: int = 1) -> str:
    """Return the values as printed; of several, all."""
    known = sorted(value for value in values if value is not None)
    return "/".join(dict.fromkeys(reference_text(value, UNITS[unit], digits) for value in known))
