"""``goldieval train``: the built-in trainer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from typer.core import TyperCommand

from goldieval.cli.completion import complete_recipes
from goldieval.cli.ending import end_process
from goldieval.cli.memory_plan import LARGEST_GIB, check_memory_options, plan_memory
from goldieval.core.display import Console, Text
from goldieval.core.errors import GoldievalError, InterruptedRunError, StoppedRunError
from goldieval.core.stop import stop_requested, stoppable
from goldieval.core.text import shell_argument
from goldieval.tracking.names import tracker_names

if TYPE_CHECKING:
    from goldieval.goldiclip.recipe import Recipe
    from goldieval.goldiclip.run_folder import StepReport

NEWEST, AUTO = "newest", "auto"  # values of --resume; the first is that of the option alone
DEFAULT_TASKS = {True: ("shapes",), False: ("retrieval", "zeroshot")}  # by whether it was trained on drawn scenes


@dataclass(frozen=True)
class _Settings:
    """Options of the command.

    Attributes:
        folder: folder of the run.
        resume: how to continue a run; None begins one.
        max_bad_samples: number of unusable training samples allowed.
        trackers: names of trackers.
        data_dir: folder of the data of the evaluations.
        tasks_dir: the user's task cards, for the evaluations.
    """

    folder: Path
    resume: str | None
    max_bad_samples: int
    trackers: Sequence[str]
    data_dir: Path | None
    tasks_dir: Path | None


class TrainCommand(TyperCommand):
    """Takes ``--resume`` without a value: what follows is the recipe, except ``auto``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        return super().parse_args(ctx, list(_with_values(args)))


def _with_values(arguments: Sequence[str]) -> Iterator[str]:
    """Yield arguments with ``--resume`` as ``--resume=newest``, and with ``auto`` after it as ``--resume=auto``."""
    before = ""
    for argument in arguments:
        if before == "--resume":
            yield f"--resume={AUTO if argument == AUTO else NEWEST}"
        if argument != "--resume" and not (before == "--resume" and argument == AUTO):
            yield argument
        before = argument
    if before == "--resume":
        yield f"--resume={NEWEST}"


