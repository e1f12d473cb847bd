"""What a task is: one YAML card, typed and checked, and its identity."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from goldieval.core.containment import contained
from goldieval.core.errors import GoldievalError, TaskError, did_you_mean
from goldieval.core.yaml_files import read_yaml
from goldieval.data.readers import AnySource
from goldieval.metrics.registry import names_of
from goldieval.tasks.params import (
    ChoiceParams,
    FamilyParams,
    ProbeParams,
    RetrievalParams,
    SegmentationParams,
    VqaParams,
    ZeroshotParams,
)

Fraction = Annotated[float, Field(ge=0, le=1)]


class Expect(BaseModel):
    """Counts that the data must have; another fails the task. ``train`` are images beside the ``images`` scored."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    images: Annotated[int, Field(ge=1)] | None = None
    train: Annotated[int, Field(ge=1)] | None = None
    texts: Annotated[int, Field(ge=1)] | None = None
    classes: Annotated[int, Field(ge=1)] | None = None


CARD_TYPES: dict[str, type[CardBase]] = {}  # by family


class CardBase(BaseModel):
    """The fields of every card. A subclass is the card type of the family that its field ``family`` names.

    Attributes:
        recipe: version of how the code computes what a card of this type asks for. It is part of the identity of every
            card of the family, users' own as well: results of another recipe never share a column.
        chance: of the headline metric, as a fraction.
        ceiling: of the headline metric, as a fraction.
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
    ceiling: Fraction | None = None
    tags: list[str] = []
    cite: str = ""
    family: str
    params: FamilyParams

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        """Make the type known by the name of its family."""
        super().__pydantic_init_subclass__(**kwargs)
        for family in get_args(cls.model_fields["family"].annotation):
            CARD_TYPES[family] = cls

    def metrics(self) -> list[str]:
        """Return the names that ``headline`` may be."""
        return names_of(self.family, self.params)


class RetrievalCard(CardBase):
    family: Literal["retrieval"]
    params: RetrievalParams = RetrievalParams()


class ZeroshotCard(CardBase):
    family: Literal["zeroshot"]
    params: ZeroshotParams


class ProbeCard(CardBase):
    recipe = 2  # 1: float32, the penalty chosen by the number of held-out images
    family: Literal["probe"]
    params: ProbeParams = ProbeParams()


class ChoiceCard(CardBase):
    family: Literal["choice"]
    params: ChoiceParams = ChoiceParams()


class VqaCard(CardBase):
    family: Literal["vqa"]
    params: VqaParams = VqaParams()


class SegmentationCard(CardBase):
    family: Literal["segmentation"]
    params: SegmentationParams


# What names, describes or locates a task, but does not change what is computed.
_NOT_IDENTITY: Any = {
    **dict.fromkeys(("title", "licence", "tags", "cite", "chance", "ceiling", "headline"), True),
    "source": {"id", "path", "hub_files", "urls", "megabytes", "manual"},
}


@dataclass(frozen=True)
class Task:
    """A card, the file that it came from, and what ``--set`` changed in it."""

    card: CardBase
    file: Path
    overrides: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.card.name

    @property
    def protocol(self) -> str:
        """The card's protocol plus every override: results under another protocol are another column."""
        changed = [f"{key}={json.dumps(value)}" for key, value in sorted(self.overrides.items())]
        return " + ".join([self.card.protocol, *changed])

    @cached_property
    def hash(self) -> str:
        """SHA-256 of everything on the card that can change a number.

        Defaults are left out, so that a field which is added later leaves the hashes of cards without it alone.
        """
        content = self.card.model_dump(mode="json", exclude=_NOT_IDENTITY, exclude_defaults=True)
        content |= {"recipe": self.card.recipe} if self.card.recipe > 1 else {}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def folder(self, root: Path) -> Path:
        return self.card.source.folder(root, self.file.parent)

    def override(self, changes: dict[str, Any]) -> Task:
        """Return the task with those parameters replaced; keys that its family lacks are left alone.

        Raises:
            GoldievalError: a value of the wrong type.
        """
        known = {key: value for key, value in changes.items() if key in type(self.card.params).model_fields}
        if not known:
            return self
        content = self.card.model_dump(mode="json")
        content["params"] = {**content["params"], **known}
        return replace(self, card=_checked(content, f"--set for {self.name}"), overrides=self.overrides | known)


def load_card(file: Path) -> Task:
    """Read and check one task card.

    Raises:
        GoldievalError: one line naming the file and each wrong key.
    """
    task = Task(_checked(read_yaml(file), str(file)), file)
    if task.card.source.path:
        try:
            with contained("looking for its folder"):
                task.folder(Path())
        except TaskError as error:
            raise GoldievalError(f"{file}: source.path: {error}") from None
    return task


def _checked(content: dict[str, Any], where: str) -> CardBase:
    family = content.get("family")
    if family is None:
        raise GoldievalError(f"{where}: family: is missing; choose {', '.join(sorted(CARD_TYPES))}")
    if not isinstance(family, str) or family not in CARD_TYPES:
        near = did_you_mean(str(family), CARD_TYPES) or f" Choose {', '.join(sorted(CARD_TYPES))}."
        raise GoldievalError(f"{where}: family: there is no task family {family!r}.{near}")
    try:
        card = CARD_TYPES[family].model_validate(content)
    except ValidationError as error:
        raise GoldievalError(f"{where}: {validation_line(error)}") from None
    if card.headline not in card.metrics():
        raise GoldievalError(f"{where}: headline: {card.headline!r} is none of {', '.join(card.metrics())}")
    return card


def validation_line(error: ValidationError) -> str:
    """Return pydantic's report as one line, ``key: what is wrong; …``, without the tags of typed choices."""
    parts: dict[str, str] = {}
    for fault in error.errors(include_url=False):
        key = ".".join(str(part) for part in _without_choice_tags(fault["loc"]))
        message = {"extra_forbidden": "unknown key", "missing": "is missing"}.get(fault["type"], fault["msg"])
        parts.setdefault(key, message.removeprefix("Value error, ").partition(", unable to parse")[0])
    return "; ".join(f"{key}: {message}" if key else message for key, message in parts.items())


def _without_choice_tags(place: tuple[int | str, ...]) -> list[int | str]:
    """``('source', 'coco', 'images')`` names ``source.images``."""
    kept = list(place)
    if len(kept) > 1 and kept[0] == "source":
        del kept[1]
    return [part for part in kept if not (isinstance(part, str) and ("[" in part or part in ("str", "Pinned")))]
