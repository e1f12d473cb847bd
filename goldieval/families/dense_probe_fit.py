"""Training of one head: AdamW, a linear warm-up and a linear decay, windows in an order that seed and epoch decide.

A head that was interrupted continues after the last epoch whose state was kept, and becomes the same head.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass, field

import torch

from goldieval.core.errors import TaskError
from goldieval.core.meter import Meter
from goldieval.core.threads import map_ahead
from goldieval.core.units import thread_count, unit_pool
from goldieval.families.dense_probe_features import Features
from goldieval.families.dense_probe_head import Head, WindowData, new_head, set_gradients
from goldieval.families.dense_probe_state import BETAS, HeadState, state_of, state_with
from goldieval.families.dense_probe_windows import Window, window_truth, windows_of

WARMUP = 0.04  # fraction of the steps: 1,500 of 40,000 in DINOv2's evaluation
KEEP_S = 60.0  # seconds between states that are kept
SOLVER = (
    f"AdamW (betas {BETAS[0]:g} and {BETAS[1]:g}) in float32, learning rate with linear warm-up over {WARMUP:.0%} of "
    "the steps and linear decay to 0 (poly with power 1), weight decay on all weights of the head, no augmentation"
)


@dataclass(frozen=True)
class HeadPlan:
    """One head to be trained.

    Attributes:
        number: among all heads of the task, from 0.
        rows: indices of the pictures to train on.
        seed: of initialisation and order.
        rate: highest learning rate.
    """

    number: int
    rows: tuple[int, ...]
    seed: int
    rate: float


@dataclass
class Training:
    """What the heads of a task have in common.

    Attributes:
        features: patch features.
        sizes: height and width of the resized pictures, by index.
        device: device of the heads.
    """

    features: Features
    sizes: dict[int, tuple[int, int]]
    device: str
    _kept_at: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.run = self.features.run
        self.prepared, self.params = self.run.prepared, self.run.prepared.params

    def steps(self, plan: HeadPlan) -> int:
        """Return the number of steps of a head: in every epoch, windows that do not fill a batch are left out."""
        windows = len(windows_of(plan.rows, self.sizes, self.params))
        return self.params.epochs * max(1, windows // self.params.batch)

    def trained(self, plan: HeadPlan, meter: Meter) -> Head:
        """Train a head, or continue one.

        Args:
            plan: the head.
            meter: counts steps.

        Raises:
            TaskError: its weights do not stay finite.
        """
        windows = windows_of(plan.rows, self.sizes, self.params)
        steps = self.steps(plan)
        per_epoch = steps // self.params.epochs
        with torch.inference_mode(False), torch.no_grad():
            state, epochs = self._begun(plan, windows[0])
            meter.advance(state.steps)
            for epoch in range(epochs, self.params.epochs):
                order = shuffled(windows, plan.seed, epoch)[: per_epoch * self.params.batch]
                with closing(self._batches(order)) as batches:
                    for batch in batches:
                        self._make_step(state, batch, rate_of(state.steps, steps, plan.rate))
                        meter.advance(1)
                self._keep(plan, epoch + 1, state)
        return state.head

    def _begun(self, plan: HeadPlan, window: Window) -> tuple[HeadState, int]:
        """Return the last state of a head that was kept and its number of epochs, or a new one."""
        decay = self.params.weight_decay
        for epochs in range(self.params.epochs, 0, -1):
            kept = self.run.parts.get(self._part(plan, epochs))
            if kept is not None:
                return state_of(kept, decay, self.device), epochs
        ((_, features),) = self.features.of_windows([window])
        head = new_head(features.shape[-1], self.prepared.target.outputs, plan.seed, self.device)
        return state_with(head, decay), 0

    def _batches(self, order: list[Window]) -> Generator[list[WindowData], None, None]:
        """Yield the windows of one epoch in batches, with features and truths that are read ahead."""
        target, params = self.prepared.target, self.params

        def truth(window: Window) -> torch.Tensor:
            found = window_truth(target.truth(window.row), self.sizes[window.row], params, window.number)
            return torch.from_numpy(found)

        batch = []
        truths = map_ahead(truth, order, self.run.batching.workers)
        for (_, features), (_, true) in zip(self.features.of_windows(order), truths, strict=True):
            batch.append(WindowData(torch.from_numpy(features), true))
            if len(batch) == min(params.batch, len(order)):
                yield batch
                batch = []

    def _make_step(self, state: HeadState, batch: list[WindowData], rate: float) -> None:
        for group in state.optimiser.param_groups:
            group["lr"] = rate
        with unit_pool(self.device, thread_count()) as run:
            set_gradients(state.head, batch, self.prepared.target, state.steps, run)
            state.optimiser.step()
        state.steps += 1

    def _keep(self, plan: HeadPlan, epochs: int, state: HeadState) -> None:
        """Keep the state after an epoch, if it is the last one or none was kept for ``KEEP_S`` seconds."""
        if not state.head.is_finite():
            raise TaskError(
                f"training with learning rate {plan.rate:g} diverged: leave it out with --set learning_rates=[...]."
            )
        if epochs < self.params.epochs and time.monotonic() - self._kept_at < KEEP_S:
            return
        self._kept_at = time.monotonic()
        self.run.parts.add(self._part(plan, epochs), state.arrays())

    def _part(self, plan: HeadPlan, epochs: int) -> int:
        """Return the number of the part that holds a head after so many epochs; lower numbers are pictures."""
        return len(self.prepared.dataset.images) + plan.number * (self.params.epochs + 1) + epochs


def rate_of(step: int, steps: int, highest: float) -> float:
    """Return the learning rate of a step.

    Args:
        step: number of the step, from 0.
        steps: number of all steps.
        highest: rate after the warm-up.

    >>> [round(rate_of(step, 100, 1.0), 3) for step in (0, 3, 4, 52, 99)]
    [0.25, 1.0, 1.0, 0.5, 0.01]
    """
    warmup = round(WARMUP * steps)
    if step < warmup:
        return highest * (step + 1) / warmup
    return highest * (steps - step) / (steps - warmup)


def shuffled(windows: list[Window], seed: int, epoch: int) -> list[Window]:
    """Return windows in the order of an epoch."""
    generator = torch.Generator().manual_seed(1_000_003 * seed + epoch)
    return [windows[number] for number in torch.randperm(len(windows), generator=generator).tolist()]
