"""Groups of images, such as regions or quartiles of income: from columns of a table, or the metadata of a sample."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from goldieval.core.errors import TaskError, listing
from goldieval.data.labels import label_text

IN_CARDS = "or give names in source.groups"


class Grouping(BaseModel):
    """Where one part of a group's name comes from.

    Attributes:
        key: Column of a table, key in a sample's .json, or ``npy.N`` for number N of its .npy.
        names: Names of the values: a list for numbers from 0, or a mapping. By default a value is its own name.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    key: Annotated[str, Field(min_length=1)]
    names: list[Annotated[str, Field(pattern="^[a-z0-9_]+$")]] | dict[str, str] = []

    def name(self, where: str, value: Any) -> str:
        """Return the name of a value in lower-case letters, digits and underscores. Raises TaskError if it has none."""
        text = label_text(where, value)
        if not self.names:
            return plain_name(where, self.key, text, IN_CARDS)
        names = self.names if isinstance(self.names, Mapping) else {str(n): name for n, name in enumerate(self.names)}
        if text not in names:
            raise TaskError(f"{where}: {self.key} is {text[:40]!r}, but source.groups names only {listing(names)}.")
        return plain_name(where, self.key, names[text], IN_CARDS)


def _with_key(entry: object) -> object:
    return {"key": entry} if isinstance(entry, str) else entry


# Several groupings are crossed: the group of an image is named by all of them, such as ``white_female``.
Groups = list[Annotated[Grouping, BeforeValidator(_with_key)]]


def group_of(where: str, groups: Groups, value_of: Callable[[str], Any]) -> str:
    """Return the name of an image's group; empty without groupings.

    Args:
        where: Location for error messages.
        groups: The groupings.
        value_of: Returns the value under a key; raises TaskError if there is none.
    """
    return "_".join(each.name(where, value_of(each.key)) for each in groups)


def plain_name(where: str, key: str, text: str, remedy: str = "") -> str:
    """Return a text as the name of a group: lower-case letters, digits and underscores.

    Args:
        where: Location for error messages.
        key: Where the text is from.
        text: The text.
        remedy: What else can be done about a text that is no name.

    Raises:
        TaskError: No letter or digit remains, or one would be lost that tells two groups apart.

    >>> plain_name("row 1", "kind", "1_attributes"), plain_name("row 2", "kind", "Very Rare!")
    ('1_attributes', 'very_rare')
    """
    name = re.sub("[^a-z0-9]+", "_", text.lower()).strip("_")
    if not name or not text.isascii():
        what = f"{key} is {text[:40]!r}, which is no name of a group"
        raise TaskError(f"{where}: {what}: write it with the letters a to z{f', {remedy}' if remedy else ''}.")
    return name
