"""Winoground's scores: a set of queries is right if all of its queries are."""

from __future__ import annotations

from typing import Any

from goldieval.metrics.metric import Metric

SIDES = ("text", "image", "group")


class SetScore(Metric):
    """Share of sets that are right: of the queries for a text, of those for an image, or of all."""

    pattern = f"(?P<side>{'|'.join(SIDES)})_score"
    families = ("choice",)
    label_format = "{side} score"

    @classmethod
    def names(cls, params: Any) -> list[str]:
        """Return the three scores, where queries come in sets."""
        return [f"{side}_score" for side in SIDES] if params.sets else []

    @property
    def position(self) -> tuple[int, ...]:
        return (2, SIDES.index(self.parts["side"]))
