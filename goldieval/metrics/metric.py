"""What a metric is: its name, how it is shown, and how it comes from the per-sample outcomes of a record.

A file in ``goldieval/metrics/definitions`` defines a kind of metrics, such as recall at any k, as a subclass. Cards,
screens, comparisons and tables ask ``goldieval.metrics.registry`` for it by name, so that a new metric is one new file.
Nothing heavy is imported here or at the top of a definition: task cards are read without numpy and torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from goldieval.metrics.units import PERCENT, Unit

if TYPE_CHECKING:
    import numpy as np

    from goldieval.metrics.intervals import Interval
    from goldieval.metrics.paired_result import Paired
    from goldieval.metrics.query_values import Columns, QueryValues

UNION = "+"
"""Between the names of strata whose queries a metric is of, as in ``t2i_r1_object+relation``."""


def strata_named(text: str) -> list[str]:
    """Return the strata of a metric or of an entry of a card's ``strata``, of which one with ``+`` joins several.

    >>> strata_named("object"), strata_named("object+relation")
    (['object'], ['object', 'relation'])
    """
    return text.split(UNION)


class Metric:
    """One metric, found by its name. This class itself stands for a name that no definition has.

    By default a score is the mean of one value in 0..1 per query, with the jackknife interval over clusters and the
    paired cluster bootstrap; a subclass overrides what differs.

    Attributes:
        name: as cards and records write it, for example ``t2i_r10``.
        parts: the named groups of ``pattern`` that the name has, as text. A ``stratum`` follows the label.
        pattern: regular expression of the names of this kind. A definition without one is a base of others.
        families: task families whose cards and records have it; empty for a metric that only papers report.
        label_format: what people call it, with the parts in braces.
        unit: how its numbers are shown.
        lower_is_better: whether a smaller score is the better one.
        is_proportion: whether it is the share of right among independent outcomes, so that its interval follows from n.
        comparable: whether two models can be tested by it, where the outcomes hold its values.
        has_minimum_detectable_difference: whether the interval says what difference could be detected.
        sees_images: whether it depends on the images, so that a score without them is another number.
        error_follows_size: whether its error is about that of a share of all images, where only their number is known.
    """

    pattern: ClassVar[str] = ""
    families: ClassVar[tuple[str, ...]] = ()
    label_format: ClassVar[str] = ""
    unit: ClassVar[Unit] = PERCENT
    lower_is_better: ClassVar[bool] = False
    comparable: ClassVar[bool] = True
    has_minimum_detectable_difference: ClassVar[bool] = True
    sees_images: ClassVar[bool] = True
    error_follows_size: ClassVar[bool] = True

    def __init__(self, name: str, parts: Mapping[str, str] | None = None) -> None:
        self.name = name
        self.parts = dict(parts or {})

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"

    @classmethod
    def names(cls, params: Any) -> list[str]:
        """Return the names that a card may have; by default the one name that ``pattern`` is.

        Args:
            params: the card's parameters, of one of ``families``.
        """
        return [cls.pattern]

    @property
    def stratum(self) -> str:
        """The group of queries that it is of, or several joined by ``+``; empty for the whole."""
        return self.parts.get("stratum", "")

    @property
    def whole(self) -> str:
        """The name of the same metric of all queries."""
        return self.name.removesuffix(f"_{self.stratum}") if self.stratum else self.name

    @property
    def label(self) -> str:
        """The name in the field's words."""
        parts = {name: text.upper() if name == "direction" else text for name, text in self.parts.items()}
        label = self.label_format.format(**parts) if self.label_format else self.name
        return f"{label} {self.stratum.replace('_', ' ')}" if self.stratum else label

    @property
    def position(self) -> tuple[int, ...]:
        """Where it stands among the metrics of its task: smaller first, then in the order of ``names``."""
        return (9,)

    @property
    def in_summary(self) -> bool:
        """Whether the table at the end of a run shows it; the headline is shown in any case."""
        return not self.stratum

    @property
    def is_proportion(self) -> bool:
        return False

    def text(self, number: float | None) -> str:
        """Return one of its numbers as it is shown, with one digit behind the point; a dash for none."""
        return "–" if number is None else self.unit.text(number)

    def chance(self, counts: Mapping[str, int]) -> float | None:
        """Return what a guess gets on data of this size, if that follows from counts.

        Args:
            counts: number of images, texts and classes, by those words.
        """
        return None

    @property
    def guessed_like(self) -> str:
        """Another metric of which a guess gets as much, where queries have candidates of their own; empty for none."""
        return ""

    def guess(self, columns: Columns) -> float | None:
        """Return what a guess gets on these queries, where that depends on each of them.

        Args:
            columns: the outcomes of a task while it is scored, see ``metrics.query_values``.
        """
        return None

    def has_ceiling(self, headline: str) -> bool:
        """Return whether the ceiling on a card with that headline is one of this metric as well."""
        return True

    def measurable(self, counts: Mapping[str, int]) -> bool:
        """Return whether records of data of this size have it."""
        return True

    def certainty(self, counts: Mapping[str, int]) -> str:
        """Return why every answer is right on data of this size, or an empty string."""
        if counts.get("classes") == 1:
            return "the data have one class"
        measurable = "classes" not in counts or self.measurable(counts)
        return "" if measurable else f"{self.name} of {counts['classes']} classes"

    def values(self, columns: Columns) -> QueryValues | None:
        """Return its values, one per query; None where the outcomes do not hold them.

        Args:
            columns: the outcomes of a record, by column.
        """
        return None

    def score(self, values: QueryValues) -> float:
        """Return a model's score."""
        return float(values.values.mean())

    def interval(self, values: QueryValues) -> Interval:
        """Return a model's score with its 95 % interval."""
        from goldieval.metrics.clustered_intervals import clustered_means

        return clustered_means(values.values[:, None], values.groups, [values.bounds])[0]

    def influence(self, values: QueryValues) -> np.ndarray:
        """Return the influence of each cluster on the score, (clusters,); their squares add up to its variance."""
        from goldieval.metrics.influence import by_cluster, of_mean

        return by_cluster(of_mean(values.values), values.groups)

    def paired(self, a: QueryValues, b: QueryValues) -> Paired:
        """Compare two models whose queries stand in the same order."""
        from goldieval.metrics.paired import paired_means

        return paired_means(a.values, b.values, a.groups)
