"""Captions of a table: their ids, and how those of several rows of one image are joined."""

from __future__ import annotations

import hashlib

from goldieval.core.errors import TaskError
from goldieval.data.samples import AnnotatedImage


def named_captions(image_id: str, texts: list[str], in_order: bool) -> list[tuple[str, str]]:
    """Return captions with ids: their position in the row's list or, with one row per caption, a hash of the text.

    The order of rows is not a property of the data and must not affect an id.
    """
    if in_order:
        return [(f"{image_id}#{number}", text) for number, text in enumerate(texts)]
    return [(f"{image_id}#{hashlib.sha256(text.encode()).hexdigest()[:8]}", text) for text in texts]


def join_captions(
    where: str, known: AnnotatedImage, texts: dict[str, str], again: AnnotatedImage, allow_missing: bool
) -> list[tuple[str, str]]:
    """Add the captions of a row to an earlier row of the same image; return (image id, text) of those it has already.

    Args:
        where: Location of the row for error messages.
        known: The image with the captions of earlier rows.
        texts: These captions by their ids; those of the row are added.
        again: The image with the captions of the row.
        allow_missing: Whether the row may lack a caption.

    Raises:
        TaskError: The row has no caption, so that one of the two is redundant or wrong; or another group.
    """
    if known.group != again.group:
        raise TaskError(
            f"{where}: image {known.image.id!r} is of group {again.group!r}, in an earlier row of {known.group!r}."
        )
    if not again.captions and not allow_missing:
        raise TaskError(f"{where}: image id {known.image.id!r} occurs twice. Give every image one row.")
    repeats = [(known.image.id, text) for id, text in again.captions if texts.get(id) == text]
    new = [(id, text) for id, text in again.captions if texts.get(id) != text]
    if not isinstance(known.captions, list):
        known.captions = list(known.captions)
    known.captions.extend(new)  # a new list for each row would take time quadratic in the captions of an image
    texts |= new
    return repeats
