"""``goldieval show``: a record, or the records of a folder, as tables."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from goldieval.core.display import Console, Text, print_json, print_text
from goldieval.core.errors import GoldievalError
from goldieval.core.text import natural_order, shell_argument

if TYPE_CHECKING:
    from goldieval.records.schema import Record


def show(
    place: Annotated[Path, typer.Argument(help="A record file or a folder of records.")] = Path("results"),
    format_: Annotated[
        str, typer.Option("--format", help="model-card: print the model-index block of a Hugging Face model card.")
    ] = "",
    model: Annotated[str, typer.Option(help="Spec or fingerprint of the model that --format model-card takes.")] = "",
    tasks_dir: Annotated[Path | None, typer.Option(help="Folder with your own task cards and suites.")] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print the records as JSON only.")] = False,
    reliability: Annotated[
        Path | None, typer.Option(help="Write reliability diagrams to this .png, .pdf or .svg file.")
    ] = None,
    task: Annotated[str, typer.Option(help="Task of --reliability; a glob.")] = "",
) -> None:
    """Show records: every metric with its interval, the model and the protocol; and the averages of suites.

    goldieval show results

    goldieval show results/random-0123abcd/shapes-retrieval@1-0123abcd.json

    goldieval show results --format model-card --model goldiclip

    goldieval show results --reliability reliability.pdf --task cifar10
    """
    if format_ not in ("", "model-card"):
        raise GoldievalError(f"--format {format_!r}: there is only model-card; for tables: goldieval table --help")
    if format_ and json_:
        raise GoldievalError("--format model-card and --json are two outputs: choose one.")
    if model and not format_:
        raise GoldievalError("--model is for --format model-card; to show one model, name its folder.")
    if task and reliability is None:
        raise GoldievalError("--task is for --reliability; to show one task, name its record file.")
    if reliability is not None and (format_ or json_):
        raise GoldievalError("--reliability writes a figure; run --format and --json without it.")
    from goldieval.records.results import load_results
    from goldieval.report.faults import warn
    from goldieval.report.scores import scores

    records = load_results(place, tasks_dir)
    warn(records.faults)
    if reliability is not None:
        from goldieval.report.reliability import write_reliability

        print_text("\n".join(write_reliability(reliability, list(records), task)))
        return
    if format_:
        from goldieval.report.model_card import model_card

        card = model_card(records, model)
        warn(card.left_out)
        print_text(card.yaml)
        return
    if json_:
        print_json([record.model_dump(mode="json") for record in [*records, *records.averages]], indent=None)
        return
    console = Console()
    if not records:
        out_option = "" if place == Path("results") else f" --out {shell_argument(str(place))}"
        command = f"goldieval run --model goldiclip --tasks retrieval,zeroshot{out_option}"
        console.print(f"no records in {place}. To make some: {command}", soft_wrap=True)
    ordered = sorted([*records, *records.averages], key=_place)
    for (spec, fingerprint), group in groupby(ordered, lambda record: (record.model.spec, record.model.fingerprint)):
        of_model = list(group)
        console.print(Text(f"{spec}  {fingerprint[:8]}  {of_model[0].model.precision}", "bold"))
        for notice in dict.fromkeys(record.model.notice for record in of_model if record.model.notice):
            console.print(Text(f"  {notice}", "yellow"))
        console.parts(scores(of_model, console, every_metric=True))
        for record in of_model:
            if record.status == "failed":
                console.print(Text(f"{record.task.name} {record.outcome}: {record.reason}", "red"), soft_wrap=True)
        console.print()


def _place(record: Record) -> tuple[Any, ...]:
    """Return where a record is shown: by model, the tasks by name, then averages."""
    return natural_order(record.model.spec), record.model.fingerprint, record.is_average, record.task.name
