"""A page about one task, as Markdown: generated from its card, the suites that contain it and the published numbers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from goldieval.data.source import Source
from goldieval.metrics.metric import Metric
from goldieval.metrics.registry import metric_of
from goldieval.metrics.units import PERCENT
from goldieval.report.published import Published
from goldieval.report.score import Score
from goldieval.tasks.card import Task
from goldieval.tasks.suites import Suite

MOST_METRICS = 8  # columns that fit on a page
FAMILIES = {
    "zeroshot": "zero-shot classification",
    "retrieval": "image-text retrieval",
    "choice": "choice among a few candidates",
    "probe": "probe of frozen image embeddings",
    "association": "association of images with a cue",
    "image_retrieval": "retrieval of images by an image",
    "vqa": "visual question answering",
    "segmentation": "open-vocabulary segmentation",
    "regions": "classification of boxes",
}


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
        *_section("Protocol", _bullets([f"**{name}**: {text}" for name, text in _facts(task, suites)])),
        *_section("Getting the data", how_to_get(card.source, card.name)),
        *_section("Guessing", _guesses(task)),
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
        return "Nothing to download: the scenes are drawn when they are needed."
    origins = [f"`{source.hub}` on the Hugging Face Hub"] if source.hub else []
    origins += [f"<{download.url}>" for download in source.urls]
    size = f" ({source.megabytes:,} MB)" if source.megabytes else ""
    lines = []
    if origins:
        lines += [f"    goldieval data get {name}", f"fetches these files{size}:", _bullets(origins)]
    if source.manual:
        lines.append(f"{'The rest by hand' if origins else 'By hand'}: {source.manual.rstrip('.')}.")
    return "\n\n".join(lines) or f"Put its files into the folder `{source.id or source.path}` of the data root."


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


def _facts(task: Task, suites: Sequence[Suite]) -> Iterator[tuple[str, str]]:
    card, expect = task.card, task.card.expect
    counts = {"images": expect.images, "train images": expect.train, "texts": expect.texts, "classes": expect.classes}
    counts |= {"boxes": expect.boxes}
    size = ", ".join(f"{count:,} {what}" for what, count in counts.items() if count)
    strata = getattr(card.params, "strata", [])
    metrics = [name for name in card.metrics() if not metric_of(name).stratum]
    yield "name", f"`{card.name}`, version {card.version}"
    yield "kind", FAMILIES.get(card.family, card.family)
    yield "protocol", card.protocol
    yield "size", size or "counted when the data are loaded"
    yield "headline", metric_of(card.headline).label
    yield "metrics", "; ".join(metric_of(name).label for name in metrics)
    if strata:
        yield "also reported for", ", ".join(name.replace("_", " ") for name in strata)
    yield "licence", card.licence
    if names := [suite.suite for suite in suites if task.name in suite.tasks]:
        yield "suites", ", ".join(f"`{name}`" for name in names)


def _guesses(task: Task) -> str:
    card, metric = task.card, metric_of(task.card.headline)
    lines = [
        f"{what}: {metric.text(number)} {'%' if metric.unit is PERCENT else metric.unit.name}"
        for what, number in (
            ("A random guess", card.chance),
            ("A guess from the texts alone, without the image", card.blind),
            ("A perfect model", card.ceiling),
        )
        if number is not None
    ]
    return f"Of the headline, {metric.label}:\n\n{_bullets(lines)}" if lines else ""


def _section(title: str, text: str) -> list[str]:
    return [f"## {title}", text] if text else []


def _bullets(items: Sequence[str]) -> str:
    return "\n".join(f"- {item}" for item in items)


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
