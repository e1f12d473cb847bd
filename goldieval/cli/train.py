"""``goldieval train``: the built-in trainer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from goldieval.cli.completion import complete_recipes
from goldieval.core.display import Console, Text
from goldieval.core.text import shell_argument
from goldieval.tracking.names import tracker_names

if TYPE_CHECKING:
    from goldieval.goldiclip.recipe import Recipe
    from goldieval.goldiclip.run_folder import StepReport

DEFAULT_TASKS = {True: ("shapes",), False: ("retrieval", "zeroshot")}  # by whether it was trained on drawn scenes


@dataclass(frozen=True)
class _Settings:
    """Options of the command.

    Attributes:
        folder: folder of the run.
        resume: whether to continue a run.
        max_bad_samples: number of unusable training samples allowed.
        trackers: names of trackers.
        data_dir: folder of the data of the evaluations.
        tasks_dir: the user's task cards, for the evaluations.
    """

    folder: Path
    resume: bool
    max_bad_samples: int
    trackers: Sequence[str]
    data_dir: Path | None
    tasks_dir: Path | None


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
        bool, typer.Option("--resume", help="Continue from the newest checkpoint in the folder.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Measure a few steps, print the cost of the whole recipe, and stop.")
    ] = False,
    max_bad_samples: Annotated[
        int, typer.Option(min=0, help="Number of unusable training samples allowed in each process.")
    ] = 100,
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

    accelerate launch -m goldieval train goldiclip-tiny-start
    """
    from goldieval.cli.overrides import parse_overrides
    from goldieval.goldiclip.recipe_files import load_recipe

    # Before torch is imported, so that a mistyped name is reported at once.
    trackers = tracker_names(log)
    loaded = load_recipe(recipe, parse_overrides(set_))
    folder = out or Path("runs") / loaded.name
    from goldieval.core.errors import GoldievalError
    from goldieval.goldiclip.checkpoint_folder import latest
    from goldieval.goldiclip.launch import is_main_process, shut_down

    if latest(folder) and not (resume or dry_run):
        raise GoldievalError(f"{folder} already contains a run. Continue it with --resume, or give another --out.")
    console = Console(quiet=not is_main_process())
    if dry_run:
        _print_cost(loaded, folder, max_bad_samples, console)
    else:
        settings = _Settings(folder, resume, max_bad_samples, trackers, data_dir, tasks_dir)
        _train(loaded, settings, console)
    shut_down()


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
    from goldieval.core.errors import InterruptedRunError
    from goldieval.goldiclip.checkpoint_folder import latest
    from goldieval.goldiclip.tracked_training import tracked
    from goldieval.goldiclip.trainer import Trainer
    from goldieval.report.training import TrainingReporter
    from goldieval.report.training_evaluation import TrainingEvaluation

    reporter, folder = TrainingReporter(console, recipe), settings.folder
    evaluation = TrainingEvaluation(
        recipe.evaluation, folder / "results", reporter, settings.data_dir, settings.tasks_dir
    )
    try:
        trainer = Trainer(recipe, folder, resume=settings.resume, max_bad_samples=settings.max_bad_samples, note=_note)
        if settings.resume:
            reporter.resuming(trainer.step)
        with tracked(trainer, settings.trackers, reporter.print_line) as log, reporter:
            last = trainer.run(
                lambda report: _each(report, reporter.step, log.step),
                lambda checkpoint: log.scores(checkpoint, evaluation(checkpoint)),
            )
    except KeyboardInterrupt:
        again = "the same command with --resume continues from {}" if latest(folder) else "there is no checkpoint yet"
        raise InterruptedRunError(again.format(latest(folder))) from None
    if trainer.bad_samples.samples:
        _note(f"{trainer.bad_samples.summary()}; listed in {trainer.bad_samples.log}")
    for line in _next_lines(recipe, last, evaluation.failed, settings):
        console.print(Text(line), soft_wrap=True)


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
