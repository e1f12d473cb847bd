"""Foils for training: the choices between captions of two objects that tasks use as well."""

from __future__ import annotations

from goldieval.data.shapes.composition import choices
from goldieval.data.shapes.language import Caption
from goldieval.data.shapes.meaning import SceneQuery
from goldieval.data.shapes.world import HELD_OUT, Scene


def foils(scene: Scene) -> list[tuple[Caption, ...]]:
    """Return groups of a true caption (the first) and false ones, without pairs that are held out from training.

    A held-out pair would only occur in false captions.
    """
    groups = [choice.captions for choice in choices(scene)]
    return [group for group in groups if not any(_names_held_out(query) for _, query in group)]


def _names_held_out(query: SceneQuery) -> bool:
    return not HELD_OUT.isdisjoint((one.colour, one.shape) for one in query.objects)
