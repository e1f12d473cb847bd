"""The trainer: one loop from a laptop to many GPUs, resumable to the bit, stopped by the first NaN."""

from __future__ import annotations

import json
import math
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs
from torch import nn

from goldieval.errors import GoldievalError
from goldieval.goldiclip.checkpoint import About, latest, load_state, load_weights, save_folder
from goldieval.goldiclip.data.bad_samples import MOST_BAD_SAMPLES, BadSamples
from goldieval.goldiclip.data.batches import Batches, Views
from goldieval.goldiclip.data.corpus import Corpus
from goldieval.goldiclip.data.feed import Feed
from goldieval.goldiclip.data.sources import corpus_of, workers_of
from goldieval.goldiclip.ema import teacher_of, update_teacher
from goldieval.goldiclip.losses import Losses, Step
from goldieval.goldiclip.model import GoldiClip
from goldieval.goldiclip.objectives.uncertainty import UncertaintyWeights
from goldieval.goldiclip.recipe import Recipe
from goldieval.goldiclip.tokenizer import Tokenizer

HIGHEST_SCALE = math.log(100)
EXPLODED = 1e4  # a total loss beyond this has left the region that any of the objectives visits


@dataclass(frozen=True)
class Report:
    """What one step did. losses, weights: by objective.   rate: images per second."""

    step: int
    images_seen: int
    losses: dict[str, float]
    weights: dict[str, float]
    total: float
    gradient_norm: float
    rate: float


class Student(nn.Module):
    """Model, objectives and loss weights as one module, so that one wrapper synchronises all their gradients."""

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        self.model = GoldiClip(recipe.model, math.log(recipe.logit_scale), recipe.logit_bias)
        self.losses = Losses(recipe)
        learned = recipe.weighting.kind == "uncertainty"
        self.weights = UncertaintyWeights(list(recipe.objectives), recipe.weighting.warm_up) if learned else None
        self.fixed: dict[str, float] = {str(name): weight for name, weight in recipe.objectives.items()}

    def forward(self, step: Step) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        losses = self.losses(step)
        if self.weights is not None:
            return self.weights(losses), losses
        return torch.stack([self.fixed[name] * loss for name, loss in losses.items()]).sum(), losses

    def weight_values(self) -> dict[str, float]:
        return self.weights.weights() if self.weights is not None else dict(self.fixed)


