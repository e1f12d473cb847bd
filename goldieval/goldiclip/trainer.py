"""The trainer: one loop from a laptop to many GPUs, resumable to the bit, stopped by the first NaN."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Literal

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs

from goldieval.core.errors import GoldievalError, StoppedRunError
from goldieval.core.stop import saving_work
from goldieval.goldiclip.agreement import Agreement
from goldieval.goldiclip.checkpoint import start_from
from goldieval.goldiclip.data.bad_samples import MAX_BAD_SAMPLES, BadSamples
from goldieval.goldiclip.data.loader import BatchLoader
from goldieval.goldiclip.data.sources import AnyCorpus, batches_of, check_same_data, corpus_of, shards_of_stream
from goldieval.goldiclip.data.workers import worker_plan
from goldieval.goldiclip.determinism import fix_workspace
from goldieval.goldiclip.divergence import DivergenceGuard
from goldieval.goldiclip.ema import teacher_of
from goldieval.goldiclip.launch import on_cpu
from goldieval.goldiclip.manifest import has_manifest
from goldieval.goldiclip.optimiser import optimiser_of
from goldieval.goldiclip.passes import Passes
from goldieval.goldiclip.provenance import checkpoint_info, training_history
from goldieval.goldiclip.recipe import Recipe
from goldieval.goldiclip.resuming import Resuming, identity
from goldieval.goldiclip.run_folder import RunFolder, StepReport
from goldieval.goldiclip.step import TrainingStep
from goldieval.goldiclip.student import Student
from goldieval.goldiclip.tokenizer import Tokenizer
from goldieval.goldiclip.training_state import TrainingState


class Trainer:
    """One training run: the loop over steps; ``TrainingStep`` is what happens in each.

    Attributes:
        recipe: Everything that the run depends on.
        step: Number of steps done.
        student: The model that is trained, with its losses.
        teacher: Moving average of the student's model.
        corpus: The training data.
        bad_samples: Samples that this process could not use.
        shares_evaluations: Whether all processes see the checkpoints, and so can share the work of an evaluation.
    """

    def __init__(
        self,
        recipe: Recipe,
        out: Path,
        *,
        resume: bool | Literal["auto"] = False,
        corpus: AnyCorpus | None = None,
        max_bad_samples: int = MAX_BAD_SAMPLES,
        note: Callable[[str], None] = lambda line: None,
    ) -> None:
        """Set up a run; nothing is written yet.

        Args:
            recipe: Everything that the run depends on.
            out: Folder of the run.
            resume: Continue from the newest checkpoint in ``out``, if there is one; ``auto`` continues from the one
                before where it is damaged.
            corpus: Training data; by default those that the recipe names.
            max_bad_samples: Number of samples that may be unusable in each process.
            note: Called with a line for each bad sample, and where opening the data takes a while.

        Raises:
            GoldievalError: Data or checkpoint are missing, damaged, or do not fit the recipe.
        """
        self.recipe, self.folder = recipe, RunFolder(out)

        # Processes, devices and precision.
        if recipe.execution.deterministic:
            fix_workspace()
        self.accelerator = Accelerator(
            cpu=on_cpu(),
            mixed_precision=recipe.optimiser.precision,
            kwargs_handlers=[  # losses may leave parts of the model out
                DistributedDataParallelKwargs(
                    find_unused_parameters=not recipe.static_graph, static_graph=recipe.static_graph
                )
            ],
        )

        # Student, teacher and optimiser: at random, from the checkpoint `init`, or as the interrupted run left them.
        torch.manual_seed(recipe.seed)
        self.student = Student(recipe)
        self.agreement = Agreement()
        self.resuming = Resuming(out, self.agreement, falls_back=resume == "auto", note=note)
        found = self.resuming.found() if resume else []
        info = start_from(self.student.model, Path(recipe.init)) if recipe.init and not found else None
        self.student.to(self.accelerator.device)
        self.teacher = teacher_of(self.student.model)
        optimiser = optimiser_of(self.student, recipe, self.accelerator.device)
        self.state = TrainingState(recipe, self.student, self.teacher, optimiser, self.accelerator.scaler)
        wrapped, self.optimiser = self.accelerator.prepare(self.student, optimiser, device_placement=[False, False])
        self.step = 0
        resumed: Path | None = None
        if found:
            resumed, self.step, info = self.resuming.restored(self.state)
            if not has_manifest(resumed):
                note(f"{resumed} was written by an older goldieval, without checksums: damage would not be found")
        self._saved_step, self.shares_evaluations, self._note = self.step, True, note
        self.passes = Passes(self.student, wrapped, self.teacher, self.accelerator, recipe, note)
        self.guard = DivergenceGuard(out, self.agreement, self.step)
        self.training_step = self._training_step()

        # What the weights that this run started from were trained on.
        self.images_seen_before = info.images_seen - self.step * recipe.optimiser.batch_size if info else 0
        self.trained_on_before = training_history(info)[:-1] if resumed else training_history(info)

        # Data.
        self.tokenizer = Tokenizer(recipe.model.merges, recipe.model.context_length)
        self.corpus = corpus_of(recipe, self.tokenizer, note) if corpus is None else corpus
        check_same_data(self.corpus, self.agreement)
        if resumed and info and info.unique_images != len(self.corpus):
            raise GoldievalError(
                f"cannot resume: {resumed} was trained on {info.unique_images:,} images, there are "
                f"{len(self.corpus):,} now. Bring the same data back, or begin a new run with --set init={resumed} and "
                "another --out."
            )
        self.bad_samples = BadSamples(max_bad_samples, note)
        self.workers = worker_plan(recipe, self.accelerator.num_processes, shards_of_stream(self.corpus))
        if self.workers.line and self.accelerator.is_main_process:
            note(self.workers.line)
        self.loader = self._batch_loader()

    def run(
        self,
        watch: Callable[[StepReport], None] = lambda report: None,
        evaluate: Callable[[Path], None] = lambda checkpoint: None,
    ) -> Path:
        """Train to the end of the recipe.

        Args:
            watch: Called in the main process after each step.
            evaluate: Called with each checkpoint that the recipe wants evaluated, in all processes, or in the main
                process alone, see ``shares_evaluations``.

        Returns:
            The last checkpoint.

        Raises:
            StoppedRunError: A process was requested to stop, see ``core.stop``; a checkpoint has been written.
            GoldievalError: The training has diverged, the data are unusable, or the folder cannot be written.
        """
        main = self.accelerator.is_main_process
        self.bad_samples.log = self.folder.bad_samples_log(self.accelerator.process_index)
        with self.folder.writing(self.step) if main else nullcontext(), saving_work():
            self.agreement.agreed({})  # the folder exists now
            self._evaluate_if_due(evaluate)  # a run may have been interrupted between a checkpoint and its evaluation
            while self.step < self.recipe.optimiser.steps:
                report = self.train_step()
                if main:
                    self.folder.log(report)
                    watch(report)
                if self._is_due(self.recipe.save_every) or self._is_due(self.recipe.evaluation.every):
                    self.save()
                self._stop_if_requested()
                self._evaluate_if_due(evaluate)
        return self.folder.step(self.step)

    def train_step(self) -> StepReport:
        """Do one step.

        Raises:
            BatchTooLargeError: The batch does not fit into memory.
            GoldievalError: The training has diverged, or the data are unusable.
        """
        images_seen = self.images_seen + self.recipe.optimiser.batch_size
        with self.agreement.working(f"step {self.step + 1:,}"):
            report = self.training_step(self.loader.batch, self.step, images_seen)
        self.step += 1
        return report

    def save(self) -> None:
        """Write a checkpoint and remove the oldest; the newest good one is kept, whatever ``keep`` says.

        All processes call this, and return once the checkpoint is there.

        Raises:
            GoldievalError: It would not be finite, or cannot be written.
        """
        self.guard.check_checkpoint(self.step, self.state.not_finite(), self.student.model)
        if self.accelerator.is_main_process:
            info = checkpoint_info(self.recipe, self.images_seen, len(self.corpus), self.trained_on_before)
            self.state.save(self.folder.step(self.step), self.step, info)
            last = self.step == self.recipe.optimiser.steps
            self.folder.prune(self.recipe.keep, self.step if last else self.guard.good_step)
        self.agreement.agreed({})  # it is there now, for all processes
        self._saved_step = self.step
        self.training_step.restart_clock()

    @property
    def images_seen(self) -> int:
        """Images seen, with those of the weights that this run started from."""
        return self.images_seen_before + self.step * self.recipe.optimiser.batch_size

    def restart(self, batch_size: int) -> None:
        """Go back to the first step with batches of another size; for a dry run, which looks for one that fits."""
        optimiser = self.recipe.optimiser.model_copy(update={"batch_size": batch_size})
        self.recipe, self.step = self.recipe.model_copy(update={"optimiser": optimiser}), 0
        self.optimiser.zero_grad()
        self.training_step = self._training_step()
        self.loader = self._batch_loader()

    def _training_step(self) -> TrainingStep:
        return TrainingStep(self.recipe, self.accelerator, self.passes, self.optimiser, self.guard, self.agreement)

    def _batch_loader(self) -> BatchLoader:
        rank, world = self.accelerator.process_index, self.accelerator.num_processes
        batches = batches_of(self.corpus, self.tokenizer, self.recipe, rank, world, self.bad_samples.most)
        steps, plan, on_gpu = self.recipe.optimiser.steps, self.workers, self.accelerator.device.type == "cuda"
        return BatchLoader(batches, steps, plan.workers, self.bad_samples, on_gpu, plan.ahead)

    def _is_due(self, every: int) -> bool:
        """Whether something that happens every so many steps, and at the end, happens now; never where it is 0."""
        return bool(every) and (self.step % every == 0 or self.step == self.recipe.optimiser.steps)

    def _evaluate_if_due(self, evaluate: Callable[[Path], None]) -> None:
        """Evaluate the checkpoint of this step if the recipe wants it and it has not been done; all processes wait."""
        if not (self.step and self._is_due(self.recipe.evaluation.every)):
            return
        done = self.folder.evaluated(self.step)
        everyone = self.agreement.exchanged((done.exists(), identity(self.folder.step(self.step))))
        if not everyone[0][0]:
            main = self.accelerator.is_main_process
            self.shares_evaluations = len({seen for _, seen in everyone}) == 1
            if main and not self.shares_evaluations:
                self._note(f"not all processes see {self.folder.out}: one of them evaluates while the others wait")
            if self.shares_evaluations or main:
                evaluate(self.folder.step(self.step))
            if main:
                done.touch()
        self.agreement.agreed({})
        self.training_step.restart_clock()

    def _stop_if_requested(self) -> None:
        """Save and stop if some process was requested to before this step; all processes know it, and do."""
        if not self.agreement.stop or self.step == self.recipe.optimiser.steps:
            return
        if self._saved_step != self.step:
            self.save()
        raise StoppedRunError(self.agreement.stop)