@stoppable()
def train(
    recipe: Annotated[
        str,
        typer.Argument(help="Name of a shipped recipe, or path of a recipe file.", autocompletion=complete_recipes),
    ],
    out: Annotated[Path | None, typer.Option(help="Folder of the run; by default runs/RECIPE.")] = None,
    set_: Annotated[
        list[str],
        typer.Option("--set", help="KEY=VALUE: replace a value of the recipe, such as optimiser.lr=5e-4. Repeatable."),
    ] = [],
    resume: Annotated[
        str | None,
        typer.Option(
            metavar="[auto]",
            help="Continue from the newest checkpoint in the folder, if there is one; auto: from the one before if it "
            "is damaged.",
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Measure a few steps, print the cost of the whole recipe, and stop.")
    ] = False,
    processes: Annotated[
        int | None, typer.Option(min=1, help="With --dry-run and --memory: number of GPUs; by default 1.")
    ] = None,
    memory: Annotated[
        float | None,
        typer.Option(
            min=1,
            max=LARGEST_GIB,
            metavar="GIB",
            help="With --dry-run: say whether a step fits GPUs of so many GiB.",
        ),
    ] = None,
    max_bad_samples: Annotated[
        int, typer.Option(min=0, help="Number of unusable training samples allowed in each process.")
    ] = 100,
    allow_commands: Annotated[
        bool, typer.Option("--allow-commands", help="Let data.path of a recipe file run commands (pipe:).")
    ] = False,
    log: Annotated[
        list[str],
        typer.Option(help="Log steps and scores to tensorboard, wandb, mlflow or trackio. Repeatable."),
    ] = [],
    data_dir: Annotated[
        Path | None,
        typer.Option(help="Folder of the data of the evaluations; by default $GOLDIEVAL_DATA, else the cache."),
    ] = None,
    tasks_dir: Annotated[Path | None, typer.Option(help="Folder with your own task cards.")] = None,
) -> None:
    """Train a model; its checkpoints are evaluated as goldiclip@FOLDER/step-000500.

    goldieval train goldiclip-tiny-start --dry-run

    goldieval train goldiclip-b16 --dry-run --processes 8 --memory 80

    accelerate launch -m goldieval train goldiclip-tiny-start
    """
    from goldieval.cli.overrides import parse_overrides
    from goldieval.goldiclip.recipe_files import load_recipe

    check_memory_options(dry_run, processes, memory)
    trackers = tracker_names(log)  # before torch is imported, so that a mistyped name is reported at once
    loaded = load_recipe(recipe, parse_overrides(set_), allow_commands)
    if memory is not None:
        plan_memory(loaded, processes or 1, memory)
        return
    folder = out or Path("runs") / loaded.name
    if resume not in (None, NEWEST, AUTO):
        raise GoldievalError(f"--resume {resume!r}: write --resume, or --resume {AUTO}.")
    settings = _Settings(folder, resume, max_bad_samples, trackers, data_dir, tasks_dir)
    from goldieval.goldiclip.checkpoint_folder import latest
    from goldieval.goldiclip.launch import is_main_process, joined

    if latest(folder) and not (resume or dry_run):
        raise GoldievalError(f"{folder} already contains a run. Continue it with --resume, or give another --out.")
    with joined(end_process), _resumable(settings):
        console = Console(quiet=not is_main_process())
        if dry_run:
            _print_cost(loaded, folder, max_bad_samples, console)
        else:
            _train(loaded, settings, console)


def _print_cost(recipe: Recipe, folder: Path, max_bad_samples: int, console: Console) -> None:
    from goldieval.goldiclip.cost import cost_of
    from goldieval.goldiclip.data.synthetic import SyntheticCorpus, missing_data
    from goldieval.goldiclip.tokenizer import Tokenizer
    from goldieval.goldiclip.trainer import Trainer
    from goldieval.report.training import TrainingReporter

    missing, tokenizer = missing_data(recipe.data), Tokenizer(recipe.model.merges, recipe.model.context_length)
    batch_size, image_size = recipe.optimiser.batch_size, recipe.model.image_size
    corpus = SyntheticCorpus(batch_size, image_size, tokenizer) if missing else None
    recipe = recipe.model_copy(update={"init": ""})  # the cost does not depend on it, and it may not exist yet
    trainer = Trainer(recipe, folder, corpus=corpus, max_bad_samples=max_bad_samples, note=_note)
    TrainingReporter(console, recipe).cost(cost_of(trainer), missing)


def _train(recipe: Recipe, settings: _Settings, console: Console) -> None:
    from goldieval.goldiclip.tracked_training import tracked
    from goldieval.goldiclip.trainer import Trainer
    from goldieval.report.training import TrainingReporter
    from goldieval.report.training_evaluation import TrainingEvaluation

    reporter, folder = TrainingReporter(console, recipe), settings.folder
    evaluation = TrainingEvaluation(
        recipe.evaluation, folder / "results", reporter, settings.data_dir, settings.tasks_dir
    )
    resume: bool | Literal["auto"] = "auto" if settings.resume == AUTO else bool(settings.resume)
    trainer = Trainer(recipe, folder, resume=resume, max_bad_samples=settings.max_bad_samples, note=_note)
    if settings.resume:
        reporter.resuming(trainer.step)
    with tracked(trainer, settings.trackers, reporter.print_line) as log, reporter:
        last = trainer.run(
            lambda report: _each(report, reporter.step, log.step),
            lambda checkpoint: log.scores(checkpoint, evaluation(checkpoint, trainer.shares_evaluations)),
        )
    if trainer.bad_samples.samples:
        _note(f"{trainer.bad_samples.summary()}; listed in {trainer.bad_samples.log}")
    for line in _next_lines(recipe, last, evaluation.failed, settings):
        console.print(Text(line), soft_wrap=True)


@contextmanager
def _resumable(settings: _Settings) -> Iterator[None]:
    """Say, where a user or a signal ends the training, how to go on."""
    try:
        yield
    except (KeyboardInterrupt, InterruptedRunError) as error:
        from goldieval.goldiclip.checkpoint_folder import latest

        option, newest = "" if settings.resume else " with --resume", latest(settings.folder)
        again = f"the same command{option} continues from {newest}" if newest else "there is no checkpoint yet"
        if name := stop_requested() or (str(error) if isinstance(error, StoppedRunError) else ""):
            raise StoppedRunError(f"{name.partition(';')[0]}; {again}") from None
        raise InterruptedRunError(again) from None


def _next_lines(recipe: Recipe, checkpoint: Path, failed: set[str], settings: _Settings) -> list[str]:
    """Return where the last checkpoint is, and the command that evaluates it, for the working folder of this command.

    Args:
        recipe: the recipe.
        checkpoint: the last checkpoint.
        failed: tasks of the scheduled evaluation that failed, which are not proposed.
        settings: options of this command.
    """
    scheduled = [task for task in recipe.evaluation.tasks if task not in failed] if recipe.evaluation.every else []
    tasks = scheduled or DEFAULT_TASKS[recipe.data.source == "shapes"]
    places = [("--data-dir", settings.data_dir), ("--tasks-dir", settings.tasks_dir)]
    arguments = ["--model", f"goldiclip@{checkpoint}", "--tasks", ",".join(tasks)]
    arguments += [part for option, place in places if place is not None for part in (option, str(place))]
    command = " ".join(shell_argument(argument) for argument in arguments)
    return [f"checkpoint {checkpoint}", "next, evaluate it:", f"  goldieval run {command}"]


def _each(report: StepReport, *watchers: Callable[[StepReport], None]) -> None:
    for watch in watchers:
        watch(report)


def _note(line: str) -> None:
    """Print a line, in every process, since each has its own bad samples."""
    Console().print(Text(line), soft_wrap=True)
