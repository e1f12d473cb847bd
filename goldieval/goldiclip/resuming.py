"""The checkpoint that a run continues from: the same one in all processes, and a whole one."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from goldieval.core.errors import GoldievalError
from goldieval.goldiclip.agreement import Agreement
from goldieval.goldiclip.checkpoint import CheckpointInfo
from goldieval.goldiclip.checkpoint_folder import DamagedCheckpointError, checkpoints
from goldieval.goldiclip.manifest import NAME
from goldieval.goldiclip.training_state import TrainingState


class Resuming:
    """Finds and restores the newest checkpoint of a run, as rank 0 sees it."""

    def __init__(self, out: Path, agreement: Agreement, falls_back: bool, note: Callable[[str], None]) -> None:
        """Prepare to resume.

        Args:
            out: Folder of the run.
            agreement: What this process agrees on with the others.
            falls_back: Whether the checkpoint before is taken where one is damaged.
            note: Called on rank 0 with a line for each damaged checkpoint.
        """
        self.out, self.agreement, self.falls_back, self.note = out, agreement, falls_back, note

    def found(self) -> list[Path]:
        """Return the checkpoints that rank 0 sees, newest first."""
        names = self.agreement.exchanged([folder.name for folder in checkpoints(self.out)])[0]
        return [self.out / name for name in reversed(names)]

    def restored(self, state: TrainingState) -> tuple[Path, int, CheckpointInfo]:
        """Read the newest checkpoint into a state.

        Args:
            state: The state of the run.

        Returns:
            The checkpoint, the steps that it has done, and what it says of itself.

        Raises:
            GoldievalError: A process does not see it, it belongs to another recipe, or it is damaged and so are those
                before it, or ``falls_back`` is false.
        """
        found = self.found()
        for folder, before in zip(found, [*found[1:], None], strict=True):
            self._check_same_everywhere(folder)
            try:
                step, info = state.restore(folder)
                damage = ""
            except DamagedCheckpointError as error:
                damage = str(error)
            damages = [each for each in self.agreement.exchanged(damage) if each]
            if not damages:
                return folder, step, info
            if not self.falls_back or before is None:
                raise GoldievalError(damages[0])
            self._note_fall_back(before, damages[0])
        raise GoldievalError(f"cannot resume: there is no checkpoint in {self.out} any more.")

    def _check_same_everywhere(self, folder: Path) -> None:
        if differing := self.agreement.differing(identity(folder)):
            raise GoldievalError(
                f"cannot resume: {differing[0]} does not see {folder} as {self.agreement.name(0)} "
                "does. --out has to be on a file system that all processes share."
            )

    def _note_fall_back(self, before: Path, damage: str) -> None:
        reason = damage.removeprefix("cannot resume: ").partition(". ")[0].rstrip(".")
        if self.agreement.rank == 0:
            self.note(f"{reason}; continuing from {before.name} before it")


def identity(folder: Path) -> str:
    """Return a hash of the manifest, which has those of all files; of an older checkpoint, the size of its state."""
    for name in (NAME, "state.pt"):
        file = folder / name
        if file.is_file():
            return hashlib.sha256(file.read_bytes()).hexdigest() if name == NAME else str(file.stat().st_size)
    return "missing"
