"""Many scenes as arrays: which of them satisfy a caption, and which give a question a certain answer."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from goldieval.data.shapes.meaning import ATTRIBUTES, RELATIONS, ObjectDescription, SceneQuery, SceneQuestion, holds
from goldieval.data.shapes.world import Background, Scene


class Gallery:
    """Scenes as boolean arrays over object slots; ``slots`` is the largest number of objects in a scene."""

    def __init__(self, scenes: Sequence[Scene]) -> None:
        self.scenes = scenes
        self.slots = max((len(scene.objects) for scene in scenes), default=0)
        self.fits: dict[ObjectDescription, np.ndarray] = {}  # (scenes, slots): objects that match a description
        self.backgrounds: dict[Background, np.ndarray] = {}  # (scenes,): scenes with a background
        self.holds = {name: self._related(name) for name in RELATIONS}  # (scenes, slots, slots)
        self.attributes = {name: self._values(name) for name in ATTRIBUTES}  # (scenes, slots) of words, "" if empty

    def satisfying(self, query: SceneQuery) -> np.ndarray:
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
        # (rows, slots, … slots): one axis per object of the query; true for assignments that satisfy it.
        works = _distinct(number, self.slots)
        for axis, one in enumerate(fits):
            works = works & _spread(one[rows], number, axis)
        for relation in query.relations:
            works = works & _spread_pair(self.holds[relation.name][rows], number, relation.first, relation.second)
        return np.asarray(rows[works.reshape(len(rows), -1).any(axis=1)])

    def answering(self, meaning: SceneQuestion, answer: str | None) -> np.ndarray:
        """Return the indices of the scenes to which a question applies, with the given answer unless it is None."""
        fits = self._fits(meaning.subject)
        number = fits.sum(axis=1)
        if meaning.type in ("count", "existence"):
            words = number.astype("U1") if meaning.type == "count" else np.where(number > 0, "yes", "no")
            return np.arange(len(self.scenes)) if answer is None else np.flatnonzero(words == answer)
        rows = np.flatnonzero(number == 1)
        slot = fits[rows].argmax(axis=1)
        if meaning.type == "relation":
            return self._answering_relation(meaning, answer, rows, slot)
        return rows if answer is None else np.asarray(rows[self.attributes[meaning.type][rows, slot] == answer])

    def _answering_relation(
        self, meaning: SceneQuestion, answer: str | None, rows: np.ndarray, slot: np.ndarray
    ) -> np.ndarray:
        """Return those of ``rows``, whose subject is in ``slot``, with exactly one other object that matches."""
        assert meaning.other is not None and meaning.relation is not None
        fits = self._fits(meaning.other)[rows]
        other = fits.argmax(axis=1)
        keep = (fits.sum(axis=1) == 1) & (other != slot)
        if answer is not None:
            keep &= self.holds[meaning.relation][rows, slot, other] == (answer == "yes")
        return np.asarray(rows[keep])

    def _lies_on(self, background: Background) -> np.ndarray:
        if background not in self.backgrounds:
            same = [scene.background == background for scene in self.scenes]
            self.backgrounds[background] = np.array(same, dtype=bool)
        return self.backgrounds[background]

    def _fits(self, wanted: ObjectDescription) -> np.ndarray:
        if wanted not in self.fits:
            mentioned = [(name, getattr(wanted, name)) for name in ATTRIBUTES if getattr(wanted, name) is not None]
            there = self.attributes["shape"] != ""
            self.fits[wanted] = np.logical_and.reduce(
                [there, *(self.attributes[name] == word for name, word in mentioned)]
            )
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
    """Return whether the chosen slots all differ, shape (1, slots, … slots)."""
    index = np.indices((slots,) * number)
    pairs = itertools.combinations(range(number), 2)
    different = np.logical_and.reduce(
        [np.ones((slots,) * number, dtype=bool), *(index[i] != index[j] for i, j in pairs)]
    )
    return np.asarray(different)[None]


def _spread(fits: np.ndarray, number: int, axis: int) -> np.ndarray:
    """Reshape (rows, slots) to one axis per object, varying along the given one of ``number`` axes."""
    rows, slots = fits.shape
    return fits.reshape(rows, *(slots if i == axis else 1 for i in range(number)))


def _spread_pair(related: np.ndarray, number: int, first: int, second: int) -> np.ndarray:
    """Reshape (rows, slots, slots) likewise, varying along two axes."""
    rows, slots, _ = related.shape
    ordered = related if first < second else related.transpose(0, 2, 1)
    return ordered.reshape(rows, *(slots if i in (first, second) else 1 for i in range(number)))
