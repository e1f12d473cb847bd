"""Checks of a run's settings against its tasks, before any work is done."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from goldieval.core.errors import GoldievalError, did_you_mean
from goldieval.core.files import check_writable
from goldieval.engine.options import Options
from goldieval.families.base import family_of
from goldieval.records.files import sweep_results
from goldieval.tasks.catalogue import Selection


def check_settings(selection: Selection, options: Options) -> None:
    """Check a run's settings against its tasks, and that the folder for records can be written.

    Raises:
        GoldievalError: no task has such a setting, a setting does not apply to these tasks, or the folder cannot be
            written.
    """
    if options.subset not in ("", "present"):
        raise GoldievalError(
            f"--subset {options.subset!r} does not exist; the only subset is present: images whose picture file exists."
        )
    _check_overrides(selection, options.overrides)
    for task in selection.tasks:
        task.override(options.overrides)
    if options.scoring is not None and not any(
        "scoring" in type(task.card.params).model_fields for task in selection.tasks
    ):
        raise GoldievalError(
            f"--scoring {options.scoring}: none of these tasks compares images with texts; leave it out."
        )
    if options.save_images and not any(family_of(task.card.family).draws_pictures for task in selection.tasks):
        raise GoldievalError(
            "--save-images: none of these tasks draws pictures: segmentation, dense probes and regions do."
        )
    if options.out is not None and not options.dry_run:
        _check_out(options.out)


def _check_overrides(selection: Selection, overrides: dict[str, Any]) -> None:
    """Raise GoldievalError for a ``--set`` key that is a parameter of no task of the run."""
    parameters = {name for task in selection.tasks for name in type(task.card.params).model_fields}
    for key in overrides:
        if key not in parameters:
            hint = did_you_mean(key, parameters) or f" They have {', '.join(sorted(parameters))}."
            raise GoldievalError(f"--set {key}: none of these tasks has such a parameter.{hint}")


def _check_out(out: Path) -> None:
    try:
        check_writable(out)
        sweep_results(out)
    except OSError as error:
        raise GoldievalError(
            f"cannot write results to {out}: {error.strerror or error}. Choose another folder with --out."
        ) from error
