"""Images of a table of outcomes by their paths, whose leading folders differ from machine to machine."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence

from goldieval.core.errors import GoldievalError


class ImageNames:
    """The images of annotations, found by their ids or by as much of a path as tells them apart."""

    def __init__(self, images: Sequence[tuple[str, str]]) -> None:
        """Index images.

        Args:
            images: id and path of each image; a path may be empty.
        """
        self._ids = {id: number for number, (id, _) in enumerate(images)}
        self._ends: dict[str, set[int]] = defaultdict(set)
        for number, (_, path) in enumerate(images):
            for end in _ends(path):
                self._ends[end].add(number)

    def find(self, name: str) -> int | None:
        """Return the number of the image with an id or a path; None if there is none, or several that fit."""
        if name in self._ids:
            return self._ids[name]
        fits = next((self._ends[end] for end in _ends(name) if end in self._ends), set())
        return next(iter(fits)) if len(fits) == 1 else None


def distinct_names(rows: Sequence[tuple[str, str]]) -> list[str]:
    """Return names by which images are told apart: file names or, where folders have the same ones, ends of paths.

    Args:
        rows: location for error messages, and id or path of each image.

    Raises:
        GoldievalError: two rows are about one image.

    >>> distinct_names([("t:2", "/data/val/cat/1.jpg"), ("t:3", "/data/val/dog/1.jpg")])
    ['cat/1.jpg', 'dog/1.jpg']
    """
    first: dict[str, str] = {}
    for where, name in rows:
        if first.setdefault(name, where) != where:
            raise GoldievalError(f"{where}: {first[name]} is about the same image: {name[:60]!r}.")
    parts = [_parts(name) for _, name in rows]
    deepest = max((len(each) for each in parts), default=1)
    ends = (["/".join(each[-depth:]) for each in parts] for depth in range(1, deepest + 1))
    return next((names for names in ends if len(set(names)) == len(names)), [name for _, name in rows])


def _parts(path: str) -> list[str]:
    return [part for part in re.split(r"[/\\]", path) if part]


def _ends(path: str) -> Iterator[str]:
    """Yield the ends of a path, the whole first and the file's name last."""
    parts = _parts(path)
    for start in range(len(parts)):
        yield "/".join(parts[start:])
