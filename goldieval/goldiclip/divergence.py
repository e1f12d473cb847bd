"""What stops a training: a loss, a gradient or a weight that is no longer finite, in any process."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import torch

from goldieval.core.errors import GoldievalError, first_line
from goldieval.goldiclip.agreement import Agreement
from goldieval.goldiclip.checkpoint_folder import latest
from goldieval.goldiclip.data.batch import Batch
from goldieval.goldiclip.model import GoldiClip
from goldieval.goldiclip.step_numbers import StepNumbers, has_diverged

SAMPLES = 2  # images whose features are checked before a checkpoint is written


class DivergenceGuard:
    """Stops a training that has diverged with one line that names the last good checkpoint.

    A checkpoint is good if its numbers and the features that it gives are finite, and if the step after it was finite
    too: its loss and gradient are the first that these weights gave.

    Attributes:
        good_step: Checkpoints up to this step are known to be good.
    """

    def __init__(self, folder: Path, agreement: Agreement, step: int) -> None:
        """Watch a run.

        Args:
            folder: Folder of the run.
            agreement: What this process agrees on with the others.
            step: Steps done before.
        """
        self.folder, self.agreement = folder, agreement
        self.good_step = step - 1
        self._sample: tuple[torch.Tensor, torch.Tensor] | None = None

    def keep_sample(self, batch: Batch) -> None:
        """Keep a few inputs of the first batch of this process, for ``check_checkpoint``."""
        if self._sample is None:
            sample = batch.rows(0, min(SAMPLES, len(batch)))
            self._sample = sample.images.first(), sample.captions.flat.clone()

    def check(self, step: int, numbers: StepNumbers, skips: bool) -> None:
        """Stop, in all processes, before the weights move by what is not finite.

        That is the total loss of a process, which may have exploded as well, or the gradient.

        Args:
            step: Steps done before.
            numbers: The numbers of the step.
            skips: Whether the optimiser leaves out a step whose gradient is not finite, as that of fp16 does.
        """
        if numbers.diverged:
            here = has_diverged(numbers.own_total)
            subject = "the loss" if here else "the loss of another process is not finite or has exploded; here it"
            self.stop(step, f"{subject} is {numbers.own_total:.4g}", numbers.own_losses)
        if math.isfinite(numbers.gradient_norm):
            self.good_step = step  # the weights that gave this gradient
        elif not skips:
            self.stop(step, f"the gradient is {numbers.gradient_norm}", numbers.own_losses)

    @contextmanager
    def checked_optimiser_step(self, step: int, losses: Mapping[str, float]) -> Iterator[None]:
        """Stop if a step size is too large for float32, of which torch makes a RuntimeError."""
        try:
            yield
        except RuntimeError as error:
            if "without overflow" in str(error):
                self.stop(step, f"the optimiser says: {first_line(error)}", losses)
            raise

    def check_checkpoint(self, step: int, not_finite: str, model: GoldiClip) -> None:
        """Stop, in all processes, before a checkpoint is written that is not finite or gives such features.

        Args:
            step: Steps done.
            not_finite: Name of a tensor of the checkpoint that is not finite, or an empty string.
            model: The student.
        """
        reason = f"numbers are no longer finite ({not_finite})" if not_finite else self._feature_problem(model)
        if self.agreement.agreed({"not finite": bool(reason)})["not finite"]:
            self.stop(step, f"after this step {reason or 'another process has numbers that are not finite'}", {})

    @torch.no_grad()
    def _feature_problem(self, model: GoldiClip) -> str:
        """Say which features of the kept sample are not finite: finite weights may still overflow."""
        if self._sample is None:
            return ""
        pixels, captions = self._sample
        features = {"an image": model.encode_image(pixels), "a text": model.encode_text(captions)}
        bad = [kind for kind, found in features.items() if not bool(torch.isfinite(found).all())]
        return f"the features of {bad[0]} are not finite" if bad else ""

    def stop(self, step: int, reason: str, losses: Mapping[str, float]) -> NoReturn:
        """Raise the error that ends the training.

        Args:
            step: Steps done.
            reason: What is wrong.
            losses: Losses of this step, to be shown.
        """
        values = ", ".join(f"{name} {loss:.4g}" for name, loss in losses.items())
        good, newest = latest(self.folder, self.good_step), latest(self.folder)
        newer = f" ({newest} is newer, and what this step began with)" if newest != good else ""
        init = f"; --set init={good} keeps what it has learned" if good else ""
        raise GoldievalError(
            f"training stopped at step {step:,}: {reason}{f' ({values})' if values else ''}. "
            f"Last good checkpoint: {good or 'none yet'}{newer}. "
            f"Begin again with a lower optimiser.lr and another --out{init}."
        )
