"""``goldieval doctor``: checks of the installation, the data folder and a model."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from goldieval.core.display import Console, Text, print_json, print_text
from goldieval.core.errors import GoldievalError

if TYPE_CHECKING:
    from goldieval.doctor.check import Check

LABELS = {True: ("ok  ", "green"), False: ("FAIL", "bold red"), None: ("note", "yellow")}
NAME_WIDTH = 21  # of the longest usual name, so that all parts of a report are aligned
PUBLISHED = "published numbers"
NARROWEST = 30  # columns of the third column in a narrow terminal


def doctor(
    model: Annotated[str | None, typer.Option(help="Also check this model.")] = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Reproduce published numbers of public checkpoints.")
    ] = False,
    all_: Annotated[
        bool, typer.Option("--all", help="With --verify: use the whole catalogue, not only the quick checks.")
    ] = False,
    plan: Annotated[bool, typer.Option("--plan", help="With --verify: print what would be run, and stop.")] = False,
    report: Annotated[Path | None, typer.Option(help="With --verify: write the results as Markdown.")] = None,
    shortcuts: Annotated[
        bool, typer.Option("--shortcuts", help="With --model: measure what its features encode, and nothing else.")
    ] = False,
    html: Annotated[Path | None, typer.Option(help="With --shortcuts: also write an HTML page.")] = None,
    data_dir: Annotated[
        Path | None, typer.Option(help="Folder of the data; by default $GOLDIEVAL_DATA, else the cache.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")] = "auto",
    offline: Annotated[bool, typer.Option("--offline", help="Never download model weights.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print only JSON.")] = False,
) -> None:
    """Check versions, devices, folders and import names; with --model a model; with --verify published numbers.

    goldieval doctor --model open_clip:ViT-B-16@epoch_32.pt

    goldieval doctor --model goldiclip --shortcuts --html shortcuts.html
    """
    if (all_ or plan or report) and not verify:
        raise GoldievalError("--all, --plan and --report require --verify.")
    if shortcuts or html:
        _measure_shortcuts(model, verify, shortcuts, device, offline, html, json_)
        return
    if plan:
        from goldieval.doctor import evidence

        print_text(evidence.plan(all_, as_json=json_))
        return
    console = Console()
    done: list[tuple[str, Check]] = []
    for part, run_part in _parts(model, verify, all_, data_dir, device, offline):
        checks = run_part()
        done += [(part, check) for check in checks]
        if not json_:
            console.print(Text(part, "bold"))
            _print(checks, console)
    if report:
        from goldieval.doctor import evidence

        evidence.write(report, [check for part, check in done if part == PUBLISHED])
    failed = sum(check.passed is False for _, check in done)
    if json_:
        print_json([{"part": part, **asdict(check)} for part, check in done])
    else:
        verdict = f"{failed} of {len(done)} checks FAILED" if failed else f"nothing wrong in {len(done)} checks"
        console.print(Text(verdict, "bold red" if failed else "bold green"))
    if failed:
        raise typer.Exit(1)


def _measure_shortcuts(
    model: str | None, verify: bool, shortcuts: bool, device: str, offline: bool, html: Path | None, as_json: bool
) -> None:
    if not shortcuts:
        raise GoldievalError("--html requires --shortcuts.")
    if not model or verify:
        raise GoldievalError("--shortcuts is about one model: give --model, and no --verify.")
    from goldieval.cli.doctor_shortcuts import print_shortcuts

    print_shortcuts(model, device, offline, html, as_json)


def _parts(
    model: str | None, verify: bool, everything: bool, data_dir: Path | None, device: str, offline: bool
) -> Iterator[tuple[str, Callable[[], list[Check]]]]:
    """Yield heading and function of each part, so that its output is printed before the next part runs."""
    from goldieval.doctor import install

    yield "install", partial(install.checks, data_dir)
    if model:
        from goldieval.doctor import probes
        from goldieval.doctor.check import run_checks
        from goldieval.models.spec import expand, parse_spec

        specs = expand(parse_spec(model))
        for spec in specs:
            probed = partial(probes.checks, spec.text, device, offline)
            others = len(specs) > 1 or verify  # are checked even if this model cannot be loaded
            yield f"model {spec.text}", partial(run_checks, "load", probed) if others else probed
    if verify:
        from goldieval.doctor import published
        from goldieval.report.console import ConsoleReporter

        reporter = ConsoleReporter(Console(stderr=True))
        yield PUBLISHED, partial(published.checks, data_dir, device, offline, reporter, everything)


def _print(checks: list[Check], console: Console) -> None:
    """Print checks in three columns; the third is wrapped, and commands are printed on lines of their own."""
    name_width = max([NAME_WIDTH, *(len(check.name) for check in checks)])
    indent = name_width + 6
    for check in checks:
        passed, style = LABELS[check.passed]
        first, *commands = check.found.splitlines() or [""]
        wrapped = textwrap.wrap(first, max(console.width - indent, NARROWEST), break_on_hyphens=False) or [""]
        console.print(Text.assemble((passed, style), f" {check.name:{name_width}} {wrapped[0]}"), soft_wrap=True)
        for line in wrapped[1:]:
            console.print(Text(" " * indent + line), soft_wrap=True)
        for command in commands:
            console.print(Text(f"     {command}"), soft_wrap=True)
