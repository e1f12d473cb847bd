"""The facts of a task in plain text, for its page and for the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from goldieval.data.source import Source
from goldieval.metrics.registry import metric_of
from goldieval.metrics.units import PERCENT
from goldieval.tasks.card import Task
from goldieval.tasks.suites import Suite

FAMILIES = {
    "zeroshot": "zero-shot classification",
    "multilabel": "zero-shot classification, several labels per image",
    "retrieval": "image-text retrieval",
    "image_retrieval": "image-to-image retrieval",
    "choice": "choice among a few candidates",
    "association": "choice of the images that belong to a word",
    "probe": "probe of frozen image embeddings",
    "vqa": "visual question answering",
    "segmentation": "open-vocabulary segmentation",
    "dense-probe": "prediction for every pixel by a trained head",
    "regions": "classification of boxes",
}
DRAWN = "Nothing to download: the scenes are drawn when they are needed."


def facts(task: Task, suites: Sequence[Suite]) -> list[tuple[str, str]]:
    """Return what is measured and on what, as pairs of a heading and a text.

    Args:
        task: the task.
        suites: all suites.
    """
    card, expect = task.card, task.card.expect
    counts = {"images": expect.images, "train images": expect.train, "texts": expect.texts, "classes": expect.classes}
    counts["boxes"] = expect.boxes
    size = ", ".join(f"{count:,} {what}" for what, count in counts.items() if count)
    strata = getattr(card.params, "strata", [])
    metrics = [name for name in card.metrics() if not metric_of(name).stratum]
    pairs = {
        "name": f"{card.name}, version {card.version}",
        "kind": FAMILIES.get(card.family, card.family),
        "protocol": card.protocol,
        "size": size or "counted when the data are loaded",
        "headline": metric_of(card.headline).label,
        "metrics": "; ".join(metric_of(name).label for name in metrics),
        "also for": ", ".join(name.replace("_", " ") for name in strata),
        "licence": card.licence,
        "suites": ", ".join(sorted(suite.suite for suite in suites if task.name in suite.tasks)),
    }
    return [(name, text) for name, text in pairs.items() if text]


def origins(source: Source) -> list[str]:
    """Return where ``goldieval data get`` fetches the files of a source from: a hub repository, and addresses."""
    hub = [f"{source.hub} on the Hugging Face Hub"] if source.hub else []
    return [*hub, *(download.url for download in source.urls)]


def by_hand(source: Source) -> str:
    """Return what has to be done by hand, as a sentence."""
    return f"{'The rest by hand' if origins(source) else 'By hand'}: {source.manual.rstrip('.')}."


def into_folder(source: Source) -> str:
    """Return where files go of which the card says nothing else."""
    return f"Put its files into the folder {source.id or source.path} of the data root."


def guesses(task: Task) -> list[str]:
    """Return what the headline is for a guess, for a guess from the texts alone, and at best, as far as it is known."""
    card, metric = task.card, metric_of(task.card.headline)
    return [
        f"{what}: {metric.text(number)} {'%' if metric.unit is PERCENT else metric.unit.name}"
        for what, number in (
            ("A random guess", card.chance),
            ("A guess from the texts alone, without the image", card.blind),
            ("A perfect model", card.ceiling),
        )
        if number is not None
    ]
