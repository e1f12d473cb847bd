"""``goldieval run``: evaluate models on tasks."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from goldieval.cli.overrides import parse_overrides
from goldieval.core.display import Console, print_json
from goldieval.core.errors import GoldievalError
from goldieval.tracking.names import tracker_names


def run(
    model: Annotated[
        list[str],
        typer.Option(help="Model spec, FAMILY\\[:NAME]\\[@WHERE]\\[::OPTION=VALUE] or ./FILE.py:FUNCTION. Repeatable."),
    ],
    tasks: Annotated[
        list[str], typer.Option(help="Task ids, suites, globs or card paths, separated by commas. Repeatable.")
    ],
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
    workers: Annotated[int, typer.Option(min=1, help="Number of threads that read and decode images.")] = os.cpu_count()
    or 1,
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
            min=0, help="Number of images of each segmentation task to write, with ground truth and prediction."
        ),
    ] = 0,
    log: Annotated[
        list[str],
        typer.Option(help="Log the scores to tensorboard, wandb, mlflow or trackio. Repeatable."),
    ] = [],
    json_: Annotated[bool, typer.Option("--json", help="Print the records as JSON only.")] = False,
) -> None:
    """Evaluate models on tasks: plan, encode each image and text once, score, write records.

    goldieval run --model goldiclip --tasks retrieval,zeroshot

    goldieval run --model open_clip:ViT-B-16@epoch_32.pt --tasks coco-karpathy,cifar10 --data-dir DIR
    """
    overrides = parse_overrides(set_)
    if precision not in ("fp32", "bf16", "fp16"):
        raise GoldievalError(f"--precision {precision!r}: choose fp32, bf16 or fp16.")
    trackers = tracker_names(log)
    from goldieval.engine.options import validated_options
    from goldieval.engine.run import evaluate
    from goldieval.models.inputs import Batching
    from goldieval.report.console import ConsoleReporter

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
        }
    )
    reporter = ConsoleReporter(Console(stderr=json_))
    records = evaluate(model, ",".join(tasks), options=options, reporter=reporter)
    if json_:
        print_json([record.model_dump(mode="json") for record in records], indent=None)
    whole = all(record.status == "ok" for record in records) and not (records.models_failed or reporter.lacks_cards)
    if not whole or (strict and reporter.left_out):
        raise typer.Exit(1)
