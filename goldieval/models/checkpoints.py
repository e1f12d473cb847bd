"""Public checkpoints by name, as data: where each comes from, what it is, and what was published of it."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from goldieval.core.errors import GoldievalError, did_you_mean
from goldieval.core.yaml_files import read_yaml
from goldieval.models.spec import parse_spec
from goldieval.tasks.card import validation_line
from goldieval.tasks.catalogue import packaged

Positive = Annotated[float, Field(gt=0)]
Text = Annotated[str, Field(min_length=1)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PublishedNumber(_Part):
    """One published number in the metric's own unit: recall, accuracy and mIoU are fractions.

    tolerance: what re-runs of the same weights have shown.   quick: checked without ``--all``.
    """

    task: Text
    metric: Text
    value: Annotated[float, Field(ge=0, le=1)]
    tolerance: Annotated[float, Field(ge=0)]
    source: Text
    quick: bool = False


class Checkpoint(_Part):
    """One public checkpoint.

    model: the spec that loads it.   hub: OWNER/REPO, or OWNER/REPO/FILE for families that read such a file.
    images: that it was trained on, as its authors say.   gmacs: multiply-adds of one image and of one text, in thousand
    millions.   megabytes: of the weights in float32.   note: what a person must know or do first.
    """

    name: str
    model: str
    hub: str
    revision: str = "main"
    architecture: str
    images: str
    licence: str
    megabytes: Positive
    gmacs: tuple[Positive, Positive]
    note: str = ""
    published: list[PublishedNumber] = []

    @property
    def family(self) -> str:
        return parse_spec(self.model).family


class _Catalogue(_Part):
    checkpoints: list[Checkpoint]


def catalogue_file() -> Path:
    return packaged("results/published") / "checkpoints.yaml"


def checkpoints() -> tuple[Checkpoint, ...]:
    """Read the catalogue.

    Raises:
        GoldievalError: no such file, a wrong key by its place, or a name that stands there twice.
    """
    return _read(catalogue_file())


@cache
def _read(file: Path) -> tuple[Checkpoint, ...]:
    try:
        found = _Catalogue.model_validate(read_yaml(file)).checkpoints
    except ValidationError as error:
        raise GoldievalError(f"{file}: {validation_line(error)}") from None
    names = [each.name for each in found]
    if twice := {name for name in names if names.count(name) > 1}:
        raise GoldievalError(f"{file}: {min(twice)} stands there twice.")
    return tuple(found)


def weights_of(family: str, name: str) -> tuple[str, str, str]:
    """Return repository, file and revision of a checkpoint that the catalogue knows for a family.

    Raises:
        GoldievalError: it knows none of that name; the nearest is suggested.
    """
    known = {each.name: each for each in checkpoints() if each.family == family and each.hub.count("/") >= 2}
    if name not in known:
        near = did_you_mean(name, known)
        listed = f" The catalogue has {', '.join(known) or 'none of this family'}."
        raise GoldievalError(
            f"no checkpoint {name!r} of {family}.{near}{listed} Write {family}:OWNER/REPO/FILE or {family}@FILE."
        )
    owner, repository, file = known[name].hub.split("/", 2)
    return f"{owner}/{repository}", file, known[name].revision
