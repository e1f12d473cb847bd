"""Public checkpoints by name: source, properties and published results, read from a data file."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from goldieval.core.errors import GoldievalError, did_you_mean
from goldieval.core.reads import note_read
from goldieval.core.yaml_files import read_yaml
from goldieval.models.spec import parse_spec
from goldieval.tasks.catalogue import packaged
from goldieval.tasks.validation import validation_line

Positive = Annotated[float, Field(gt=0)]
Text = Annotated[str, Field(min_length=1)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PublishedNumber(_Part):
    """One published result in the metric's own unit: recall, accuracy and mIoU are fractions.

    Attributes:
        task: Name of the task.
        metric: Name of the metric.
        value: The published value.
        tolerance: Deviation observed when the same weights were evaluated again.
        source: Where the result was published.
        quick: Whether it is verified without ``--all``.
    """

    task: Text
    metric: Text
    value: Annotated[float, Field(ge=0, le=1)]
    tolerance: Annotated[float, Field(ge=0)]
    source: Text
    quick: bool = False


class Checkpoint(_Part):
    """One public checkpoint.

    Attributes:
        name: Name in the catalogue.
        model: The spec that loads it.
        hub: OWNER/REPO, or OWNER/REPO/FILE for families that read such a file.
        revision: Revision of the repository.
        architecture: Name of the architecture.
        images: Training images, as stated by the authors.
        licence: Licence of the weights.
        megabytes: Size of the weights in float32; None if it is not known.
        gmacs: Multiply-adds of one image and of one text, in 10^9; None if they are not known.
        note: What the user must know or do first.
        published: Published results.
    """

    name: str
    model: str
    hub: str
    revision: str = "main"
    architecture: str
    images: str
    licence: str
    megabytes: Positive | None = None
    gmacs: tuple[Positive, Positive] | None = None
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
        GoldievalError: The file is missing, a key is wrong, or a name occurs twice.
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
        raise GoldievalError(f"{file}: {min(twice)} occurs twice.")
    return tuple(found)


def weights_of(family: str, name: str) -> tuple[str, str, str]:
    """Return repository, file and revision of a family's checkpoint from the catalogue.

    Raises:
        GoldievalError: There is no checkpoint of that name; similar names are suggested.
    """
    note_read(catalogue_file())
    known = {each.name: each for each in checkpoints() if each.family == family and each.hub.count("/") >= 2}
    if name not in known:
        near = did_you_mean(name, known)
        listed = f" The catalogue has {', '.join(known) or 'none of this family'}."
        raise GoldievalError(
            f"no checkpoint {name!r} of {family}.{near}{listed} Write {family}:OWNER/REPO/FILE or {family}@FILE."
        )
    owner, repository, file = known[name].hub.split("/", 2)
    return f"{owner}/{repository}", file, known[name].revision
