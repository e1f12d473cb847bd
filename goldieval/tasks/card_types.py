"""Card types: the fields of a task card, and their parameters and recipe for each family."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

from goldieval.data.readers import AnySource
from goldieval.metrics.registry import names_of
from goldieval.tasks.association_params import AssociationParams
from goldieval.tasks.dense_probe_params import DenseProbeParams
from goldieval.tasks.multilabel_params import MultilabelParams
from goldieval.tasks.params import ChoiceParams, FamilyParams, SegmentationParams, ZeroshotParams
from goldieval.tasks.probe_params import ProbeParams
from goldieval.tasks.region_params import RegionsParams
from goldieval.tasks.retrieval_params import ImageRetrievalParams, RetrievalParams
from goldieval.tasks.vqa_params import VqaParams

Fraction = Annotated[float, Field(ge=0, le=1)]


class Expect(BaseModel):
    """Counts that the data must have; the task fails where one differs.

    Attributes:
        images: number of images that are scored.
        train: number of images of the train split, which are not scored.
        texts: number of texts.
        classes: number of classes.
        boxes: number of boxes.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    images: Annotated[int, Field(ge=1)] | None = None
    train: Annotated[int, Field(ge=1)] | None = None
    texts: Annotated[int, Field(ge=1)] | None = None
    classes: Annotated[int, Field(ge=1)] | None = None
    boxes: Annotated[int, Field(ge=1)] | None = None


CARD_TYPES: dict[str, type[CardBase]] = {}  # by family


class CardBase(BaseModel):
    """The fields of every card. A subclass is the card type of the families that its field ``family`` lists.

    Attributes:
        recipe: version of the code that computes the metrics of this card type. It is part of the hash of every card
            of the family, so that results of different recipes never share a column.
        name: id of the task.
        version: version of the card; raised when what is measured changes.
        protocol: the protocol in words, as tables and records show it.
        title: a line for lists.
        licence: licence of the data.
        source: where the samples come from, and how they are read.
        expect: counts that the data must have.
        headline: name of the metric that tables show.
        chance: chance level of the headline metric, as a fraction.
        blind: headline score of a guess that depends on the texts alone and never on the image, as a fraction, where
            that is not the chance level.
        ceiling: best possible value of the headline metric, as a fraction.
        tags: words to search for; the first one names the group in which lists show the task.
        cite: paper or page that defines the task.
        about: what the benchmark measures, in one or two sentences for its page.
        traps: what makes its numbers differ from paper to paper, or is easily got wrong, a sentence each.
        family: name of the task family.
        params: parameters of the family.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    recipe: ClassVar[int] = 1
    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")]
    version: Annotated[int, Field(ge=1)]
    protocol: Annotated[str, Field(min_length=1)]
    title: str
    licence: str
    source: AnySource
    expect: Expect = Expect()
    headline: str
    chance: Fraction | None = None
    blind: Fraction | None = None
    ceiling: Fraction | None = None
    tags: list[str] = []
    cite: str = ""
    about: str = ""
    traps: list[str] = []
    family: str
    params: FamilyParams

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        """Register the card type under the name of its family."""
        super().__pydantic_init_subclass__(**kwargs)
        for family in get_args(cls.model_fields["family"].annotation):
            CARD_TYPES[family] = cls

    def metrics(self) -> list[str]:
        """Return the names of the metrics that the task has, one of which is ``headline``."""
        return names_of(self.family, self.params)


class RetrievalCard(CardBase):
    family: Literal["retrieval"]
    params: RetrievalParams = RetrievalParams()


class ImageRetrievalCard(CardBase):
    family: Literal["image_retrieval"]
    params: ImageRetrievalParams = ImageRetrievalParams()


class ZeroshotCard(CardBase):
    family: Literal["zeroshot"]
    params: ZeroshotParams


class MultilabelCard(CardBase):
    family: Literal["multilabel"]
    params: MultilabelParams


class ProbeCard(CardBase):
    recipe = 2  # 1: float32, the penalty chosen by the number of held-out images
    family: Literal["probe"]
    params: ProbeParams = ProbeParams()


class AssociationCard(CardBase):
    family: Literal["association"]
    params: AssociationParams = AssociationParams()


class ChoiceCard(CardBase):
    family: Literal["choice"]
    params: ChoiceParams = ChoiceParams()


class VqaCard(CardBase):
    family: Literal["vqa"]
    params: VqaParams = VqaParams()


class SegmentationCard(CardBase):
    family: Literal["segmentation"]
    params: SegmentationParams


class DenseProbeCard(CardBase):
    family: Literal["dense-probe"]
    params: DenseProbeParams = DenseProbeParams()


class RegionsCard(CardBase):
    family: Literal["regions"]
    params: RegionsParams = RegionsParams()