class Trainer:
    """A run in ``out``: ``log.jsonl``, ``step-000500/`` checkpoints, of which the newest few are kept."""

    def __init__(
        self,
        recipe: Recipe,
        out: Path,
        *,
        resume: bool = False,
        corpus: Corpus | None = None,
        max_bad_samples: int = MOST_BAD_SAMPLES,
        note: Callable[[str], None] = lambda line: None,
    ) -> None:
        """note: is told of each bad sample, of which a process may meet so many, and of data that take a while."""
        self.recipe, self.out = recipe, out
        self.accelerator = Accelerator(
            mixed_precision=recipe.optimiser.precision,
            gradient_accumulation_steps=recipe.optimiser.accumulate,
            kwargs_handlers=[DistributedDataParallelKwargs(find_unused_parameters=True)],  # recipes leave parts out
        )
        torch.manual_seed(recipe.seed)
        self.tokenizer = Tokenizer(recipe.model.merges, recipe.model.context_length)
        student = Student(recipe)
        self.teacher = teacher_of(student.model).to(self.accelerator.device)
        self.optimiser = torch.optim.AdamW(
            parameter_groups(student, recipe),
            lr=recipe.optimiser.lr,
            betas=recipe.optimiser.betas,
            eps=recipe.optimiser.eps,
        )
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimiser, lambda step: warm_cosine(step, recipe))
        self.raw = student
        self.step = 0
        if resume and (found := latest(out)):
            self._restore(found)
        self.student, self.optimiser = self.accelerator.prepare(student, self.optimiser)
        self.corpus = corpus_of(recipe, self.tokenizer, note) if corpus is None else corpus
        self.bad_samples = BadSamples(max_bad_samples, note)
        self.batches = self._feed()

    def _feed(self) -> Feed:
        recipe, processes = self.recipe, self.accelerator.num_processes
        batches = Batches(
            self.corpus,
            self.tokenizer,
            views_of(recipe),
            recipe.optimiser.batch_size,
            recipe.seed,
            self.accelerator.process_index,
            processes,
            self.bad_samples.most,
        )
        cuda = self.accelerator.device.type == "cuda"
        return Feed(batches, recipe.optimiser.steps, workers_of(recipe, processes), self.bad_samples, pin=cuda)

    def run(
        self,
        watch: Callable[[Report], None] = lambda report: None,
        evaluate: Callable[[Path], None] = lambda folder: None,
    ) -> Path:
        """Train to the end of the recipe; return the last checkpoint.

        Args:
            watch: told of every step.   evaluate: given the checkpoints that the recipe wants evaluated.

        Raises:
            GoldievalError: a loss is NaN, infinite or has exploded; names the last good checkpoint.
        """
        self.out.mkdir(parents=True, exist_ok=True)
        rank = self.accelerator.process_index
        self.bad_samples.log = self.out / f"bad_samples{f'-{rank}' if rank else ''}.jsonl"
        self._trim_log()
        for report in self.steps():
            self._log(report)
            watch(report)
            due = self._due(report.step, self.recipe.evaluation.every)
            if due or self._due(report.step, self.recipe.save_every):
                self.save()
            if due:
                if self.accelerator.is_main_process:
                    evaluate(self.folder(self.step))
                self.accelerator.wait_for_everyone()
        return self.folder(self.step)

    def _due(self, step: int, every: int) -> bool:
        """Every so many steps and at the end; never where it is 0."""
        return bool(every) and (step % every == 0 or step == self.recipe.optimiser.steps)

    def steps(self) -> Iterator[Report]:
        while self.step < self.recipe.optimiser.steps:
            start = time.perf_counter()
            total, losses, weights, norm = self._one()
            self.step += 1
            seconds = time.perf_counter() - start
            yield Report(
                self.step,
                self.step * self.recipe.optimiser.batch_size,
                {name: float(loss.detach()) for name, loss in losses.items()},
                weights,
                float(total.detach()),
                norm,
                self.recipe.optimiser.batch_size / seconds,
            )

    def _one(self) -> tuple[torch.Tensor, dict[str, torch.Tensor], dict[str, float], float]:
        """Return the total, the losses and the weights that made it, and the gradient's norm (0 while it adds up)."""
        batch = self.batches.at(self.step).to(self.accelerator.device)
        generator = torch.Generator().manual_seed(self.recipe.seed * 1_000_003 + self.step)
        with self.accelerator.accumulate(self.student), self.accelerator.autocast():
            total, losses = self.student(Step(self.raw.model, self.teacher, batch, generator))
            self._check(total, losses)
            weights = self.raw.weight_values()
            self.accelerator.backward(total)
            norm = self._clip(losses)
            self.optimiser.step()
            self.optimiser.zero_grad()
        self.schedule.step()
        if self.accelerator.sync_gradients:
            with torch.no_grad():
                self.raw.model.logit_scale.clamp_(0, HIGHEST_SCALE)
            update_teacher(self.teacher, self.raw.model, self.recipe.teacher.momentum)
        return total, losses, weights, norm

    def _check(self, total: torch.Tensor, losses: dict[str, torch.Tensor]) -> None:
        if not (bool(torch.isfinite(total)) and float(total.detach()) < EXPLODED):
            self._stop(f"the loss is {float(total.detach()):.4g}", losses)

    def _clip(self, losses: dict[str, torch.Tensor]) -> float:
        """Clip the whole gradient, once it has been accumulated; in fp16 the scaler deals with one that overflowed."""
        if not self.accelerator.sync_gradients:
            return 0.0
        norm = float(self.accelerator.clip_grad_norm_(self.raw.model.parameters(), self.recipe.optimiser.clip))
        if not math.isfinite(norm) and self.accelerator.scaler is None:
            self._stop(f"the gradient is {norm}", losses)
        return norm

    def _stop(self, reason: str, losses: dict[str, torch.Tensor]) -> NoReturn:
        values = ", ".join(f"{name} {float(loss.detach()):.4g}" for name, loss in losses.items())
        good = latest(self.out)
        raise GoldievalError(
            f"training stopped at step {self.step:,}: {reason} ({values}). "
            f"Last good checkpoint: {good or 'none yet'}. Lower optimiser.lr, or go on from there with --resume."
        )

    def folder(self, step: int) -> Path:
        return self.out / f"step-{step:06d}"

    def about(self) -> About:
        recipe = self.recipe
        return About(
            recipe.model,
            recipe.name,
            self.step * recipe.optimiser.batch_size,
            len(self.corpus),
            recipe.seed,
            recipe.scoring,
            home="shapes" if recipe.data.source == "shapes" else "",
            notice=recipe.title,
        )

    def save(self) -> None:
        """Write a checkpoint and drop the oldest."""
        if not self.accelerator.is_main_process:
            return
        state = {
            "step": self.step,
            "optimiser": self.optimiser.state_dict(),
            "schedule": self.schedule.state_dict(),
            "losses": self.raw.losses.state_dict(),
            "weights": self.raw.weights.state_dict() if self.raw.weights is not None else {},
        }
        save_folder(self.folder(self.step), self.raw.model, self.teacher, self.about(), state)
        for old in sorted(self.out.glob("step-*"))[: -self.recipe.keep]:
            shutil.rmtree(old)

    def _restore(self, folder: Path) -> None:
        state = load_state(folder)
        model, about = load_weights(folder)
        if about.config != self.recipe.model:
            raise GoldievalError(
                f"cannot resume: {folder} holds a model of another size than recipe {self.recipe.name}."
            )
        teacher, _ = load_weights(folder / "teacher.safetensors")
        try:
            self.raw.model.load_state_dict(model.state_dict())
            self.teacher.load_state_dict(teacher.state_dict())
            self.raw.losses.load_state_dict(state["losses"])
            if self.raw.weights is not None:
                self.raw.weights.load_state_dict(state["weights"])
            self.optimiser.load_state_dict(state["optimiser"])
            self.schedule.load_state_dict(state["schedule"])
            self.step = state["step"]
        except (KeyError, RuntimeError, TypeError, ValueError) as error:
            raise GoldievalError(
                f"cannot resume: {folder} does not fit recipe {self.recipe.name}; was it written with other objectives "
                "or another weighting? Name another --out."
            ) from error

    def _trim_log(self) -> None:
        """Drop what a run that was cut has logged after its last checkpoint: those steps come again."""
        file = self.out / "log.jsonl"
        if self.accelerator.is_main_process and file.exists():
            lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
            file.write_text("".join(lines[: self.step]), encoding="utf-8")

    def _log(self, report: Report) -> None:
        if self.accelerator.is_main_process:
            with (self.out / "log.jsonl").open("a", encoding="utf-8") as log:
                log.write(json.dumps(vars(report)) + "\n")


