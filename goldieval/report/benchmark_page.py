"""A page about one task, as Markdown: generated from its card, the suites that contain it and the published numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from goldieval.data.source import Source
from goldieval.metrics.metric import Metric
from goldieval.metrics.registry import metric_of
from goldieval.report.benchmark_facts import DRAWN, by_hand, facts, guesses, into_folder, origins
from goldieval.report.published import Published
from goldieval.report.score import Score
from goldieval.tasks.card import Task
from goldieval.tasks.suites import Suite

MOST_METRICS = 8  # columns that fit on a page


def benchmark_page(task: Task, suites: Sequence[Suite], published: Published) -> str:
    """Return the page of a task.

    Args:
        task: the task.
        suites: all suites.
        published: all published numbers.
    """
    card = task.card
    parts = [
        f"# {card.title}",
        card.about,
        f"    goldieval run --model MODEL --tasks {card.name}",
        *_section("Protocol", _bullets([f"**{name}**: {text}" for name, text in facts(task, suites)])),
        *_section("Getting the data", how_to_get(card.source, card.name)),
        *_section("Guessing", _guessing(task)),
        *_section("What to watch for", _bullets(card.traps)),
        *_section("Published values", published_values(task, published)),
        *_section("Citation", card.cite),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def how_to_get(source: Source, name: str) -> str:
    """Return how a user gets the files of a source, and where they are from.

    Args:
        source: the source of the card.
        name: name of the task.
    """
    if not source.on_disk:
        return DRAWN
    lines = []
    if found := origins(source):
        size = f" ({source.megabytes:,} MB)" if source.megabytes else ""
        links = [f"<{each}>" if each.startswith("http") else each for each in found]
        lines += [f"    goldieval data get {name}", f"fetches these files{size}:", _bullets(links)]
    if source.manual:
        lines.append(by_hand(source))
    return "\n\n".join(lines) or into_folder(source)


def published_values(task: Task, published: Published) -> str:
    """Return a table of the published numbers of a task: a row for each model and source, the best first.

    Args:
        task: the task.
        published: all published numbers.
    """
    scores = [score for score in published.scores if score.task == task.name and score.value is not None]
    if not scores:
        return ""
    counts: dict[str, int] = {}
    for score in scores:
        counts[score.metric] = counts.get(score.metric, 0) + 1
    headline = task.card.headline
    ordered = sorted(counts, key=lambda name: (name != headline, metric_of(name).position, name))
    shown = [metric_of(name) for name in ordered[:MOST_METRICS]]
    left = ordered[MOST_METRICS:]
    rows: dict[tuple[str, str, str, str], dict[str, Score]] = {}
    for score in scores:
        rows.setdefault((score.model, score.source, score.protocol, score.grade), {})[score.metric] = score
    header = ["model", *(metric.label for metric in shown), "protocol", "source", "grade"]
    cells = [
        [model, *(_value(metric, found.get(metric.name)) for metric in shown), protocol, source, grade]
        for (model, source, protocol, grade), found in sorted(rows.items(), key=lambda row: _rank(row[1], shown))
        if any(metric.name in found for metric in shown)
    ]
    others = "; ".join(metric_of(name).label for name in left)
    return table(header, cells) + (f"\n\nOther metrics with published values: {others}." if left else "")


def _rank(found: dict[str, Score], shown: Sequence[Metric]) -> tuple[float, ...]:
    """Return the key that sorts a row: the best value of the first metric first, rows without it last."""
    first = found.get(shown[0].name)
    if first is None or first.value is None:
        return (1.0, 0.0)
    return (0.0, first.value if shown[0].lower_is_better else -first.value)


def _value(metric: Metric, score: Score | None) -> str:
    return "–" if score is None else metric.text(score.value)


def _guessing(task: Task) -> str:
    lines = guesses(task)
    return f"Of the headline, {metric_of(task.card.headline).label}:\n\n{_bullets(lines)}" if lines else ""


def _section(title: str, text: str) -> list[str]:
    return [f"## {title}", text] if text else []


def _bullets(items: Sequence[str]) -> str:
    return "\n".join(f"- {item}" for item in items)


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
