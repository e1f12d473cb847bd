"""The trainer: one loop from a laptop to many GPUs, resumable to the bit, stopped by the first NaN."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import NoReturn

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs

from goldieval.core.errors import GoldievalError, first_line
from goldieval.goldiclip.checkpoint import About, latest, start_from
from goldieval.goldiclip.data.bad_samples import MOST_BAD_SAMPLES, BadSamples
from goldieval.goldiclip.data.batches import Batches
from goldieval.goldiclip.data.corpus import Corpus
from goldieval.goldiclip.data.feed import Feed
from goldieval.goldiclip.data.sources import corpus_of, history, home_of, named, views_of, workers_of
from goldieval.goldiclip.ema import teacher_of, update_teacher
from goldieval.goldiclip.gather import anywhere, averaged
from goldieval.goldiclip.launch import on_cpu
from goldieval.goldiclip.losses import Step
from goldieval.goldiclip.manifest import has_manifest
from goldieval.goldiclip.optimiser import optimiser_of, set_rates
from goldieval.goldiclip.recipe import HIGHEST_LOGIT_SCALE, Recipe
from goldieval.goldiclip.run_folder import Report, RunFolder
from goldieval.goldiclip.student import Student
from goldieval.goldiclip.tokenizer import Tokenizer
from goldieval.goldiclip.training_state import TrainingState

HIGHEST_SCALE = math.log(HIGHEST_LOGIT_SCALE)
EXPLODED = 1e4  # a total loss beyond this has left the region that any of the objectives visits


class BatchTooLargeError(GoldievalError):
    """A batch does not fit."""


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
        self.recipe, self.folder = recipe, RunFolder(out)
        self.accelerator = Accelerator(
            cpu=on_cpu(),
            mixed_precision=recipe.optimiser.precision,
            gradient_accumulation_steps=recipe.optimiser.accumulate,
            kwargs_handlers=[DistributedDataParallelKwargs(find_unused_parameters=True)],  # recipes leave parts out
        )
        torch.manual_seed(recipe.seed)
        self.tokenizer = Tokenizer(recipe.model.merges, recipe.model.context_length)
        student = Student(recipe)
        found = latest(out) if resume else None
        begun = start_from(student.model, Path(recipe.init)) if recipe.init and not found else None
        self.teacher = teacher_of(student.model).to(self.accelerator.device)
        self.optimiser = optimiser_of(student, recipe)
        self.raw = student
        self.state = TrainingState(recipe, student, self.teacher, self.optimiser, self.accelerator.scaler)
        self.step = 0
        if found:
            self.step, begun = self.state.restore(found)
            if not has_manifest(found):
                note(f"{found} is of an older goldieval, without checksums: damage to it would not be found")
        self.proven = self.step - recipe.optimiser.accumulate  # checkpoints up to this step are good, see _one
        self.shown: tuple[torch.Tensor, torch.Tensor] | None = None
        # Of the checkpoints that this one began with
        self.seen_before = begun.images_seen - self.step * recipe.optimiser.batch_size if begun else 0
        self.trained_before = history(begun)[:-1] if found else history(begun)
        self.student, self.optimiser = self.accelerator.prepare(student, self.optimiser)
        self.corpus = corpus_of(recipe, self.tokenizer, note) if corpus is None else corpus
        if found and begun and begun.unique_images != len(self.corpus):
            raise GoldievalError(
                f"cannot resume: {found} was trained on {begun.unique_images:,} images, there are {len(self.corpus):,} "
                f"now. Bring the same data back, or begin a new run with --set init={found} and another --out."
            )
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

    def restart(self, batch_size: int) -> None:
        """Begin at the first step again with batches of another size: a dry run looks for one that fits."""
        optimiser = self.recipe.optimiser.model_copy(update={"batch_size": batch_size})
        self.recipe, self.step = self.recipe.model_copy(update={"optimiser": optimiser}), 0
        self.optimiser.zero_grad()
        self.batches = self._feed()

    def run(
        self,
        watch: Callable[[Report], None] = lambda report: None,
        evaluate: Callable[[Path], None] = lambda folder: None,
    ) -> Path:
        """Train to the end of the recipe; return the last checkpoint.

        Args:
            watch: told of every step.   evaluate: given the checkpoints that the recipe wants evaluated. Both are
                called in the main process alone.

        Raises:
            GoldievalError: a loss is NaN, infinite or has exploded; names the last good checkpoint.
        """
        rank, main = self.accelerator.process_index, self.accelerator.is_main_process
        self.bad_samples.log = self.folder.out / f"bad_samples{f'-{rank}' if rank else ''}.jsonl"
        with self.folder.begun(self.step) if main else nullcontext():
            self.accelerator.wait_for_everyone()  # the folder is there now
            self._examine(evaluate)  # a run that was cut may have saved the checkpoint and no more
            for report in self.steps():
                if main:
                    self.folder.log(report)
                    watch(report)
                due = (self.recipe.save_every, self.recipe.evaluation.every)
                if any(self._due(report.step, every) for every in due):
                    self.save()
                self._examine(evaluate)
        return self.folder.step(self.step)

    def _examine(self, evaluate: Callable[[Path], None]) -> None:
        """Evaluate the checkpoint of this step if it is due and has not been before; the others wait for it."""
        if not (self.step and self._due(self.step, self.recipe.evaluation.every)):
            return
        done = self.folder.evaluated(self.step)
        if self.accelerator.is_main_process and not done.exists():
            evaluate(self.folder.step(self.step))
            done.touch()
        self.accelerator.wait_for_everyone()

    def _due(self, step: int, every: int) -> bool:
        """Every so many steps and at the end; never where it is 0."""
        return bool(every) and (step % every == 0 or step == self.recipe.optimiser.steps)

    def steps(self) -> Iterator[Report]:
        while self.step < self.recipe.optimiser.steps:
            start = time.perf_counter()
            try:
                total, losses, weights, norm = self._one()
            except torch.OutOfMemoryError as error:
                raise BatchTooLargeError(
                    f"optimiser.batch_size {self.recipe.optimiser.batch_size:,} needs more memory than "
                    f"{self.accelerator.num_processes} x {self.accelerator.device} have. "
                    "Lower it, or use more processes."
                ) from error
            self.step += 1
            seconds = time.perf_counter() - start
            everywhere = averaged(torch.stack([total, *losses.values()])).tolist()
            yield Report(
                self.step,
                self.images_seen,
                dict(zip(losses, everywhere[1:], strict=True)),
                weights,
                everywhere[0],
                norm,
                self.recipe.optimiser.batch_size / seconds,
            )

    def _one(self) -> tuple[torch.Tensor, dict[str, torch.Tensor], dict[str, float], float]:
        """Return the total, the losses and the weights that made it, and the gradient's norm (0 while it adds up)."""
        batch = self.batches.at(self.step).to(self.accelerator.device)
        generator = torch.Generator().manual_seed(self.recipe.seed * 1_000_003 + self.step)
        with self.accelerator.accumulate(self.student):
            with self.accelerator.autocast():
                total, losses = self.student(Step(self.raw.model, self.teacher, batch, generator, self.step))
            self._check(total, losses)
            self.shown = batch.pixels[:2].clone(), batch.captions[:2].flatten(0, 1).clone()
            weights = self.raw.weight_values()
            self.accelerator.backward(total)
            norm = self._clip(losses)
            set_rates(self.optimiser, self.step, self.recipe)
            self._move(losses)
            self.optimiser.zero_grad()
        if self.accelerator.sync_gradients:
            with torch.no_grad():
                for name, scale in self.raw.model.named_parameters():
                    if name.endswith("logit_scale"):
                        scale.clamp_(0, HIGHEST_SCALE)
            update_teacher(self.teacher, self.raw.model, self.recipe.teacher.momentum)
        return total, losses, weights, norm

    def _move(self, losses: dict[str, torch.Tensor]) -> None:
        try:
            self.optimiser.step()
        except RuntimeError as error:
            if "without overflow" in str(error):  # of a step size that is no float32
                self._stop(f"the optimiser says: {first_line(error)}", losses)
            raise

    def _check(self, total: torch.Tensor, losses: dict[str, torch.Tensor]) -> None:
        """Stop, in all processes, if a loss is of no use in one of them."""
        here = not (bool(torch.isfinite(total)) and float(total.detach()) < EXPLODED)
        if anywhere(here, self.accelerator.device):
            whose = "the loss" if here else "the loss of another process is of no use; here it"
            self._stop(f"{whose} is {float(total.detach()):.4g}", losses)

    def _check_weights(self) -> None:
        """Stop, in all processes, before a checkpoint is written that is of no use: with a NaN, or giving some."""
        bad = self.state.not_finite()
        reason = f"numbers are no longer finite ({bad})" if bad else self._useless_features()
        if anywhere(bool(reason), self.accelerator.device):
            self._stop(f"after this step {reason or 'another process has numbers that are not finite'}", {})

    @torch.no_grad()
    def _useless_features(self) -> str:
        """Say which features of samples of the last batch are not finite; the weights may be, and still overflow."""
        if self.shown is None:
            return ""
        model, (pixels, captions) = self.raw.model, self.shown
        features = {"picture": model.encode_image(pixels), "text": model.encode_text(captions)}
        bad = [kind for kind, found in features.items() if not bool(torch.isfinite(found).all())]
        return f"the features of a {bad[0]} are not finite" if bad else ""

    def _clip(self, losses: dict[str, torch.Tensor]) -> float:
        """Clip the whole gradient, once it has been accumulated; in fp16 the scaler deals with one that overflowed."""
        if not self.accelerator.sync_gradients:
            return 0.0
        most = self.recipe.optimiser.clip or math.inf  # then the norm is measured and nothing changed
        norm = float(self.accelerator.clip_grad_norm_(self.raw.model.parameters(), most))
        if not math.isfinite(norm) and self.accelerator.scaler is None:
            self._stop(f"the gradient is {norm}", losses)
        if math.isfinite(norm):
            self.proven = self.step + 1 - self.recipe.optimiser.accumulate  # of the weights that gave this gradient
        return norm

    def _stop(self, reason: str, losses: dict[str, torch.Tensor]) -> NoReturn:
        values = ", ".join(f"{name} {float(loss.detach()):.4g}" for name, loss in losses.items())
        good, newest = latest(self.folder.out, self.proven), latest(self.folder.out)
        newer = f" ({newest} is newer, and what this step began with)" if newest != good else ""
        init = f"; --set init={good} keeps what it has learned" if good else ""
        raise GoldievalError(
            f"training stopped at step {self.step:,}: {reason}{f' ({values})' if values else ''}. "
            f"Last good checkpoint: {good or 'none yet'}{newer}. "
            f"Begin again with a lower optimiser.lr and another --out{init}."
        )

    @property
    def images_seen(self) -> int:
        """With those of the checkpoint that the recipe's ``init`` names."""
        return self.seen_before + self.step * self.recipe.optimiser.batch_size

    def about(self) -> About:
        recipe = self.recipe
        trained_on = (*self.trained_before, named(recipe.data, len(self.corpus)))
        return About(
            recipe.model,
            recipe.name,
            self.images_seen,
            len(self.corpus),
            recipe.seed,
            recipe.scoring,
            home=home_of(trained_on),
            notice=recipe.title,
            pools=recipe.pools,
            method=recipe.method,
            trained_on=trained_on,
        )

    def save(self) -> None:
        """Write a checkpoint and drop the oldest.

        A checkpoint is good if all its numbers and the features that it gives are finite, which is seen to here, and
        the step after it was; of the last one no step follows. The newest good one is kept, whatever ``keep`` says.

        Raises:
            GoldievalError: it would not be good, or cannot be written.
        """
        self._check_weights()
        if self.accelerator.is_main_process:
            self.state.save(self.folder.step(self.step), self.step, self.about())
            last = self.step == self.recipe.optimiser.steps
            self.folder.prune(self.recipe.keep, self.step if last else self.proven)
