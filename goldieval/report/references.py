"""What a column is read against: chance, ceiling, and whether it is the headline of its task."""

from __future__ import annotations

from goldieval.metrics.registry import metric_of
from goldieval.metrics.units import PERCENT, UNITS
from goldieval.report.grid import GridPanel
from goldieval.report.score import Score
from goldieval.report.table_sources import TableSources


def set_references(panel: GridPanel, sources: TableSources, digits: int) -> None:
    """Set chance, ceiling and headline of each column: of the measured models, else as the task card states them."""
    for place in range(len(panel.columns)):
        scores = [cell.score for cell in panel.column(place) if cell.score and cell.score.value is not None]
        measured = [score for score in scores if score.record or score.chance is not None]
        known = [(score.chance, score.ceiling) for score in measured] or [
            _on_card(score, sources) for score in scores[:1]
        ]
        unit = scores[0].unit if scores else PERCENT.name
        panel.headline.append(any(_is_headline(score, sources) for score in scores))
        panel.chance.append(_text({chance for chance, _ in known}, unit, digits))
        panel.ceiling.append(_text({ceiling for _, ceiling in known}, unit, digits))


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
    counts = {name: count for name, count in card.expect.model_dump().items() if count is not None}
    try:
        return metric_of(score.metric).chance(counts), None
    except KeyError:  # the card does not state the counts from which it follows
        return None, None


def _text(values: set[float | None], unit: str, digits: int) -> str:
    """Return the values as printed, two digits of those that a table's digits do not show.

    >>> _text({0.1}, "percent", 1), _text({0.0002}, "percent", 1), _text({None}, "percent", 1)
    ('10.0', '0.02', '')
    """
    known = sorted(value for value in values if value is not None)
    return "/".join(dict.fromkeys(_number(value, unit, digits) for value in known))


def _number(value: float, unit: str, digits: int) -> str:
    text, scaled = UNITS[unit].text(value, digits), UNITS[unit].scale * value
    return text if scaled == 0 or abs(scaled) >= 1 or digits > 3 else f"{scaled:.2g}"
