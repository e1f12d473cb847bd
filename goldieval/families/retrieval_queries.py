"""Retrieval tasks as prepared, and the queries of each direction with the columns of their outcomes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from goldieval.data.samples import Dataset
from goldieval.families.aggregates import strata_columns
from goldieval.families.answers import answer_columns, strata_lists
from goldieval.families.base import Prepared
from goldieval.families.galleries import Gallery
from goldieval.families.object_column import object_column
from goldieval.metrics.all_positives_metric import AllPositivesMetric
from goldieval.metrics.ranks import Ranks
from goldieval.metrics.registry import metric_of
from goldieval.tasks.retrieval_params import ImageRetrievalParams, RetrievalParams


@dataclass(kw_only=True)
class RetrievalPrepared(Prepared[RetrievalParams]):
    """Images and texts that retrieve each other.

    Attributes:
        positives: pairs (text index, image index), shape (pairs, 2).
        owner: index of the image that each text was written for, shape (texts,).
        galleries: the texts and images that are ranked together, see ``families.galleries``.
    """

    positives: np.ndarray
    owner: np.ndarray
    galleries: list[Gallery]

    @property
    def all_positives(self) -> bool:
        """Whether a metric needs the rank of every positive."""
        return bool(of_all_positives(self.params))


@dataclass(frozen=True)
class Side:
    """The queries of one direction that have a positive (some images of a gallery may have no text).

    Attributes:
        name: the direction.
        ranks: their ranks.
        rows: index of the text or image of each query, shape (queries,).
        ids: id of each query, shape (queries,).
        owner: index of the image of each query, shape (queries,).
        strata: columns of strata, each (queries,).
        absent: number of positives of each query that are not in the gallery, shape (queries,).
    """

    name: str
    ranks: Ranks
    rows: np.ndarray
    ids: np.ndarray
    owner: np.ndarray
    strata: Mapping[str, np.ndarray]
    absent: np.ndarray

    def columns(self, prepared: RetrievalPrepared) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """Return the columns of the outcomes, and those that only metrics need."""
        images, texts, count = prepared.dataset.images, prepared.dataset.texts, len(self.rows)
        of_texts = self.name == "t2i"
        queries = [texts[row].text for row in self.rows] if of_texts else [""] * count
        gallery = (
            ([image.id for image in images], [image.path for image in images])
            if of_texts
            else ([text.id for text in texts], [text.text for text in texts])
        )
        outcomes = {
            "direction": np.full(count, self.name, dtype=object),
            "sample_id": self.ids,
            "cluster_id": np.asarray([images[row].id for row in self.owner], dtype=object),
            "rank_low": self.ranks.low,
            "rank_high": self.ranks.high,
            "tied_positives": self.ranks.tied_positives,
            "positives": self.ranks.positives,
            "image": np.asarray([images[row].path for row in self.owner], dtype=object),
            "text": np.asarray(queries, dtype=object),
            **answer_columns(self.ranks.answers, *gallery),
            **self._groups(prepared.dataset),
            **self._requested(prepared.params),
        }
        return outcomes, {"gallery": np.broadcast_to(self.ranks.gallery, count), "absent": self.absent, **self.strata}

    def _groups(self, dataset: Dataset) -> dict[str, np.ndarray]:
        """Return the column that names the groups of each query; a language is one of an image as well."""
        if self.name == "t2i":
            return {column: lists[self.rows] for column, lists in strata_lists(dataset).items()}
        languages = {name.partition(":")[2]: mask for name, mask in self.strata.items()}
        groups = [[name for name, mask in languages.items() if mask[row]] for row in range(len(self.rows))]
        return {"strata": object_column(groups)} if dataset.strata else {}

    def _requested(self, params: RetrievalParams) -> dict[str, np.ndarray]:
        """Return the values of each query of the metrics that need the ranks of all positives, by kind."""
        if self.ranks.groups is None:
            return {}
        groups = self.ranks.groups.with_absent(self.absent)
        return {metric.kind: metric.of_groups(groups) for metric in of_all_positives(params)}


def of_all_positives(params: RetrievalParams | ImageRetrievalParams) -> list[AllPositivesMetric]:
    """Return the metrics of a card that need the ranks of all positives, of one direction."""
    named = [metric_of(f"t2i_{kind}") for kind in params.metrics]
    return [metric for metric in named if isinstance(metric, AllPositivesMetric)]


def text_side(prepared: RetrievalPrepared, ranks: Ranks) -> Side:
    dataset, params = prepared.dataset, prepared.params
    rows = np.concatenate([gallery.texts for gallery in prepared.galleries])
    asked = _asked(ranks, dataset.text_queries, rows)
    rows = rows[asked]
    strata = strata_columns(dataset, [*params.strata, *_languages(prepared)])
    return Side(
        "t2i",
        ranks.of(asked),
        rows,
        np.asarray([dataset.texts[row].id for row in rows], dtype=object),
        prepared.owner[rows],
        {name: mask[rows] for name, mask in strata.items()},
        np.zeros(len(rows), dtype=np.int64),
    )


def image_side(prepared: RetrievalPrepared, ranks: Ranks) -> Side:
    dataset, params, parts = prepared.dataset, prepared.params, prepared.galleries
    rows = np.concatenate([gallery.images for gallery in parts])
    names = np.repeat([gallery.name for gallery in parts], [len(gallery.images) for gallery in parts])
    asked = _asked(ranks, dataset.image_queries, rows)
    rows, names = rows[asked], names[asked]
    ids = [dataset.images[row].id + f"@{name}" * bool(name) for row, name in zip(rows, names, strict=True)]
    strata = {name: np.zeros(len(rows), dtype=bool) for name in strata_columns(dataset, params.strata)}  # of texts
    strata |= {f"stratum:{language}": names == language for language in _languages(prepared)}
    absent = np.zeros(len(dataset.images), dtype=np.int64)
    absent = absent if dataset.absent_positives is None else dataset.absent_positives
    return Side("i2t", ranks.of(asked), rows, np.asarray(ids, dtype=object), rows, strata, absent[rows])


def _languages(prepared: RetrievalPrepared) -> list[str]:
    """Return the languages that have a gallery of their own."""
    return [gallery.name for gallery in prepared.galleries if gallery.name]


def _asked(ranks: Ranks, queries: np.ndarray | None, rows: np.ndarray) -> np.ndarray:
    """Return which ranks are of queries with a positive, a mask.

    Args:
        ranks: ranks.
        queries: which texts or images are queries; None for all.
        rows: index of the text or image of each rank.
    """
    with_positive: np.ndarray = ranks.positives > 0
    return with_positive if queries is None else with_positive & queries[rows]
