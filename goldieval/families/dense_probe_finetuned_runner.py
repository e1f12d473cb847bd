"""mmengine's runner, contained: it writes and prints nothing, and leaves no global object behind.

It also asks for nothing of other processes: the training runs in one, whatever the number of ranks.
"""

from __future__ import annotations

import logging
import random
import tempfile
import time
import uuid
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from goldieval.core.errors import TaskError
from goldieval.core.meter import Meter
from goldieval.core.stop import stop_requested
from goldieval.families.dense_probe_finetuned_pictures import Loader
from goldieval.families.dense_probe_finetuned_state import load_state, save_state
from goldieval.families.mmseg_parts import quiet_import

SAVED_S = 300.0  # what a killed training loses at most
CHECKED = 50  # steps after which the losses are checked
LOG = logging.getLogger("goldieval")
NO_HOOKS = dict.fromkeys(["runtime_info", "timer", "sampler_seed", "logger", "checkpoint"])


class ContainedRunner(quiet_import("mmengine.runner").Runner):  # type: ignore[misc]
    """A runner that knows of no other processes, no terminal, no log files and no other device than the model's."""

    def setup_env(self, env_cfg: dict[str, Any]) -> None:
        self._rank, self._world_size = 0, 1
        self._timestamp = ""  # with it the folder of the log is the working folder, so that none is made

    def set_randomness(self, seed: int, **_: Any) -> None:
        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)
        self._seed, self._deterministic = seed, False

    def wrap_model(self, model_wrapper_cfg: dict[str, Any] | None, model: torch.nn.Module) -> torch.nn.Module:
        return model

    def _init_model_weights(self) -> None:
        self.model.decode_head.init_weights()

    def _log_env(self, env_cfg: dict[str, Any]) -> None:
        pass

    def dump_config(self) -> None:
        pass

    def build_logger(self, log_level: int | str = "INFO", log_file: str | None = None, **_: Any) -> Any:
        logger = quiet_import("mmengine.logging").MMLogger.get_instance(self._experiment_name, log_level=log_level)
        logger.handlers[:] = [_Debug()]
        return logger

    def build_visualizer(self, visualizer: Any = None) -> Any:
        return quiet_import("mmengine.visualization").Visualizer.get_instance(self._experiment_name)


class _Debug(logging.Handler):
    """Passes messages of mmengine on to goldieval's log, as what only ``--debug`` shows."""

    def emit(self, record: logging.LogRecord) -> None:
        LOG.debug("mmengine: %s", record.getMessage())


class Progress(quiet_import("mmengine.hooks").Hook):  # type: ignore[misc]
    """Continues a training, saves its state, collects its losses and shows its progress."""

    priority = "LOWEST"  # after the learning rates were set for the next step

    def __init__(self, steps: int, file: Path | None, identity: str, meter: Meter) -> None:
        """Begin.

        Args:
            steps: number of steps.
            file: file of the state; None if nothing is kept.
            identity: everything that determines the training.
            meter: shows the progress.
        """
        self.losses = torch.empty(0)
        self._steps, self._file, self._identity, self._meter = steps, file, identity, meter
        self._saved = time.monotonic()

    def before_train(self, runner: Any) -> None:
        self.losses = torch.zeros(self._steps, device=next(runner.model.parameters()).device)
        earlier = load_state(self._file, runner, self._identity) if self._file else None
        if earlier is not None:
            runner.train_loop._iter = len(earlier)
            self.losses[: len(earlier)] = earlier
            self._meter.advance(len(earlier))

    def after_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: dict[str, torch.Tensor] | None = None
    ) -> None:
        assert outputs is not None
        self.losses[batch_idx] = outputs["loss"].detach()
        done = batch_idx + 1
        last = done == self._steps
        if last or done % CHECKED == 0:
            check_finite(self.losses[:done])
        if self._file and (last or stop_requested() or time.monotonic() - self._saved > SAVED_S):
            check_finite(self.losses[:done])
            save_state(self._file, runner, self.losses[:done], self._identity, finished=last)
            self._saved = time.monotonic()
        self._meter.advance(1)


def check_finite(losses: torch.Tensor) -> None:
    """Raise TaskError with the first step whose loss is NaN or infinite."""
    wrong = torch.nonzero(~torch.isfinite(losses))
    if len(wrong):
        raise TaskError(
            f"the loss of the fine-tuning is not finite at step {int(wrong[0]) + 1:,}: lower tower_rate or head_rate."
        )


def train(
    config: dict[str, Any], model: Callable[[], torch.nn.Module], loader: Callable[[], Loader], progress: Progress
) -> torch.nn.Module:
    """Train a model with a configuration, and return it in evaluation mode.

    Args:
        config: result of ``configuration``.
        model: builds the model.
        loader: builds the loader of the training pictures.
        progress: continues and saves the training.
    """
    with contained_runner(config["default_scope"]), closing(loader()) as pictures:
        runner = ContainedRunner(
            model=model(),
            work_dir=tempfile.gettempdir(),  # nothing is written there
            train_dataloader=pictures,
            train_cfg=config["train_cfg"],
            optim_wrapper=config["optim_wrapper"],
            param_scheduler=config["param_scheduler"],
            default_hooks=NO_HOOKS,
            custom_hooks=[progress],
            default_scope=config["default_scope"],
            randomness=config["randomness"],
            experiment_name=f"goldieval-{uuid.uuid4().hex}",
        )
        trained: torch.nn.Module = runner.train()
        return trained.eval()


@contextmanager
def contained_runner(scope: str) -> Iterator[None]:
    """Undo what building and running a model changes in this process: random generators, and mmengine's named objects.

    Inside, gradients are computed, which a run otherwise switches off.

    Args:
        scope: name of the registries in which mmengine looks for parts.
    """
    scopes = quiet_import("mmengine.registry").DefaultScope
    kinds = [
        quiet_import("mmengine.logging").MMLogger,
        quiet_import("mmengine.logging").MessageHub,
        quiet_import("mmengine.visualization").Visualizer,
        scopes,
    ]
    named = [dict(kind._instance_dict) for kind in kinds]
    states = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(), torch.inference_mode(False), torch.enable_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with scopes.overwrite_default_scope(scope):
                yield
        finally:
            random.setstate(states[0])
            np.random.set_state(states[1])
            for kind, before in zip(kinds, named, strict=True):
                kind._instance_dict.clear()
                kind._instance_dict.update(before)
