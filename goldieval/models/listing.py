"""Checkpoints that can be named in a spec, with what is known of them: for ``goldieval ls models``, without torch."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from goldieval.core.errors import GoldievalError
from goldieval.core.packaged import packaged
from goldieval.core.yaml_files import read_yaml
from goldieval.models.checkpoints import Checkpoint, checkpoints
from goldieval.models.open_clip_list import NamedWeights, named_weights
from goldieval.models.spec import parse_spec
from goldieval.tasks.validation import validation_line

UNKNOWN = "unknown"
MULTIPLES = {"": 1, "K": 1e3, "M": 1e6, "B": 1e9}
_COUNT = re.compile(r"(\d+(?:\.\d+)?)([KMB]?)\b")
_IMAGES = re.compile(r"(\d+(?:\.\d+)?)([MB])\b")


@dataclass(frozen=True)
class ListedModel:
    """A checkpoint that can be named, with what is known of it.

    Attributes:
        model: its spec.
        family: family of the spec.
        images: training images and data as the authors state them; ``unknown`` if nobody does.
        parameters: number of parameters; None if unknown.
        resolution: side length of the images in pixels; None if unknown.
        licence: licence of the weights; ``unknown`` if it is not known here.
        note: what the user must know or do first.
        source: where the data and the licence are stated.
    """

    model: str
    family: str
    images: str = UNKNOWN
    parameters: int | None = None
    resolution: int | None = None
    licence: str = UNKNOWN
    note: str = ""
    source: str = ""

    @property
    def image_count(self) -> float | None:
        """Number of training images in ``images``, None if there is none.

        >>> ListedModel("x", "x", "CC3M-recap (2.82M usable)").image_count, ListedModel("x", "x", "WebLI").image_count
        (2820000.0, None)
        """
        counts = [float(number) * MULTIPLES[multiple] for number, multiple in _IMAGES.findall(self.images)]
        return min(counts, default=None)


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Data(_Part):
    tag: str
    images: str
    source: str


class _Licence(_Part):
    weights: str
    licence: str
    source: str


class _Named(_Part):
    model: str
    images: str = UNKNOWN
    parameters: int | None = None
    resolution: int | None = None
    licence: str = UNKNOWN
    source: str


class _Facts(_Part):
    data: list[_Data]
    licences: list[_Licence]
    named: list[_Named]
    checked: dict[str, str]
    parameters: dict[str, Annotated[int, Field(gt=0)]]


def listed_models() -> list[ListedModel]:
    """Return every checkpoint that can be named: the catalogue's first, then open_clip's, then the others."""
    catalogue = [_of_catalogue(entry) for entry in checkpoints()]
    there = {each.model for each in catalogue}
    return [*catalogue, *(each for each in (*_of_open_clip(), *_of_facts()) if each.model not in there)]


def listed_specs(family: str) -> list[str]:
    """Return the specs of the checkpoints of one family."""
    return [each.model for each in listed_models() if each.family == family]


def checked_against(family: str) -> str:
    """Return what the adapter of a family was compared with; empty if nothing is said of it."""
    return _facts().checked.get(family, "")


def parse_count(text: str, option: str) -> float:
    """Return a number such as ``200M``, ``1.4B`` or ``86000000``.

    Args:
        text: the number.
        option: option that has it, for the error.

    Raises:
        GoldievalError: it is no such number.
    """
    found = _COUNT.fullmatch(text.strip().upper())
    if not found:
        raise GoldievalError(f"{option} {text!r}: write a number, such as 200M or 1.4B.")
    return float(found[1]) * MULTIPLES[found[2]]


def _of_catalogue(entry: Checkpoint) -> ListedModel:
    facts, sizes = _facts(), _resolutions()
    known = entry.images[:1].isdigit() or not entry.images.startswith("not ")
    return ListedModel(
        model=entry.model,
        family=entry.family,
        images=entry.images if known else UNKNOWN,
        parameters=facts.parameters.get(entry.architecture),
        resolution=sizes.get(entry.architecture),
        licence=entry.licence,
        note=entry.note,
        source="checkpoints.yaml",
    )


def _of_open_clip() -> Iterator[ListedModel]:
    facts = _facts()
    for weights in named_weights():
        name = f"{weights.architecture}/{weights.tag}"
        data = next((each for each in facts.data if fnmatch.fnmatchcase(weights.tag, each.tag)), None)
        licence = next((each for each in facts.licences if fnmatch.fnmatchcase(name, each.weights)), None)
        yield ListedModel(
            model=f"open_clip:{name}",
            family="open_clip",
            images=data.images if data else UNKNOWN,
            parameters=facts.parameters.get(weights.architecture),
            resolution=weights.resolution,
            licence=licence.licence if licence else UNKNOWN,
            source="; ".join(dict.fromkeys(each.source for each in (data, licence) if each)),
        )


def _of_facts() -> Iterator[ListedModel]:
    for each in _facts().named:
        yield ListedModel(**each.model_dump(), family=parse_spec(each.model).family)


@cache
def _facts() -> _Facts:
    file = packaged("results/published") / "named_weights.yaml"
    try:
        return _Facts.model_validate(read_yaml(file))
    except ValidationError as error:
        raise GoldievalError(f"{file}: {validation_line(error)}") from None


@cache
def _resolutions() -> dict[str, int | None]:
    """Return the resolution of each architecture that has named weights; a few checkpoints have other architectures."""
    entries: list[NamedWeights] = named_weights()
    return {each.architecture: each.resolution for each in entries}
