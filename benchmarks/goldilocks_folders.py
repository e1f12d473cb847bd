"""Where the study ``goldilocks`` keeps its files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from trainings import ROOT


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
