"""The train split of a source whose card lists where it differs from the test split."""

from __future__ import annotations

import posixpath
from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Any, TypeVar

import numpy as np
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from goldieval.core.errors import TaskError, listing
from goldieval.data.source import Source

Part = TypeVar("Part", bound="TrainPart")
AnySplit = TypeVar("AnySplit", bound=Source)


class TrainPart(BaseModel):
    """One part of a train split; a subclass has the keys of its reader that may differ from those of the test split.

    A key that is not given, None, is as in the test split, so that a train split in the same folders is given by its
    list of names alone.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="after")
    def _differs(self) -> TrainPart:
        if not self.changes:
            raise ValueError(f"name where the train split lies: {', '.join(type(self).model_fields)}")
        return self

    @property
    def changes(self) -> dict[str, Any]:
        """The keys of the source that differ from those of the test split, with their values."""
        return self.model_dump(exclude_none=True)


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, dict) else value


# In a card one part may stand without the brackets of a list.
TrainParts = Annotated[list[Part], BeforeValidator(_as_list), Field(max_length=100)]


def train_sources(tested: AnySplit, parts: Sequence[TrainPart]) -> list[AnySplit]:
    """Return each part of a train split as a source of its own.

    Args:
        tested: The source of the test split, which has a field ``train``.
        parts: What differs in each part.
    """
    return [tested.model_copy(update={"train": [], **part.changes}) for part in parts]


def needs_of_splits(own: Sequence[str], trained: Sequence[Source]) -> list[str]:
    """Return the files and folders that the splits of a data set need, each once.

    Args:
        own: Those of the test split; empty names are left out.
        trained: The parts of the train split.
    """
    return list(dict.fromkeys([*filter(None, own), *(name for split in trained for name in split.needs())]))


def train_rows(tested: Sequence[str], trained: Sequence[str]) -> np.ndarray:
    """Return whether each image is for training, those of the test split first, shape (images,).

    Args:
        tested: Images of the test split, relative to the data's folder.
        trained: Images of the train split.

    Raises:
        TaskError: Images are in both splits, or twice in the train split.
    """
    own, own_trained = ([posixpath.normpath(name) for name in names] for names in (tested, trained))
    if both := sorted(set(own) & set(own_trained)):
        raise TaskError(
            f"{len(both):,} images are both trained and tested on: {listing(both)}. Name another folder or list of "
            "names in source.train."
        )
    if again := sorted(name for name, count in Counter(own_trained).items() if count > 1):
        raise TaskError(f"{len(again):,} images are in several parts of source.train: {listing(again)}.")
    return np.arange(len(own) + len(own_trained)) >= len(own)
