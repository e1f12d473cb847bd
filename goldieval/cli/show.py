"""``goldieval show``: one record or a folder of records as tables."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import Annotated

import typer

from goldieval.core.display import Console, Text, print_json
from goldieval.core.text import shell_argument


def show(
    place: Annotated[Path, typer.Argument(help="A record file or a folder of records.")] = Path("results"),
    json_: Annotated[bool, typer.Option("--json", help="Print the records as JSON.")] = False,
) -> None:
    """Show records: every metric with its interval, and what was run on what.

    goldieval show results

    goldieval show results/random-0123abcd/shapes-retrieval@1-0123abcd.json
    """
    from goldieval.records.results import load_results
    from goldieval.report.faults import warn
    from goldieval.report.scores import scores

    records = load_results(place)
    warn(records.faults)
    if json_:
        print_json([record.model_dump(mode="json") for record in records], indent=None)
        return
    console = Console()
    if not records:
        own = "" if place == Path("results") else f" --out {shell_argument(str(place))}"
        make = f"no records in {place}. Make some: goldieval run --model goldiclip --tasks retrieval,zeroshot{own}"
        console.print(make, soft_wrap=True)
    ordered = sorted(records, key=lambda record: (record.model.spec, record.model.fingerprint, record.task.name))
    for (spec, fingerprint), group in groupby(ordered, lambda record: (record.model.spec, record.model.fingerprint)):
        ours = list(group)
        console.print(Text(f"{spec}  {fingerprint[:8]}  {ours[0].model.precision}", "bold"))
        if ours[0].model.notice:
            console.print(Text(f"  {ours[0].model.notice}", "yellow"))
        console.parts(scores(ours, console, every_metric=True))
        for record in ours:
            if record.status == "failed":
                console.print(Text(f"{record.task.name} FAILED: {record.reason}", "red"), soft_wrap=True)
        console.print()
