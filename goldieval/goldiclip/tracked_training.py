"""A training in experiment trackers: every step, and the scores of the checkpoints that are evaluated."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from goldieval.goldiclip.run_folder import StepReport
from goldieval.goldiclip.trainer import Trainer
from goldieval.records.schema import Record
from goldieval.records.series import step_in
from goldieval.tracking.backend import Value
from goldieval.tracking.scores import protocols_of, scores_of
from goldieval.tracking.trackers import Trackers


class TrackedTraining:
    """Passes on what happens in a training to its trackers.

    Attributes:
        trackers: The open trackers.
    """

    def __init__(self, trackers: Trackers) -> None:
        self.trackers = trackers
        self._texts: dict[str, str] = {}

    def step(self, report: StepReport) -> None:
        """Log a step, unless the interrupted run that is continued has logged it."""
        self.trackers.log(step_values(report), report.step, repeated=True)

    def scores(self, checkpoint: Path, records: Iterable[Record]) -> None:
        """Log the scores of a checkpoint such as ``step-000500``."""
        scored = [record for record in records if record.metrics]
        step = step_in(checkpoint.name)
        if scored and step is not None:
            self.trackers.log(scores_of(scored), step)
            model = {"checkpoint": scored[0].model.fingerprint, "notice": scored[0].model.notice}
            texts = model | protocols_of(scored)
            self.trackers.describe({key: text for key, text in texts.items() if self._texts.get(key) != text}, step)
            self._texts |= texts


@contextmanager
def tracked(trainer: Trainer, names: Sequence[str], note: Callable[[str], None]) -> Iterator[TrackedTraining]:
    """Open the trackers of a training in its main process, and close them at its end.

    A resumed training continues the runs that it began, if it continues from a checkpoint.

    Args:
        trainer: The training, before its first step.
        names: Names of trackers.
        note: Called with lines for the user.

    Raises:
        TrackerError: A tracker cannot be opened.
    """
    recipe, out, first = trainer.recipe, trainer.folder.out, trainer.step
    config: dict[str, Value] = {
        "goldieval": version("goldieval"),
        "method": recipe.method,
        "processes": trainer.accelerator.num_processes,
        "unique_images": len(trainer.corpus),
        **_flat(recipe.model_dump(mode="json")),
    }
    with Trackers(
        names if trainer.accelerator.is_main_process else (),
        run=out.resolve().name,
        folder=out / "trackers",
        config=config,
        axis="step",
        continues=lambda last: first > 0,
        note=note,
    ) as trackers:
        yield TrackedTraining(trackers)


def step_values(report: StepReport) -> dict[str, float]:
    """Return the numbers of a step by the names under which trackers show them."""
    return {
        "loss/total": report.total,
        **{f"loss/{name}": loss for name, loss in report.losses.items()},
        **{f"weight/{name}": weight for name, weight in report.weights.items()},
        "learning_rate": report.learning_rate,
        "gradient_norm": report.gradient_norm,
        "images_per_second": report.rate,
        "images_seen": report.images_seen,
        "seconds_waiting_for_data": report.waited,
        **({"memory_gib": report.memory / 2**30} if report.memory else {}),
    }


def _flat(content: Mapping[str, Any], prefix: str = "") -> dict[str, Value]:
    """Return nested values under names such as ``optimiser/lr``, without those that are not set."""
    flat: dict[str, Value] = {}
    for key, value in content.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{key}/")
        elif value is not None:
            flat[f"{prefix}{key}"] = value if isinstance(value, str | int | float) else str(value)
    return flat
