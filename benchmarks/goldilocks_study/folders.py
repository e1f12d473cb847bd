"""Where the study ``goldilocks`` keeps its files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from trainings import ROOT

SHARES = "shares.json"  # in the folder of a run: what its features encode
VALIDATION = "-validation"  # ends the names of cards on the validation split


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
