"""Accuracy under each kind and strength of corruption, and success of the typographic attack."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from goldieval.metrics.definitions.top_k import TopK

if TYPE_CHECKING:
    import numpy as np

    from goldieval.metrics.query_values import Columns, QueryValues


class CorruptedTop1(TopK):
    """Share of the copies of one kind, or of one severity, whose true class is first."""

    pattern = "acc1_under_(?P<stratum>.+)"
    families = ("zeroshot",)
    label_format = "top-1"

    @classmethod
    def names(cls, params: Any) -> list[str]:
        """Return every kind, and every severity."""
        kinds, severities = getattr(params, "corruptions", []), getattr(params, "severities", [])
        parts = [*kinds, *(f"severity_{severity}" for severity in severities)] if kinds else []
        return [f"acc1_under_{part}" for part in parts]

    @property
    def k(self) -> int:
        return 1

    @property
    def whole(self) -> str:
        return "acc1"

    @property
    def position(self) -> tuple[int, ...]:
        return (3, 1)

    def values(self, columns: Columns) -> QueryValues | None:
        """Return hits, 0 or 1, of the copies."""
        import numpy as np

        from goldieval.metrics.query_values import select

        if not {"place", "corruption", "severity"} <= set(columns):
            return None
        rows = np.flatnonzero(self._chosen(columns))
        return select(columns, (columns["place"][rows] < 1).astype(float), rows)

    def _chosen(self, columns: Columns) -> np.ndarray:
        severity = self.stratum.removeprefix("severity_")
        chosen: np.ndarray = (
            columns["severity"] == int(severity) if severity.isdigit() else columns["corruption"] == self.stratum
        )
        return chosen


class AttackSuccess(TopK):
    """Share of the copies with a written word that are taken for the class whose name is written on them."""

    pattern = "attack_success"
    families = ("zeroshot",)
    label_format = "attack success"
    lower_is_better = True

    @classmethod
    def names(cls, params: Any) -> list[str]:
        """Return the one name, where words are written on pictures."""
        return [cls.pattern] if "typographic" in getattr(params, "corruptions", []) else []

    @property
    def k(self) -> int:
        return 1

    @property
    def position(self) -> tuple[int, ...]:
        return (2,)

    @property
    def is_proportion(self) -> bool:
        return False

    def has_ceiling(self, headline: str) -> bool:
        return False

    def values(self, columns: Columns) -> QueryValues | None:
        """Return whether the prediction is the written class, 0 or 1."""
        import numpy as np

        from goldieval.metrics.query_values import select

        if not {"prediction", "written_class"} <= set(columns):
            return None
        written = columns["written_class"]
        rows = np.flatnonzero(written >= 0)
        return select(columns, (columns["prediction"] == written)[rows].astype(float), rows)
