"""The pictures of a task: their sizes, those that occur twice, and those that cannot be read."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from goldieval.core.containment import error_line
from goldieval.core.meter import tracked
from goldieval.core.threads import map_ahead
from goldieval.data.decode import key_of, size_of
from goldieval.data.image_source import EncodedImage, NoImage
from goldieval.data.samples import ImageSample


@dataclass(frozen=True)
class ImageFacts:
    """What reading every picture once shows; pixels are not decoded.

    Attributes:
        sizes: Width and height in pixels of each picture that has a header.
        extreme: Index of the smallest and of the largest of these pictures.
        twice: Groups of indices of pictures with the same content.
        unreadable: Id of a picture to the reason.
        without: Number of samples without a picture.
    """

    sizes: list[tuple[int, int]] = field(default_factory=list)
    extreme: tuple[int, int] | None = None
    twice: list[list[int]] = field(default_factory=list)
    unreadable: dict[str, str] = field(default_factory=dict)
    without: int = 0


def image_facts(images: Sequence[ImageSample], workers: int) -> ImageFacts:
    """Read every picture once.

    Args:
        images: The pictures.
        workers: Number of threads that read.
    """
    found: dict[int, tuple[int, int]] = {}
    rows: dict[str, list[int]] = defaultdict(list)
    unreadable: dict[str, str] = {}
    drawn = [row for row, image in enumerate(images) if not isinstance(image.source, NoImage)]
    results = map_ahead(lambda row: _read(images[row]), drawn, workers)
    for row, result in tracked(results, "reading images", len(drawn)):
        if isinstance(result, str):
            unreadable[images[row].id] = result
            continue
        key, size = result
        rows[key].append(row)
        if size:
            found[row] = size
    by_area = sorted(found, key=lambda row: found[row][0] * found[row][1])
    return ImageFacts(
        sizes=list(found.values()),
        extreme=(by_area[0], by_area[-1]) if by_area else None,
        twice=[group for group in rows.values() if len(group) > 1],
        unreadable=unreadable,
        without=len(images) - len(drawn),
    )


def _read(image: ImageSample) -> tuple[str, tuple[int, int] | None] | str:
    """Return content key and size of a picture, or why it cannot be read. A drawn picture has no size of its own."""
    try:
        if not isinstance(image.source, EncodedImage):
            return image.source.key(), None
        content = image.source.read()
        return key_of(content), size_of(content)
    except OSError as error:
        return str(error.strerror or error)
    except Exception as error:  # a container with invalid content
        return error_line(error)
