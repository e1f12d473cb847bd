"""Which scenes satisfy a caption, and what a question's answer is on a scene.

``satisfies`` and ``answer`` are the plain definitions; ``relevant`` is the same as ``satisfies`` on arrays, in blocks
of scenes, for galleries.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import numpy as np

from goldieval.data.shapes.meaning import ATTRIBUTES, RELATIONS, Ask, Query, Wanted, holds
from goldieval.data.shapes.world import Background, Obj, Scene


def satisfies(query: Query, scene: Scene) -> bool:
    """Say whether distinct objects of the scene can be found for all that the query says."""
    if query.background not in (None, scene.background):
        return False
    return any(_fits(query, chosen) for chosen in itertools.permutations(scene.objects, len(query.objects)))


def _fits(query: Query, chosen: Sequence[Obj]) -> bool:
    objects = all(wanted.fits(obj) for wanted, obj in zip(query.objects, chosen, strict=True))
    return objects and all(holds(r.name, chosen[r.first], chosen[r.second]) for r in query.relations)


def answer(meaning: Ask, scene: Scene) -> str | None:
    """Return the question's one answer, or None where it does not apply (no such object, or more than one)."""
    return _ANSWERS[meaning.type](meaning, scene)


def _fitting(wanted: Wanted | None, scene: Scene) -> list[Obj]:
    return [obj for obj in scene.objects if wanted and wanted.fits(obj)]


def _attribute(meaning: Ask, scene: Scene) -> str | None:
    found = _fitting(meaning.subject, scene)
    return str(getattr(found[0], meaning.type)) if len(found) == 1 else None


def _count(meaning: Ask, scene: Scene) -> str:
    return str(len(_fitting(meaning.subject, scene)))


def _existence(meaning: Ask, scene: Scene) -> str:
    return "yes" if _fitting(meaning.subject, scene) else "no"


def _relation(meaning: Ask, scene: Scene) -> str | None:
    first, second = _fitting(meaning.subject, scene), _fitting(meaning.other, scene)
    if len(first) != 1 or len(second) != 1 or first == second:
        return None
    return "yes" if holds(str(meaning.relation), first[0], second[0]) else "no"


_ANSWERS: dict[str, Callable[[Ask, Scene], str | None]] = {
    **dict.fromkeys(ATTRIBUTES, _attribute),
    "count": _count,
    "existence": _existence,
    "relation": _relation,
}


def relevant(queries: Sequence[Query], scenes: Sequence[Scene]) -> np.ndarray:
    """Return all pairs (query index, scene index) where the scene satisfies the query, sorted; int64, (pairs, 2)."""
    gallery = _Gallery(scenes)
    found = [gallery.satisfying(query) for query in queries]
    query_index = np.repeat(np.arange(len(queries)), [len(rows) for rows in found])
    return np.stack([query_index, np.concatenate([np.zeros(0, np.int64), *found])], axis=1).astype(np.int64)


class _Gallery:
    """Scenes as boolean arrays over object slots; ``slots`` is the largest number of objects in a scene."""

    def __init__(self, scenes: Sequence[Scene]) -> None:
        self.scenes = scenes
        self.slots = max((len(scene.objects) for scene in scenes), default=0)
        self.fits: dict[Wanted, np.ndarray] = {}  # (scenes, slots): which objects a constraint fits
        self.backgrounds: dict[Background, np.ndarray] = {}  # (scenes,): which scenes lie on it
        self.holds = {name: self._related(name) for name in RELATIONS}  # (scenes, slots, slots)
        self.attributes = {name: self._values(name) for name in ATTRIBUTES}  # (scenes, slots) of words, "" if no object

    def satisfying(self, query: Query) -> np.ndarray:
        """Return the indices of the scenes that satisfy a query."""
        number = len(query.objects)
        fits = [self._fits(wanted) for wanted in query.objects]
        possible = np.ones(len(self.scenes), dtype=bool)
        if query.background is not None:
            possible &= self._lies_on(query.background)
        for one in fits:
            possible &= one.any(axis=1)
        rows = np.flatnonzero(possible)
        if not number or not len(rows):
            return rows
        # (rows, slots, … slots): one axis for each object of the query; true where that assignment works.
        works = _distinct(number, self.slots)
        for axis, one in enumerate(fits):
            works = works & _spread(one[rows], number, axis)
        for relation in query.relations:
            works = works & _spread_pair(self.holds[relation.name][rows], number, relation.first, relation.second)
        return np.asarray(rows[works.reshape(len(rows), -1).any(axis=1)])

    def _lies_on(self, background: Background) -> np.ndarray:
        if background not in self.backgrounds:
            same = [scene.background == background for scene in self.scenes]
            self.backgrounds[background] = np.array(same, dtype=bool)
        return self.backgrounds[background]

    def _fits(self, wanted: Wanted) -> np.ndarray:
        if wanted not in self.fits:
            said = [(name, getattr(wanted, name)) for name in ATTRIBUTES if getattr(wanted, name) is not None]
            there = self.attributes["shape"] != ""
            self.fits[wanted] = np.logical_and.reduce([there, *(self.attributes[name] == word for name, word in said)])
        return self.fits[wanted]

    def _values(self, name: str) -> np.ndarray:
        words = np.full((len(self.scenes), self.slots), "", dtype="U16")
        for row, scene in enumerate(self.scenes):
            words[row, : len(scene.objects)] = [getattr(obj, name) for obj in scene.objects]
        return words

    def _related(self, name: str) -> np.ndarray:
        related = np.zeros((len(self.scenes), self.slots, self.slots), dtype=bool)
        for row, scene in enumerate(self.scenes):
            for (i, first), (j, second) in itertools.permutations(enumerate(scene.objects), 2):
                related[row, i, j] = holds(name, first, second)
        return related


def _distinct(number: int, slots: int) -> np.ndarray:
    """Return (1, slots, … slots): whether the chosen slots all differ."""
    index = np.indices((slots,) * number)
    pairs = itertools.combinations(range(number), 2)
    different = np.logical_and.reduce(
        [np.ones((slots,) * number, dtype=bool), *(index[i] != index[j] for i, j in pairs)]
    )
    return np.asarray(different)[None]


def _spread(fits: np.ndarray, number: int, axis: int) -> np.ndarray:
    """Give (rows, slots) one axis for each of ``number`` objects, so that it varies along the given one."""
    rows, slots = fits.shape
    return fits.reshape(rows, *(slots if i == axis else 1 for i in range(number)))


def _spread_pair(related: np.ndarray, number: int, first: int, second: int) -> np.ndarray:
    """The same for (rows, slots, slots), which varies along two axes."""
    rows, slots, _ = related.shape
    ordered = related if first < second else related.transpose(0, 2, 1)
    return ordered.reshape(rows, *(slots if i in (first, second) else 1 for i in range(number)))
