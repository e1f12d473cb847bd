"""``goldieval run``: evaluate models on tasks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from goldieval.cli.completion import complete_models, complete_tasks
from goldieval.cli.overrides import parse_overrides
from goldieval.cli.ranks import prints
from goldieval.cli.run_config import config_of, use_config
from goldieval.cli.run_watch import check_watch, run_watch
from goldieval.core.display import Console, print_json
from goldieval.core.environment import available_cores
from goldieval.core.errors import GoldievalError
from goldieval.core.stop import stoppable
from goldieval.core.text import shell_argument
from goldieval.tracking.names import tracker_names

if TYPE_CHECKING:
    from goldieval.engine.options import Options
    from goldieval.report.console import ConsoleReporter


@stoppable()
def run(
    context: typer.Context,
    model: Annotated[
        list[str],
        typer.Option(
            help="Model spec, FAMILY\\[:NAME]\\[@WHERE], with options as ::NAME=VALUE; or ./FILE.py:FUNCTION. "
            "Repeatable.",
            autocompletion=complete_models,
        ),
    ],
    tasks: Annotated[
        list[str],
        typer.Option(
            help="Task ids, suites, globs or card paths, separated by commas. Repeatable.",
            autocompletion=complete_tasks,
        ),
    ],
    config: Annotated[
        Path | None,
        typer.Option(
            callback=use_config,
            is_eager=True,
            help="YAML file with models, tasks and options; options given replace it.",
        ),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for the records.")] = Path("results"),
    data_dir: Annotated[
        Path | None, typer.Option(help="Folder of the data; by default $GOLDIEVAL_DATA, else the cache.")
    ] = None,
    tasks_dir: Annotated[Path | None, typer.Option(help="Folder with your own task cards.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")] = "auto",
    batch_size: Annotated[int, typer.Option(min=1, help="Images per batch; text batches are twice as large.")] = 64,
    precision: Annotated[
        str, typer.Option(help="Precision of the encoders: fp32, bf16 or fp16; scores are always fp32.")
    ] = "fp32",
    workers: Annotated[
        int, typer.Option(min=1, help="Number of threads that read and decode images.")
    ] = available_cores(),
    limit: Annotated[
        int | None, typer.Option(min=1, help="Number of images of each task; records are marked as a subset.")
    ] = None,
    subset: Annotated[
        str, typer.Option(help="present: only images whose file exists; records are marked as a subset.")
    ] = "",
    scoring: Annotated[
        str | None,
        typer.Option(help="global, conditioned or shortlist:K; by default that of the card, else that of the model."),
    ] = None,
    set_: Annotated[
        list[str], typer.Option("--set", help="KEY=VALUE: replace a parameter of the cards. Repeatable.")
    ] = [],
    allow_bad: Annotated[
        int, typer.Option(min=0, help="Number of unreadable images that may be left out of each task.")
    ] = 0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan, and stop.")] = False,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Neither read nor write stored embeddings.")] = False,
    offline: Annotated[bool, typer.Option("--offline", help="Never download model weights.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Exit 1 also if a task of a suite was left out.")] = False,
    save_images: Annotated[
        int,
        typer.Option(
            min=0, help="Number of images of each task with masks or boxes to write, with truth and prediction."
        ),
    ] = 0,
    log: Annotated[
        list[str],
        typer.Option(help="Log the scores to tensorboard, wandb, mlflow or trackio. Repeatable."),
    ] = [],
    shard: Annotated[
        str | None,
        typer.Option(metavar="I/N", help="Part I of N, from 0, of models and tasks; array: as a Slurm array says."),
    ] = None,
    distributed: Annotated[
        bool,
        typer.Option(
            "--distributed/--no-distributed",
            help="Share the work among the processes of torchrun, accelerate or srun.",
        ),
    ] = True,
    json_: Annotated[bool, typer.Option("--json", help="Print the records as JSON only.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print only the final scores and errors.")] = False,
    watch: Annotated[
        Path | None, typer.Option(help="Folder: evaluate each new checkpoint that appears there, until Ctrl-C.")
    ] = None,
    watch_every: Annotated[
        float, typer.Option(min=0.1, help="With --watch: seconds between two looks at the folder.")
    ] = 30.0,
    watch_until: Annotated[
        int | None, typer.Option(min=1, help="With --watch: stop after this number of checkpoints.")
    ] = None,
    watch_idle: Annotated[
        float | None,
        typer.Option(min=0, help="With --watch: stop after this time in seconds without a new checkpoint."),
    ] = None,
) -> None:
    """Evaluate models on tasks: plan, encode each image and text once, score, write records.

    goldieval run --model goldiclip --tasks retrieval,zeroshot

    goldieval run --model open_clip:ViT-B-16@epoch_32.pt --tasks coco-karpathy,cifar10 --data-dir DIR

    goldieval run --config eval.yaml

    goldieval run --model open_clip:ViT-B-16 --tasks cifar10 --watch logs/run/checkpoints
    """
    config_file = config_of(context)
    overrides = parse_overrides(set_)
    if precision not in ("fp32", "bf16", "fp16"):
        raise GoldievalError(f"--precision {precision!r}: choose fp32, bf16 or fp16.")
    trackers = tracker_names(log)
    from goldieval.engine.command import added_arguments
    from goldieval.engine.options import validated_options
    from goldieval.engine.watch import WatchOptions
    from goldieval.models.inputs import Batching

    options = validated_options(
        {
            "out": out,
            "data_dir": data_dir,
            "tasks_dir": tasks_dir,
            "device": device,
            "precision": precision,
            "batching": Batching(batch_size, 2 * batch_size, workers),
            "overrides": overrides,
            "limit": limit,
            "allow_bad": allow_bad,
            "cache": not no_cache,
            "offline": offline,
            "dry_run": dry_run,
            "scoring": scoring,
            "subset": subset,
            "save_images": save_images,
            "log": trackers,
            "shard": shard,
            "distributed": distributed,
        }
    )
    check_watch(context)
    reporter = _reporter(quiet, watch is not None, Console(stderr=json_, quiet=not prints(distributed)))
    if config_file is not None:
        reporter.note(config_file.line())
    names = ",".join(tasks)
    with added_arguments(config_file.arguments() if config_file else ()):
        if watch is None:
            whole = _evaluate(model, names, options, reporter, json_)
        else:
            watched = WatchOptions(watch, watch_every, watch_until, watch_idle, once=dry_run)
            whole = run_watch(model, names, options, watched, reporter, quiet)
    if strict and reporter.left_out:
        left_out = ", ".join(dict.fromkeys(skipped.task.name for skipped in reporter.left_out))
        Console(stderr=True, soft_wrap=True).print(f"--strict: not run: {left_out}")
    if not whole or reporter.lacks_cards or (strict and reporter.left_out):
        raise typer.Exit(1)


def _reporter(quiet: bool, watching: bool, console: Console) -> ConsoleReporter:
    from goldieval.report.console import ConsoleReporter
    from goldieval.report.quiet import QuietReporter
    from goldieval.report.watching import WatchReporter

    kind = QuietReporter if quiet else WatchReporter if watching else ConsoleReporter
    return kind(console)


def _evaluate(models: list[str], tasks: str, options: Options, reporter: ConsoleReporter, json_: bool) -> bool:
    """Evaluate all models once; return whether every task of each was evaluated whole."""
    from goldieval.engine.run import evaluate

    records = evaluate(models, tasks, options=options, reporter=reporter)
    if options.shard is not None and not options.dry_run:
        reporter.note(f"shard {options.shard} is done; all records: goldieval show {shell_argument(str(options.out))}")
    if json_ and prints(options.distributed):
        print_json([record.model_dump(mode="json") for record in [*records, *records.averages]], indent=None)
    return all(record.status == "ok" for record in records) and not records.models_failed
