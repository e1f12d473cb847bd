"""Samples of a data set as one line each, so that a wrong guess about its layout is seen."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from goldieval.core.errors import listing
from goldieval.data.image_source import NoImage
from goldieval.data.manage.preview.samples import box_names, question_roles
from goldieval.data.masks import IGNORED
from goldieval.data.samples import Dataset, ImageSample

SHOWN = 3  # number of samples
LONGEST = 70  # characters of a text


def sample_lines(dataset: Dataset, class_labels: Sequence[str] | None) -> list[str]:
    """Return a line for each of a few evenly spaced samples: image, its size, and its caption, class or mask."""
    count = len(dataset.images) if dataset.choices is None else len(dataset.choices)
    places = sorted({round(part * (count - 1) / (SHOWN - 1)) for part in range(SHOWN)})
    return [f"  {_sample(dataset, class_labels or (), place)}" for place in places]


def _sample(dataset: Dataset, labels: Sequence[str], place: int) -> str:
    if dataset.choices is not None:
        return _choice(dataset, dataset.choices[place])
    about = [
        *_boxes(dataset, place),
        *_mask(dataset, labels, place),
        *_label(dataset, labels, place),
        *_captions(dataset, place),
    ]
    return f"{_picture(dataset.images[place])}: {'; '.join(about) or 'no caption'}"


def _picture(image: ImageSample) -> str:
    name = image.shown_name
    if isinstance(image.source, NoImage):
        return f"{name} (no image file)"
    try:
        width, height = image.source.open().size
    except OSError as error:
        return f"{name} ({error.strerror or error})"
    return f"{name} ({width} x {height})"


def _mask(dataset: Dataset, labels: Sequence[str], place: int) -> list[str]:
    """Return the classes with the most pixels, and their shares of all pixels."""
    if dataset.masks is None:
        return []
    classes, counts = np.unique(dataset.masks[place].read(), return_counts=True)
    shares = sorted(zip(counts / counts.sum(), classes.tolist(), strict=True), reverse=True)
    words = [
        f"{'ignored' if label == IGNORED else labels[label].partition(':')[0]} {share:.0%}" for share, label in shares
    ]
    return [listing(words, 4)]


def _boxes(dataset: Dataset, place: int) -> list[str]:
    """Return what the boxes of an image show."""
    if dataset.boxes is None:
        return []
    own = [name for name, image in zip(box_names(dataset), dataset.boxes.image.tolist(), strict=True) if image == place]
    return [f"{len(own):,} boxes: {listing([_quoted(name) for name in own])}"]


def _label(dataset: Dataset, labels: Sequence[str], place: int) -> list[str]:
    return [] if dataset.labels is None else [labels[dataset.labels[place]]]


def _captions(dataset: Dataset, place: int) -> list[str]:
    """Return the first caption of an image, or the first question about it with its answer."""
    if dataset.positives is None:
        return []
    if dataset.types is not None and dataset.owner is not None:
        roles = question_roles(dataset, int(np.flatnonzero(dataset.owner == place)[0]))
        return [f"{role} {_quoted(text)}" for role, text in roles]
    texts = [dataset.texts[text].text for text, image in dataset.positives if image == place]
    more = f" and {len(texts) - 1} more" if len(texts) > 1 else ""
    return [f"{_quoted(texts[0])}{more}"] if texts else []


def _choice(dataset: Dataset, candidates: np.ndarray) -> str:
    """Return the true candidate of a query, and what it is compared with: other texts, or other images."""
    (image, text), others = candidates[0], candidates[1:]
    of_texts = all(other == image for other, _ in others)
    wrong = [
        _quoted(dataset.texts[other_text].text) if of_texts else _picture(dataset.images[other_image])
        for other_image, other_text in others
    ]
    return f"{_picture(dataset.images[image])}: {_quoted(dataset.texts[text].text)}, not {listing(wrong, 1)}"


def _quoted(text: str) -> str:
    return f'"{text}"' if len(text) <= LONGEST else f'"{text[:LONGEST].rstrip()}…"'
