"""One class per tracker, around the tracker of accelerate: open or continue a run, log numbers, describe, close.

A run that the caller has open already, as in a training loop of his own, is written to and left open.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Mapping
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from goldieval.core.offline import is_offline
from goldieval.core.text import one_line, shell_argument
from goldieval.tracking.backend import PROJECT, TrackedRun, Value


class TensorBoard:
    """Event files in ``FOLDER/tensorboard/ID``."""

    def __init__(self, run: TrackedRun) -> None:
        from accelerate.tracking import TensorBoardTracker

        self.id = run.id
        logs = run.folder / "tensorboard"
        self._tracker = _started(TensorBoardTracker(run.id, str(logs)))
        self.view = f"tensorboard --logdir {shell_argument(str(logs))}"
        if not run.continued:
            self.describe({key: str(value) for key, value in run.config.items()}, 0)

    def log(self, values: Mapping[str, float], step: int) -> None:
        self._tracker.log(dict(values), step=step)

    def describe(self, texts: Mapping[str, str], step: int) -> None:
        rows = [f"| {_cell(key)} | {_cell(text)} |" for key, text in texts.items()]
        self._tracker.tracker.add_text("config", "\n".join(["| key | value |", "|---|---|", *rows]), step)

    def close(self) -> None:
        self._tracker.finish()


class WandB:
    """A run in Weights & Biases, or offline below the folder. Only the given numbers and configuration are sent."""

    def __init__(self, run: TrackedRun) -> None:
        import wandb
        from accelerate.tracking import WandBTracker

        self._axis, self._is_ours = run.axis, wandb.run is None
        if not self._is_ours:
            self._tracker = WandBTracker(PROJECT)
            self._tracker.run = wandb.run
            self._tracker.run.config.update(_prefixed(run.config), allow_val_change=True)
        else:
            run.folder.mkdir(parents=True, exist_ok=True)
            settings: dict[str, Any] = {
                "silent": True,
                "console": "off",
                "disable_git": True,
                "disable_code": True,
                "disable_job_creation": True,
                "x_disable_stats": True,
                "x_disable_meta": True,
                "x_save_requirements": False,
                **({"mode": "offline"} if is_offline() else {}),
            }
            self._tracker = WandBTracker(
                os.environ.get("WANDB_PROJECT") or PROJECT,
                name=run.name,
                id=run.id,
                resume="allow",
                dir=os.environ.get("WANDB_DIR") or str(run.folder),
                config=dict(run.config),
                settings=wandb.Settings(**settings),
            )
            _started(self._tracker)
            self._tracker.run.define_metric("*", step_metric=run.axis)
        self.id = self._tracker.run.id
        files = str(Path(self._tracker.run.dir).parent)
        is_offline_run = self._tracker.run.offline
        self.view = f"wandb sync {shell_argument(files)}" if is_offline_run else str(self._tracker.run.url)

    def log(self, values: Mapping[str, float], step: int) -> None:
        # W&B drops what lies before its own step, and the axis of a run of the caller is the caller's.
        fits = self._is_ours and step >= self._tracker.run.step
        self._tracker.log({**values, self._axis: step}, step=step if fits else None)

    def describe(self, texts: Mapping[str, str], step: int) -> None:
        found = {f"{key}/{step}": text for key, text in texts.items()}
        self._tracker.run.config.update(found if self._is_ours else _prefixed(found), allow_val_change=True)

    def close(self) -> None:
        if self._is_ours:
            self._tracker.finish()


class MLflow:
    """A run in MLflow; without a tracking server of the user in files below the folder."""

    def __init__(self, run: TrackedRun) -> None:
        # Read when MLflow is imported or opens its files. The files are those of older releases, and need no database.
        for name, value in (("MLFLOW_DISABLE_TELEMETRY", "true"), ("MLFLOW_ALLOW_FILE_STORE", "true")):
            os.environ.setdefault(name, value)
        import mlflow
        from accelerate.tracking import MLflowTracker

        active = mlflow.active_run()
        self._is_ours, self._has_own_files = active is None, not mlflow.is_tracking_uri_set() and active is None
        if self._has_own_files:
            mlflow.set_tracking_uri((run.folder / "mlflow").resolve().as_uri())
        self._tracker = MLflowTracker(PROJECT, run_id=run.id if run.continued else None, run_name=run.name)
        if active is not None:
            self._tracker.active_run = active
        else:
            _started(self._tracker)
        self.id = self._tracker.active_run.info.run_id
        uri = mlflow.get_tracking_uri()
        local = f"MLFLOW_ALLOW_FILE_STORE=true mlflow ui --backend-store-uri {shell_argument(uri)}"
        self.view = local if self._has_own_files else uri
        if not self._is_ours:
            mlflow.set_tags({_mlflow_key(key): value for key, value in _prefixed(run.config).items()})
        elif not run.continued:
            self._tracker.store_init_configuration({_mlflow_key(key): value for key, value in run.config.items()})

    def log(self, values: Mapping[str, float], step: int) -> None:
        self._tracker.log({_mlflow_key(key): value for key, value in values.items()}, step=step)

    def describe(self, texts: Mapping[str, str], step: int) -> None:
        import mlflow

        found = _prefixed({f"{key}/{step}": text for key, text in texts.items()})
        mlflow.set_tags({_mlflow_key(key): text for key, text in found.items()})  # unlike parameters, they may change

    def close(self) -> None:
        import mlflow

        if self._is_ours:
            self._tracker.finish()
        if self._has_own_files:
            mlflow.set_tracking_uri("")


class Trackio:
    """A run in Trackio, below the folder unless ``$TRACKIO_DIR`` or a Space is set."""

    def __init__(self, run: TrackedRun) -> None:
        os.environ.setdefault("TRACKIO_DIR", str((run.folder / "trackio").resolve()))  # read when it is imported
        import trackio
        from accelerate.tracking import TrackioTracker

        active = trackio.context_vars.current_run.get()
        self._is_ours, self._axis = active is None, run.axis
        quiet = {"auto_log_gpu": False, "auto_log_cpu": False, "embed": False}
        self._tracker = TrackioTracker(PROJECT, name=run.id, resume="allow", config=dict(run.config), **quiet)
        if active is not None:
            self._tracker.run = active
        else:
            with redirect_stdout(io.StringIO()):
                _started(self._tracker)
        self.id = run.id
        self.view = f"TRACKIO_DIR={shell_argument(str(trackio.utils.TRACKIO_DIR))} trackio show --project {PROJECT}"

    def log(self, values: Mapping[str, float], step: int) -> None:
        axis = {} if self._axis == "step" else {self._axis: step}  # Trackio keeps the name ``step`` for its own
        self._tracker.log({**values, **axis}, **({"step": step} if self._is_ours else {}))

    def describe(self, texts: Mapping[str, str], step: int) -> None:
        self._tracker.log(dict(texts), **({"step": step} if self._is_ours else {}))

    def close(self) -> None:
        if self._is_ours:
            with redirect_stdout(io.StringIO()):
                self._tracker.finish()


BACKENDS: dict[str, type[TensorBoard] | type[WandB] | type[MLflow] | type[Trackio]] = {
    "tensorboard": TensorBoard,
    "wandb": WandB,
    "mlflow": MLflow,
    "trackio": Trackio,
}


def _started(tracker: Any) -> Any:
    """Start a tracker of accelerate, which needs to know the processes."""
    from accelerate import PartialState

    PartialState()
    tracker.start()
    return tracker


def _prefixed(values: Mapping[str, Value]) -> dict[str, Value]:
    """Return values under names that do not meet those of the caller."""
    return {f"{PROJECT}/{key}": value for key, value in values.items()}


def _cell(text: str) -> str:
    return one_line(text).replace("|", "\\|")


def _mlflow_key(key: str) -> str:
    return re.sub(r"[^\w\-. :/]", "_", key, flags=re.ASCII)
