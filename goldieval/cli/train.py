"""``goldieval train``: the built-in trainer."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from goldieval.core.display import Console, Text
from goldieval.core.text import shell_argument


def train(
    recipe: Annotated[str, typer.Argument(help="Name of a shipped recipe, or path of a recipe.")],
    out: Annotated[Path | None, typer.Option(help="Folder of the run; runs/RECIPE by default.")] = None,
    set_: Annotated[list[str], typer.Option("--set", help="KEY=VALUE, dotted: optimiser.lr=5e-4. Repeatable.")] = [],
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the newest checkpoint in the folder.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Measure a few steps, print the cost, and stop.")] = False,
    max_bad_samples: Annotated[
        int, typer.Option(min=0, help="Training samples that may be unusable, in each process, before it stops.")
    ] = 100,
) -> None:
    """Train a model; its checkpoints run as goldiclip@FOLDER/step-000500.

    goldieval train goldiclip-tiny-start --dry-run

    accelerate launch -m goldieval train goldiclip-tiny-start
    """
    from goldieval.cli.overrides import parse_overrides
    from goldieval.core.errors import GoldievalError, InterruptedRunError
    from goldieval.goldiclip.recipe_files import load_recipe

    chosen = load_recipe(recipe, parse_overrides(set_))
    folder = out or Path("runs") / chosen.name
    from goldieval.goldiclip.checkpoint_folder import latest
    from goldieval.goldiclip.cost import cost_of
    from goldieval.goldiclip.data.synthetic import SyntheticCorpus, missing_data
    from goldieval.goldiclip.launch import is_main_process, shut_down
    from goldieval.goldiclip.tokenizer import Tokenizer
    from goldieval.goldiclip.trainer import Trainer
    from goldieval.report.examiner import Examiner
    from goldieval.report.training import TrainingScreen

    if latest(folder) and not (resume or dry_run):
        raise GoldievalError(f"{folder} holds a run already. Go on with --resume, or name another --out.")
    console = Console(quiet=not is_main_process())

    def note(line: str) -> None:  # in every process: each meets bad samples of its own
        Console().print(Text(line), soft_wrap=True)

    if dry_run:
        missing = missing_data(chosen.data)
        tokenizer = Tokenizer(chosen.model.merges, chosen.model.context_length)
        size = chosen.optimiser.batch_size, chosen.model.image_size
        corpus = SyntheticCorpus(*size, tokenizer) if missing else None
        chosen = chosen.model_copy(update={"init": ""})  # the cost does not depend on it, and it may not exist yet
        trainer = Trainer(chosen, folder, corpus=corpus, max_bad_samples=max_bad_samples, note=note)
        TrainingScreen(console, chosen).cost(cost_of(trainer), missing)
        shut_down()
        return
    screen = TrainingScreen(console, chosen)
    examiner = Examiner(chosen.evaluation, folder / "results", screen)
    try:
        trainer = Trainer(chosen, folder, resume=resume, max_bad_samples=max_bad_samples, note=note)
        if resume:
            screen.going_on(trainer.step)
        with screen:
            last = trainer.run(screen.step, examiner)
    except KeyboardInterrupt:
        again = "the same command with --resume goes on from {}" if latest(folder) else "there is no checkpoint yet"
        raise InterruptedRunError(again.format(latest(folder))) from None
    if trainer.bad_samples.samples:
        note(f"{trainer.bad_samples.summary()}; listed in {trainer.bad_samples.log}")
    tasks = "shapes" if chosen.data.source == "shapes" else "retrieval,zeroshot"
    spec = shell_argument(f"goldiclip@{last}")
    line = f"checkpoint {last}; evaluate it: goldieval run --model {spec} --tasks {tasks}"
    console.print(Text(line), soft_wrap=True)
    shut_down()
