"""The parameters of retrieval, of images and texts or of images alone."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field, model_validator

from goldieval.metrics.all_positives_metric import OnRequest
from goldieval.metrics.metric import UNION, strata_named
from goldieval.metrics.registry import metric_of
from goldieval.tasks.params import FamilyParams, SimilarityParams

# Codes of languages, such as ``de``.
Languages = list[Annotated[str, Field(pattern="^[a-z]{2,3}(_[a-z]+)?$")]]


def _of_retrieval(kind: str) -> str:
    """Return the kind of a metric if retrieval has it on request. Raises ValueError if not."""
    metric = metric_of(f"t2i_{kind}")
    if isinstance(metric, OnRequest) and not metric.stratum:
        return kind
    raise ValueError(f"no metric {kind!r}; choose map_at_r, r_precision, map, mrr or ndcgK, for example ndcg10")


Cuts = Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=1)]
OnRequestMetrics = list[Annotated[str, AfterValidator(_of_retrieval)]]


def _one_spelling(name: str) -> str:
    """Return the name of one stratum or of several. Raises ValueError where another name would be of the same."""
    strata = strata_named(name)
    if strata != sorted(set(strata)):
        raise ValueError(f"{name!r} joins strata twice or in another order; write {UNION.join(sorted(set(strata)))!r}")
    return name


JoinedStrata = list[Annotated[str, Field(pattern=r"^[a-z0-9_]+(\+[a-z0-9_]+)*$"), AfterValidator(_one_spelling)]]


class RetrievalParams(SimilarityParams):
    """Parameters of retrieval.

    Attributes:
        directions: what retrieves what.
        k: numbers of retrieved items at which recall is computed.
        strata: groups of texts for which text-to-image recall is also reported; ``object+relation`` joins two groups,
            in alphabetical order, and reports the recall of the texts of either.
        metrics: further metrics, in both directions: ``map_at_r``, ``r_precision``, ``map``, ``mrr``, ``ndcg10``.
        folds: number of galleries of equal size into which the images are cut in the order of the data, with their
            texts; scores are means over all of them.
        languages: languages of the texts. Of several, each has its own gallery of texts, which the data must name as a
            group of queries, and its own scores; the score of a task is their mean.
    """

    directions: ClassVar[tuple[str, ...]] = ("t2i", "i2t")
    k: Cuts = [1, 5, 10]
    strata: JoinedStrata = []
    metrics: OnRequestMetrics = []
    folds: Annotated[int, Field(ge=1)] = 1
    languages: Languages = []

    @model_validator(mode="after")
    def _one_way_to_divide(self) -> RetrievalParams:
        if self.folds > 1 and len(self.languages) > 1:
            raise ValueError("folds and several languages cannot be combined")
        return self


class ImageRetrievalParams(FamilyParams):
    """Parameters of retrieval of images by an image.

    Attributes:
        directions: what retrieves what.
        strata: none; there are no groups of queries.
        languages: none; there are no texts.
        k: numbers of retrieved images at which recall is computed.
        metrics: further metrics: ``map_at_r``, ``r_precision``, ``map``, ``mrr``, ``ndcg10``.
    """

    directions: ClassVar[tuple[str, ...]] = ("i2i",)
    strata: ClassVar[tuple[str, ...]] = ()
    languages: ClassVar[tuple[str, ...]] = ()
    k: Cuts = [1, 5, 10]
    metrics: OnRequestMetrics = []

    def mode(self, model_mode: str, requested: str | None = None) -> Literal["features"]:
        """Return the one mode: image embeddings are compared with each other, and no text is."""
        return "features"
