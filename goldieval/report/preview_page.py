"""The preview of a task as one self-contained page: samples, what to look at, classes, texts, duplicates and sizes.

All text from the data is escaped by the template; the page contains no script and loads nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from goldieval.core.errors import GoldievalError
from goldieval.core.files import atomic_write
from goldieval.data.manage.preview.classes import ClassCount
from goldieval.data.manage.preview.facts import Preview
from goldieval.report.histogram import histogram
from goldieval.report.page_parts import environment, style_of
from goldieval.report.preview_pictures import SamplePictures, data_url

CLASSES_SHOWN, GROUPS_SHOWN, IN_GROUP = 24, 8, 4


def write_preview(file: Path, preview: Preview) -> int:
    """Write the page atomically; return its size in bytes.

    Raises:
        GoldievalError: The file cannot be written.
    """
    content = render(preview).encode()
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(file, content)
    except OSError as error:
        raise GoldievalError(f"cannot write {file}: {error.strerror or error}. Choose another --out.") from error
    return len(content)


def render(preview: Preview) -> str:
    """Return the page as HTML."""
    card = preview.task.card
    return (
        environment()
        .get_template("preview.html")
        .render(
            style=style_of("preview"),
            name=card.name,
            title=card.title,
            facts=[("family", card.family), ("protocol", preview.task.protocol), ("licence", card.licence)],
            counts=[(f"{number:,}", what) for what, number in preview.counts.items()],
            attention=preview.attention,
            samples=_samples(preview),
            classes=_bars(preview.classes),
            classes_shown=CLASSES_SHOWN,
            texts=_texts(preview),
            groups=_groups(preview),
            more_groups=max(0, len(preview.images.twice) - GROUPS_SHOWN),
            sizes=_sizes(preview),
        )
    )


def _samples(preview: Preview) -> list[dict[str, Any]]:
    pictures = SamplePictures(preview)
    return [
        {
            "id": sample.image.shown_name,
            "pictures": [data_url(picture) for picture in pictures.of(sample)],
            "fault": pictures.faults.get(sample.image.id, ""),
            "label": sample.label,
            "train": sample.train,
            "texts": sample.texts,
            "more": sample.more_texts,
            "classes": pictures.classes_of(sample),
        }
        for sample in preview.samples
    ]


@dataclass(frozen=True)
class _Bar:
    name: str
    text: str
    percent: float  # length of the bar


def _bars(classes: Sequence[ClassCount]) -> list[_Bar]:
    """Return classes with the largest first; with masks by their share of the pixels."""
    ordered = sorted(classes, key=lambda each: -(each.images if each.share is None else each.share))
    most = max((each.images if each.share is None else each.share for each in ordered), default=0) or 1
    return [
        _Bar(each.name, _counted(each), round(100 * (each.images if each.share is None else each.share) / most, 2))
        for each in ordered
    ]


def _counted(each: ClassCount) -> str:
    if each.share is not None:
        return f"{100 * each.share:.2g} % of pixels, {each.images:,} images"
    return f"{each.images:,}" + (f" ({each.train:,} for training)" if each.train else "")


def _texts(preview: Preview) -> dict[str, Any] | None:
    texts = preview.texts
    if texts is None:
        return None
    lengths = np.asarray(texts.lengths)
    return {
        "plot": histogram(texts.lengths, texts.unit, texts.context),
        "count": f"{texts.texts:,}",
        "unit": texts.unit,
        "median": f"{np.median(lengths):,.0f}",
        "most": f"{lengths.max():,}",
        "reader": texts.reader,
        "context": f"{texts.context:,}" if texts.context else "",
        "cut": f"{texts.cut:,}",
        "share": f"{100 * texts.cut / texts.texts:.1f}",
        "longest": [(each.kept, each.lost, f"{each.tokens:,}") for each in texts.longest],
    }


def _groups(preview: Preview) -> list[dict[str, Any]]:
    """Return the first groups of equal images, with one picture and the class or file of each member."""
    dataset, names = preview.prepared.dataset, preview.prepared.class_labels
    pictures = SamplePictures(preview)

    def about(row: int) -> str:
        image = dataset.images[row]
        label = f" ({names[int(dataset.labels[row])]})" if names and dataset.labels is not None else ""
        return f"{image.shown_name}{label}"

    return [
        {
            "picture": [data_url(picture) for picture in pictures.picture(dataset.images[group[0]])],
            "members": [about(row) for row in group[:IN_GROUP]],
            "more": max(0, len(group) - IN_GROUP),
        }
        for group in preview.images.twice[:GROUPS_SHOWN]
    ]


def _sizes(preview: Preview) -> dict[str, Any] | None:
    sizes = preview.images.sizes
    if not sizes:
        return None
    areas = sorted(sizes, key=lambda size: size[0] * size[1])
    if areas[0] == areas[-1] and len(set(sizes)) == 1:
        return {"plot": "", "rows": [("all", _pixels(sizes[0]), "")], "distinct": ""}
    small, large = (preview.prepared.dataset.images[row] for row in preview.images.extreme or ())
    rows = [
        ("smallest", _pixels(areas[0]), small.path or small.id),
        ("median", _pixels(areas[len(areas) // 2]), ""),
        ("largest", _pixels(areas[-1]), large.path or large.id),
    ]
    shorter = [min(size) for size in sizes]
    return {"plot": histogram(shorter, "px"), "rows": rows, "distinct": f"{len(set(sizes)):,}"}


def _pixels(size: tuple[int, int]) -> str:
    return f"{size[0]:,} × {size[1]:,}"
