"""Trainings of a tower with its head by mmsegmentation's runner, and the trained models for predictions.

Each runs in one process. On a CPU it uses one thread, so that results do not depend on the number of
cores; on CUDA, some of the backward passes are not repeatable to the last bit.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from goldieval.core.errors import TaskError
from goldieval.core.out_of_memory import memory_cause, release_memory
from goldieval.core.stop import leave_stop_to_parent
from goldieval.core.units import one_thread
from goldieval.families.base import TaskRun
from goldieval.families.dense_probe_finetuned_config import HEAD, NORMALISE, config_text, configuration
from goldieval.families.dense_probe_finetuned_head import TargetHead
from goldieval.families.dense_probe_finetuned_pictures import Loader, Normalise, Order, Pictures, Sample
from goldieval.families.dense_probe_finetuned_runner import Progress, contained_runner, train
from goldieval.families.dense_probe_finetuned_state import trained_tensors
from goldieval.families.dense_probe_finetuned_tower import PatchFeatures, Tower
from goldieval.families.dense_probe_target import Target
from goldieval.families.mmseg_parts import quiet_import
from goldieval.tasks.dense_probe_params import DenseProbeParams


@dataclass(frozen=True)
class FineTuned:
    """What one training gives, on the host.

    Attributes:
        seed: its seed.
        weights: trained weights and statistics of tower and head, by name in ``EncoderDecoder``.
        losses: loss of each step, float32, shape (steps,).
        config: configuration of the runner, as text.
    """

    seed: int
    weights: Mapping[str, np.ndarray]
    losses: np.ndarray
    config: str

    def mean_losses(self) -> tuple[float, float]:
        """Return the mean loss of the first and of the last tenth of the steps."""
        few = max(1, len(self.losses) // 10)
        return float(self.losses[:few].mean()), float(self.losses[-few:].mean())


@dataclass(frozen=True)
class FineTuning:
    """What all trainings of a task have in common.

    Attributes:
        model: the adapter; it is not changed.
        features: computes patch features with it.
        params: parameters of the task.
        target: what is predicted.
        classes: names of the classes; empty for a target without.
        rows: rows of the training pictures.
        ids: id of each of them.
        read: reads the picture of a row, and its truth.
        workers: number of processes that read pictures; 0 to read them in this one.
        folder: where the states of trainings are kept; None if they are not.
    """

    model: Any
    features: PatchFeatures
    params: DenseProbeParams
    target: Target
    classes: Sequence[str]
    rows: Sequence[int]
    ids: Sequence[str]
    read: Callable[[int], Sample]
    workers: int
    folder: Path | None

    @property
    def device(self) -> torch.device:
        module: nn.Module = self.model.module
        return next(module.parameters()).device

    def tower(self) -> Tower:
        """Return a trainable copy of the tower."""
        with torch.inference_mode(False), torch.enable_grad():
            return Tower(self.model.module, self.features, self.params.crop)

    def trained(self, run: TaskRun[Any], seed: int) -> FineTuned:
        """Train tower and head with a seed, or continue that.

        Args:
            run: shows the progress.
            seed: the seed.

        Raises:
            TaskError: the model cannot be trained, the loss is not finite, or there is not enough memory.
        """
        params = self.params
        config = configuration(params, self.classes, self.target.outputs, self.tower().width, seed)
        text = config_text(config)
        identity = json.dumps([text, list(self.ids)])
        file = self.folder / f"finetuned-{seed}.safetensors" if self.folder else None
        what = f"fine-tuning, seed {seed + 1} of {params.seeds}"
        with run.working("finetune", what, params.iterations) as meter, _memory_for(params), _alone(self.device):
            progress = Progress(params.iterations, file, identity, meter)
            with _one_line():
                module = train(config, lambda: self._module(config), lambda: self._loader(config), progress)
            weights = {name: tensor.detach().cpu().numpy() for name, tensor in trained_tensors(module).items()}
        return FineTuned(seed, weights, progress.losses.cpu().numpy(), text)

    def module_of(self, trained: FineTuned) -> Any:
        """Return the ``EncoderDecoder`` of a training, in evaluation mode."""
        width = len(trained.weights["backbone.norm.weight"])
        with contained_runner("mmseg"):
            module = self._module(configuration(self.params, self.classes, self.target.outputs, width, trained.seed))
            weights = {name: torch.from_numpy(part) for name, part in trained.weights.items()}
            module.load_state_dict(weights, strict=False)  # without those that are not trained
        return module.eval()

    def _module(self, config: dict[str, Any]) -> nn.Module:
        parts = quiet_import("mmengine.config").ConfigDict(config["model"])
        parts.backbone = {"type": self.tower}
        if parts.decode_head.type == HEAD:
            parts.decode_head |= {"type": TargetHead, "target": self.target}
        quiet_import("mmseg.models")  # registers the parts
        model: nn.Module = quiet_import("mmseg.registry").MODELS.build(parts)
        return model.to(self.device)

    def _loader(self, config: dict[str, Any]) -> Loader:
        seed, steps = config["randomness"]["seed"], config["train_pipeline"]
        steps = [Normalise(self.model.normalise) if step["type"] == NORMALISE else step for step in steps]
        pictures = Pictures(self.read, self.rows, self.classes, steps, seed)
        return Loader(
            pictures,
            batch_size=self.params.batch,
            sampler=Order(len(self.rows), seed),
            num_workers=self.workers,
            multiprocessing_context="fork" if self.workers else None,  # the reading functions cannot be sent elsewhere
            worker_init_fn=leave_stop_to_parent,
            collate_fn=quiet_import("mmengine.dataset").pseudo_collate,
            generator=torch.Generator(),
        )


@contextmanager
def _alone(device: torch.device) -> Iterator[None]:
    """Compute with one thread on a CPU: more would change the last bits, and training makes them large differences."""
    with one_thread() if device.type == "cpu" else nullcontext():
        yield


@contextmanager
def _one_line() -> Iterator[None]:
    """Reduce an error of ours that a reading process raised to its own line: torch adds a traceback to it."""
    try:
        yield
    except TaskError as error:
        said = str(error).strip().splitlines()[-1].rpartition(f"{TaskError.__name__}: ")[2]
        raise TaskError(said) from error


@contextmanager
def _memory_for(params: DenseProbeParams) -> Iterator[None]:
    """Say what to do about exhausted memory."""
    try:
        yield
    except Exception as error:
        if not memory_cause(error):
            raise
        release_memory(error)
        raise TaskError(
            f"out of memory while fine-tuning with {params.batch} windows of {params.crop} px: "
            f"try --set batch={max(1, params.batch // 2)}."
        ) from error
