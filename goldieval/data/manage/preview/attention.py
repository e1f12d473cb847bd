"""Lines on what may make a score mean something else than it seems."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from goldieval.core.errors import listing
from goldieval.data.duplicates import Repeats
from goldieval.data.manage.preview.classes import ClassCount
from goldieval.data.manage.preview.images import ImageFacts
from goldieval.data.manage.preview.texts import TextLengths
from goldieval.families.base import Prepared

SMALL = 4  # images of a class, below which its accuracy says little


def attention(
    prepared: Prepared[Any],
    images: ImageFacts,
    classes: Sequence[ClassCount],
    texts: TextLengths | None,
    repeated: Repeats | None,
) -> list[str]:
    """Return what to look at before measuring; empty if nothing is unusual."""
    return [*_of_images(prepared, images), *_of_texts(texts, repeated), *_of_classes(classes)]


def _of_images(prepared: Prepared[Any], images: ImageFacts) -> Iterator[str]:
    if images.unreadable:
        named = listing(f"{id} ({reason})" for id, reason in images.unreadable.items())
        yield f"images that cannot be read: {len(images.unreadable):,}: {named}"
    if images.without:
        yield f"samples with an id but no image: {images.without:,}"
    if images.twice:
        yield f"images that occur more than once: {sum(map(len, images.twice)):,}, in groups: {len(images.twice):,}"
    if differing := _with_other_labels(prepared, images.twice):
        yield f"groups of equal images with different classes, on which no model can be right: {differing:,}"
    if leaked := _in_both_splits(prepared, images.twice):
        yield f"test images that are training images too: {leaked:,}"


def _of_texts(texts: TextLengths | None, repeated: Repeats | None) -> Iterator[str]:
    if repeated and repeated.captions:
        yield (
            f"captions that several images share, so that the right image is ambiguous: {repeated.captions:,}, "
            f"of {repeated.images:,} images"
        )
    if texts and texts.cut:
        yield (
            f"texts longer than the context of {texts.context} tokens ({texts.reader}): "
            f"{texts.cut:,} of {texts.texts:,}"
        )


def _of_classes(classes: Sequence[ClassCount]) -> Iterator[str]:
    if empty := [each.name for each in classes if not each.images]:
        yield f"classes without an image: {len(empty):,} of {len(classes):,}: {listing(empty)}"
    few = [each.name for each in classes if 0 < each.images < SMALL and each.share is None]
    if few:
        yield f"classes with fewer than {SMALL} images: {len(few):,} of {len(classes):,}: {listing(few)}"


def _with_other_labels(prepared: Prepared[Any], groups: Sequence[Sequence[int]]) -> int:
    labels = prepared.dataset.labels
    return 0 if labels is None else sum(len({int(labels[row]) for row in group}) > 1 for group in groups)


def _in_both_splits(prepared: Prepared[Any], groups: Sequence[Sequence[int]]) -> int:
    """Return the number of test images whose content is that of a training image."""
    train = prepared.dataset.train
    if train is None:
        return 0
    return sum(sum(not train[row] for row in group) for group in groups if any(train[row] for row in group))
