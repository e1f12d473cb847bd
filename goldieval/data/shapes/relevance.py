"""Which scenes satisfy a caption, and the answer to a question on a scene.

``satisfies`` and ``answer`` are the reference definitions; ``relevant`` and ``answered`` compute the same on arrays,
for galleries.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import numpy as np

from goldieval.data.shapes.gallery import Gallery
from goldieval.data.shapes.meaning import ATTRIBUTES, ObjectDescription, SceneQuery, SceneQuestion, holds
from goldieval.data.shapes.world import Obj, Scene


def satisfies(query: SceneQuery, scene: Scene) -> bool:
    """Return whether distinct objects of the scene satisfy the query."""
    if query.background not in (None, scene.background):
        return False
    return any(_fits(query, chosen) for chosen in itertools.permutations(scene.objects, len(query.objects)))


def _fits(query: SceneQuery, chosen: Sequence[Obj]) -> bool:
    objects = all(wanted.fits(obj) for wanted, obj in zip(query.objects, chosen, strict=True))
    return objects and all(holds(r.name, chosen[r.first], chosen[r.second]) for r in query.relations)


def answer(meaning: SceneQuestion, scene: Scene) -> str | None:
    """Return the question's only answer, or None if it does not apply (no such object, or several)."""
    return _ANSWERS[meaning.type](meaning, scene)


def _fitting(wanted: ObjectDescription | None, scene: Scene) -> list[Obj]:
    return [obj for obj in scene.objects if wanted and wanted.fits(obj)]


def _attribute(meaning: SceneQuestion, scene: Scene) -> str | None:
    found = _fitting(meaning.subject, scene)
    return str(getattr(found[0], meaning.type)) if len(found) == 1 else None


def _count(meaning: SceneQuestion, scene: Scene) -> str:
    return str(len(_fitting(meaning.subject, scene)))


def _existence(meaning: SceneQuestion, scene: Scene) -> str:
    return "yes" if _fitting(meaning.subject, scene) else "no"


def _relation(meaning: SceneQuestion, scene: Scene) -> str | None:
    first, second = _fitting(meaning.subject, scene), _fitting(meaning.other, scene)
    if len(first) != 1 or len(second) != 1 or first == second:
        return None
    return "yes" if holds(str(meaning.relation), first[0], second[0]) else "no"


_ANSWERS: dict[str, Callable[[SceneQuestion, Scene], str | None]] = {
    **dict.fromkeys(ATTRIBUTES, _attribute),
    "count": _count,
    "existence": _existence,
    "relation": _relation,
}


def relevant(queries: Sequence[SceneQuery], scenes: Sequence[Scene]) -> np.ndarray:
    """Return all pairs (query index, scene index) where the scene satisfies the query, sorted; int64, (pairs, 2)."""
    gallery = Gallery(scenes)
    return _pairs([gallery.satisfying(query) for query in queries])


def answered(meanings: Sequence[SceneQuestion], scenes: Sequence[Scene], answers: Sequence[str | None]) -> np.ndarray:
    """Return all pairs (question index, scene index) where the scene gives that answer, sorted; int64, (pairs, 2).

    An answer of None means any: all scenes to which the question applies.
    """
    gallery = Gallery(scenes)
    return _pairs([gallery.answering(meaning, wanted) for meaning, wanted in zip(meanings, answers, strict=True)])


def _pairs(found: list[np.ndarray]) -> np.ndarray:
    query_index = np.repeat(np.arange(len(found)), [len(rows) for rows in found])
    return np.stack([query_index, np.concatenate([np.zeros(0, np.int64), *found])], axis=1).astype(np.int64)
