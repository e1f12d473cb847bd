"""``goldieval train``: the built-in trainer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from goldieval.core.display import Console, Text
from goldieval.core.text import shell_argument
from goldieval.tracking.names import tracker_names

if TYPE_CHECKING:
    from goldieval.goldiclip.recipe import Recipe
    from goldieval.goldiclip.run_folder import StepReport


def train(
    recipe: Annotated[str, typer.Argument(help="Name of a shipped recipe, or path of a recipe file.")],
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
        _train(loaded, folder, resume, max_bad_samples, trackers, console)
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


def _train(
    recipe: Recipe, folder: Path, resume: bool, max_bad_samples: int, trackers: Sequence[str], console: Console
) -> None:
    from goldieval.core.errors import InterruptedRunError
    from goldieval.goldiclip.checkpoint_folder import latest
    from goldieval.goldiclip.tracked_training import tracked
    from goldieval.goldiclip.trainer import Trainer
    from goldieval.report.training import TrainingReporter
    from goldieval.report.training_evaluation import TrainingEvaluation

    reporter = TrainingReporter(console, recipe)
    evaluation = TrainingEvaluation(recipe.evaluation, folder / "results", reporter)
    try:
        trainer = Trainer(recipe, folder, resume=resume, max_bad_samples=max_bad_samples, note=_note)
        if resume:
            reporter.resuming(trainer.step)
        with tracked(trainer, trackers, reporter.print_line) as log, reporter:
            last = trainer.run(
                lambda report: _each(report, reporter.step, log.step),
                lambda checkpoint: log.scores(checkpoint, evaluation(checkpoint)),
            )
    except KeyboardInterrupt:
        again = "the same command with --resume continues from {}" if latest(folder) else "there is no checkpoint yet"
        raise InterruptedRunError(again.format(latest(folder))) from None
    if trainer.bad_samples.samples:
        _note(f"{trainer.bad_samples.summary()}; listed in {trainer.bad_samples.log}")
    tasks = "shapes" if recipe.data.source == "shapes" else "retrieval,zeroshot"
    spec = shell_argument(f"goldiclip@{last}")
    line = f"checkpoint {last}; evaluate it: goldieval run --model {spec} --tasks {tasks}"
    console.print(Text(line), soft_wrap=True)


def _each(report: StepReport, *watchers: Callable[[StepReport], None]) -> None:
    for watch in watchers:
        watch(report)


def _note(line: str) -> None:
    """Print a line, in every process, since each has its own bad samples."""
    Console().print(Text(line), soft_wrap=True)
