"""Images without a caption, and captions that occur twice for one image: refuse, leave out, or keep them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

from goldieval.core.errors import listing
from goldieval.data.samples import AnnotatedImage, Dataset, dataset_of
from goldieval.data.source import Source
from goldieval.data.table_files import is_missing

Uncaptioned = Literal["error", "leave out", "keep"]
Repeated = Literal["keep", "once"]


class CaptionedSource(Source):
    """The source of a reader of captions.

    Attributes:
        uncaptioned: Images without a caption: ``error``, ``leave out``, or ``keep`` in the gallery.
        repeated: A caption that an image has several times: ``keep``, or count it ``once``.
    """

    uncaptioned: Uncaptioned = "error"
    repeated: Repeated = "keep"

    @property
    def allows_missing(self) -> bool:
        """Whether an image may lack its caption."""
        return self.uncaptioned != "error"

    def dataset(
        self, rows: Sequence[AnnotatedImage], class_names: list[str] | None = None, notes: Sequence[str] = ()
    ) -> Dataset:
        """Return the dataset of annotated images under these rules. Raises TaskError like ``dataset_of``."""
        kept = list(rows)
        changes: list[str] = []
        if self.repeated == "once":
            kept, changes = _each_caption_once(kept)
        without = [row.image.id for row in kept if not row.captions]
        if without and len(without) < len(kept):
            changes += _uncaptioned_note(without, self.uncaptioned)
            kept = [row for row in kept if row.captions] if self.uncaptioned == "leave out" else kept
        return dataset_of(kept, class_names, [*notes, *changes], gallery=self.uncaptioned == "keep")


def count_of(images: Sequence[object]) -> str:
    """Return a number of images in words.

    >>> count_of("a"), count_of("ab")
    ('1 image', '2 images')
    """
    return f"{len(images):,} image{'' if len(images) == 1 else 's'}"


def without_missing(value: Any, markers: Sequence[str]) -> list[Any]:
    """Return the captions of one value, a text or a list, that are not missing.

    >>> without_missing(["a", None, ""], ["NA"]), without_missing("NA", ["NA"]), without_missing("a", ())
    (['a'], [], ['a'])
    """
    return [each for each in (value if isinstance(value, list) else [value]) if not is_missing(each, markers)]


def repeated_note(repeats: Sequence[tuple[str, str]]) -> list[str]:
    """Return a note on captions, as (image id, text), that an image has several times; none if there are none."""
    if not repeats:
        return []
    id, text = repeats[0]
    times = (
        "1 caption repeats another of its image and counts"
        if len(repeats) == 1
        else (f"{len(repeats):,} captions repeat another of their image and count")
    )
    return [f"{times} once (first: {text[:60]!r} of {id})"]


def _uncaptioned_note(without: list[str], rule: Uncaptioned) -> list[str]:
    """Return a note on images without a caption; none if ``dataset_of`` refuses them."""
    shown = f"{count_of(without)} without a caption"
    return {
        "error": [],
        "leave out": [f"left out: {shown}: {listing(without)}"],
        "keep": [f"{shown} in the gallery, which no caption is about: {listing(without)}"],
    }[rule]


def _each_caption_once(rows: list[AnnotatedImage]) -> tuple[list[AnnotatedImage], list[str]]:
    kept, repeats = [], []
    for row in rows:
        captions: dict[str, tuple[str, str]] = {}
        for id, text in row.captions:
            captions.setdefault(text.strip(), (id, text))
        seen = {id for id, _ in captions.values()}
        repeats += [(row.image.id, text) for id, text in row.captions if id not in seen]
        kept.append(replace(row, captions=list(captions.values())))
    return kept, repeated_note(repeats)
