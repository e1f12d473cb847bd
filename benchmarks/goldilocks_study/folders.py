"""Where the study ``goldilocks`` keeps its files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainings import ROOT

from goldieval.core.errors import GoldievalError, first_line
from goldieval.core.reading import read_json

SHARES = "shares.json"  # in the folder of a run: what its features encode
VALIDATION = "-validation"  # ends the names of cards on the validation split


def read_own(file: Path, key: str) -> dict[str, Any]:
    """Return what one of the study's own JSON files holds.

    Args:
        file: the file.
        key: a key that it has.

    Raises:
        GoldievalError: it cannot be read, or is damaged.
    """
    try:
        content = read_json(file)
    except (OSError, ValueError) as error:
        raise GoldievalError(f"cannot read {file}: {first_line(error)}. Bring it back, or remove it.") from error
    if not isinstance(content, dict) or key not in content:
        raise GoldievalError(f"{file} has no {key!r}. Bring it back, or remove it.")
    return content


@dataclass(frozen=True)
class Folders:
    """Folders of the study.

    Attributes:
        home: the checkout, or the folder of a trial; trainings run in it.
    """

    home: Path = ROOT

    @property
    def results(self) -> Path:
        """Run files, which are in git."""
        return self.home / "results/goldilocks"

    @property
    def runs(self) -> Path:
        """Checkpoints, which are not; relative to ``home``, as they stand in recipes and records."""
        return Path("runs/goldilocks")
