"""``goldieval compare``: which of two models is better, and is it real?"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from goldieval.core.display import Console, print_json

FLIPS_ON_A_PAGE = 12


def compare(
    a: Annotated[
        str, typer.Argument(help="Model spec (or a glob of specs), a fingerprint's beginning, a record or a folder.")
    ],
    b: Annotated[str, typer.Argument(help="The same; the verdict is about B.")],
    out: Annotated[Path, typer.Option(help="Folder of the records.")] = Path("results"),
    tasks: Annotated[str, typer.Option(help="Only these tasks, separated by commas.")] = "",
    all_metrics: Annotated[bool, typer.Option("--all-metrics", help="Every metric, not the headline alone.")] = False,
    seeds: Annotated[
        bool, typer.Option("--seeds", help="A glob's models are seeds of one recipe, though records do not say so.")
    ] = False,
    samples: Annotated[
        int | None, typer.Option(min=1, help="List so many gained and so many lost queries of each task.")
    ] = None,
    html: Annotated[Path | None, typer.Option(help="Write one page with verdicts and what flipped.")] = None,
    data_dir: Annotated[
        Path | None, typer.Option(help="Folder of the data, for the page's pictures; else $GOLDIEVAL_DATA, the cache.")
    ] = None,
    tasks_dir: Annotated[Path | None, typer.Option(help="Folder with task cards of your own.")] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")] = False,
) -> None:
    """Compare two models on the same samples: better, worse or not separable. Reads records, runs nothing.

    goldieval compare goldiclip@a.safetensors goldiclip@b.safetensors

    goldieval compare results/a-0123abcd results/b-4567cdef --samples 5
    """
    from goldieval.comparison import compare as comparison
    from goldieval.comparison.flips import flips_of
    from goldieval.report.verdicts import curve, flips, verdicts

    found = comparison.compare(a, b, out, tasks=tasks, all_metrics=all_metrics, seeds=seeds)
    most = samples or (FLIPS_ON_A_PAGE if html else 0)
    flipped = [flips_of(pair, row.metric, most) for row, pair in zip(found.rows, found.pairs, strict=True) if most]
    if html is not None:
        from goldieval.report.compare_page import write_page

        write_page(html, found, flipped, data_dir, tasks_dir)
    if json_:
        listed = [[asdict(flip) for flip in each] for each in flipped]
        print_json(found.plain() | ({"flips": listed} if samples else {}))
    else:
        console = Console()
        console.parts([*verdicts(found, console), *curve(found)])
        if samples:
            console.parts(flips(found, flipped))
        if html is not None:
            console.print(f"page: {html}", soft_wrap=True)
    if found.refused:
        raise typer.Exit(1)
