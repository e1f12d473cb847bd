"""Tasks: a card with the file that it was read from, and the hash that identifies it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from goldieval.core.containment import contained
from goldieval.core.errors import GoldievalError, TaskError, did_you_mean
from goldieval.core.yaml_files import read_yaml
from goldieval.tasks.card_types import CARD_TYPES, CardBase
from goldieval.tasks.validation import validation_line

# Fields that name, describe or locate a task, but do not change what is computed.
_NOT_IDENTITY: Any = {
    **dict.fromkeys(
        ("title", "licence", "tags", "cite", "chance", "blind", "ceiling", "headline", "about", "traps"), True
    ),
    "source": {"id", "path", "hub_files", "urls", "megabytes", "manual"},
}


@dataclass(frozen=True)
class Task:
    """A card with its origin.

    Attributes:
        card: the validated card.
        file: the file that it was read from.
        overrides: parameters that ``--set`` replaced, by name.
    """

    card: CardBase
    file: Path
    overrides: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.card.name

    @property
    def protocol(self) -> str:
        """The card's protocol plus every override; results of different protocols are in different columns."""
        changed = [f"{key}={json.dumps(value)}" for key, value in sorted(self.overrides.items())]
        return " + ".join([self.card.protocol, *changed])

    @cached_property
    def hash(self) -> str:
        """SHA-256 of everything on the card that can change a number.

        Default values are left out, so that a field which is added later does not change the hash of existing cards.
        """
        content = self.card.model_dump(mode="json", exclude=_NOT_IDENTITY, exclude_defaults=True)
        content |= {"recipe": self.card.recipe} if self.card.recipe > 1 else {}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def folder(self, root: Path) -> Path:
        """Return the folder of the task's data, given the folder of all data."""
        return self.card.source.folder(root, self.file.parent)

    def override(self, changes: dict[str, Any]) -> Task:
        """Return the task with parameters replaced; keys that its family does not have are ignored.

        Raises:
            GoldievalError: a value has the wrong type.
        """
        applicable = {key: value for key, value in changes.items() if key in type(self.card.params).model_fields}
        if not applicable:
            return self
        content = self.card.model_dump(mode="json")
        content["params"] = {**content["params"], **applicable}
        return replace(self, card=_validated(content, f"--set for {self.name}"), overrides=self.overrides | applicable)


def load_card(file: Path) -> Task:
    """Read and validate one task card.

    Raises:
        GoldievalError: the card is invalid; one line names the file and each wrong key.
    """
    task = Task(_validated(read_yaml(file), str(file)), file)
    if task.card.source.path:
        try:
            with contained("looking for its folder"):
                task.folder(Path())
        except TaskError as error:
            raise GoldievalError(f"{file}: source.path: {error}") from None
    return task


def _validated(content: dict[str, Any], where: str) -> CardBase:
    """Return the card with that content. Raises GoldievalError, whose line begins with ``where``."""
    family = content.get("family")
    if family is None:
        raise GoldievalError(f"{where}: family: is missing; choose {', '.join(sorted(CARD_TYPES))}")
    if not isinstance(family, str) or family not in CARD_TYPES:
        hint = did_you_mean(str(family), CARD_TYPES) or f" Choose {', '.join(sorted(CARD_TYPES))}."
        raise GoldievalError(f"{where}: family: there is no task family {family!r}.{hint}")
    try:
        card = CARD_TYPES[family].model_validate(content)
    except ValidationError as error:
        raise GoldievalError(f"{where}: {validation_line(error)}") from None
    if card.headline not in card.metrics():
        raise GoldievalError(f"{where}: headline: {card.headline!r} is not one of {', '.join(card.metrics())}")
    return card
