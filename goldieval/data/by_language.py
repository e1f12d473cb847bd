"""Images with captions in several languages: the common part of the readers that read them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from goldieval.core.errors import TaskError
from goldieval.data.samples import Dataset, ImageSample, TextSample


def dataset_by_language(images: Sequence[ImageSample], captions: Mapping[str, Sequence[Sequence[str]]]) -> Dataset:
    """Return the dataset; each language is a group of texts, where there are several.

    Args:
        images: The images.
        captions: Captions of each image by language.

    Raises:
        TaskError: There is no caption, or as for ``Dataset``.
    """
    rows = [
        (language, row, number, text)
        for language, of_images in captions.items()
        for row, texts in enumerate(of_images)
        for number, text in enumerate(texts)
    ]
    if not rows:
        raise TaskError("there is no caption in any language.")
    several = len(captions) > 1
    texts = [
        TextSample(f"{images[row].id}#{language if several else ''}{number}", text)
        for language, row, number, text in rows
    ]
    owner = np.asarray([row for _, row, _, _ in rows], dtype=np.int64)
    language_of = np.asarray([language for language, *_ in rows])
    return Dataset(
        images=list(images),
        texts=texts,
        positives=np.stack([np.arange(len(texts)), owner], axis=1),
        owner=owner,
        strata={language: language_of == language for language in captions} if several else {},
    )