def parameter_groups(student: Student, recipe: Recipe) -> list[dict[str, Any]]:
    """Matrices decay; gains, biases and scales do not; the loss weights have a learning rate of their own."""
    matrices = [parameter for parameter in student.model.parameters() if parameter.ndim >= 2]
    others = [parameter for parameter in student.model.parameters() if parameter.ndim < 2]
    groups: list[dict[str, Any]] = [
        {"params": matrices, "weight_decay": recipe.optimiser.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    if student.weights is not None:
        groups.append({"params": list(student.weights.parameters()), "weight_decay": 0.0, "lr": recipe.weighting.lr})
    return groups


def warm_cosine(step: int, recipe: Recipe) -> float:
    """Factor on the learning rate: linear warm-up, then a cosine to zero."""
    warm_up, steps = recipe.optimiser.warm_up, recipe.optimiser.steps
    if step < warm_up:
        return (step + 1) / warm_up
    return 0.5 * (1 + math.cos(math.pi * (step - warm_up) / max(1, steps - warm_up)))


def views_of(recipe: Recipe) -> Views:
    data = recipe.data
    return Views(
        captions=data.captions,
        sentences=data.sentences,
        questions=data.questions,
        questions_as_captions=data.questions_as_captions,
        locals_=data.locals,
        local_size=data.local_size,
        size=recipe.model.image_size,
        global_area=data.global_area,
        local_area=data.local_area,
    )
