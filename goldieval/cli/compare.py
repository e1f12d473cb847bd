"""``goldieval compare``: which of two models is better, with significance tests."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from goldieval.core.display import Console, print_json
from goldieval.core.meter import displaying

FLIPS_PER_PAGE = 12


def compare(
    a: Annotated[
        str, typer.Argument(help="Model spec or glob over specs, beginning of a fingerprint, record file or folder.")
    ],
    b: Annotated[str, typer.Argument(help="The other model, in the same forms; the verdict is about B.")],
    out: Annotated[Path, typer.Option(help="Folder of the records.")] = Path("results"),
    tasks: Annotated[str, typer.Option(help="Compare only these tasks and averages, separated by commas.")] = "",
    all_metrics: Annotated[
        bool, typer.Option("--all-metrics", help="Test every metric, not only the headline.")
    ] = False,
    seeds: Annotated[
        bool,
        typer.Option(
            "--seeds", help="Treat the models of a glob as seeds of one recipe, even if their records do not show it."
        ),
    ] = False,
    samples: Annotated[
        int | None, typer.Option(min=1, help="Number of gained, and of lost, queries to list for each task.")
    ] = None,
    html: Annotated[Path | None, typer.Option(help="Write an HTML page with verdicts and flipped queries.")] = None,
    data_dir: Annotated[
        Path | None,
        typer.Option(help="Folder of the data, for pictures in the page; by default $GOLDIEVAL_DATA, else the cache."),
    ] = None,
    tasks_dir: Annotated[Path | None, typer.Option(help="Folder with your own task cards.")] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print only JSON.")] = False,
) -> None:
    """Compare two models on the same samples: better, worse or not separable. Records are read; nothing is run.

    goldieval compare goldiclip@a.safetensors goldiclip@b.safetensors

    goldieval compare results/a-0123abcd results/b-4567cdef --samples 5
    """
    from goldieval.comparison import compare as comparison
    from goldieval.comparison.details import Details, details_of
    from goldieval.core.containment import contained
    from goldieval.report.flip_lines import flips
    from goldieval.report.progress import ProgressDisplay
    from goldieval.report.verdicts import curve, verdicts

    with displaying(ProgressDisplay(Console(stderr=True)).meter):
        result = comparison.compare(a, b, out, tasks=tasks, all_metrics=all_metrics, seeds=seeds, tasks_dir=tasks_dir)
    count = samples or (FLIPS_PER_PAGE if html else 0)
    details: list[Details] = []
    for row, pair in zip(result.rows, result.pairs, strict=True):
        with contained(f"reading the answers of {row.task}"):
            details.append(details_of(pair, row.metric, count) if count else Details())
    if html is not None:
        from goldieval.report.compare_page import write_page

        write_page(html, result, details, data_dir, tasks_dir)
    if json_:
        listed = [[flip.plain() for flip in each.flips.listed] for each in details]
        print_json(result.plain() | ({"flips": listed} if samples else {}))
    else:
        console = Console()
        console.parts([*verdicts(result, console), *curve(result)])
        if samples:
            console.parts(flips(result, details))
        if html is not None:
            console.print(f"page: {html}", soft_wrap=True)
    if result.refused:
        raise typer.Exit(1)
