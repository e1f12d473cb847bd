"""``goldieval doctor --model X --shortcuts``: what the features of a model encode, as tables, JSON or a page."""

from __future__ import annotations

import textwrap
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from goldieval.core.display import Console, Text, print_json
from goldieval.core.errors import GoldievalError
from goldieval.core.files import check_writable
from goldieval.core.meter import displaying

if TYPE_CHECKING:
    from goldieval.doctor.shortcuts.measure import Shortcuts

WIDEST = 100  # columns of running text


def print_shortcuts(model: str, device: str, offline: bool, html: Path | None, as_json: bool) -> None:
    """Measure the features of every model of a spec, and print what they encode, or write a page.

    Args:
        model: spec of the model, or of several.
        device: device of torch.
        offline: whether downloads are forbidden.
        html: page to write; None for none.
        as_json: whether JSON is printed instead of tables.

    Raises:
        GoldievalError: a model cannot be loaded or has no features, or the page cannot be written.
    """
    from goldieval.doctor.shortcuts import findings, run
    from goldieval.report.progress import ProgressDisplay

    if html is not None:
        _check_page(html)
    with displaying(ProgressDisplay(Console(stderr=True)).meter):
        found = list(run.measured(model, device, offline))
        untrained = run.untrained(found)
    if html is not None:
        _write_page(html, found, untrained)
    if as_json:
        models = [
            {**asdict(each), "summary": findings.summary(each), "warnings": findings.warnings(each)} for each in found
        ]
        print_json({"models": models, "untrained": asdict(untrained) if untrained else None})
        return
    console = Console()
    for each in found:
        _print(each, untrained, console)
    if html is not None:
        console.print(f"page: {html}", soft_wrap=True)


def _check_page(html: Path) -> None:
    """Check that the page can be written, before minutes are spent on what it shows."""
    try:
        check_writable(html.parent)
    except OSError as error:
        raise GoldievalError(f"--html {html}: {error.strerror or error}.") from error
    if html.is_dir():
        raise GoldievalError(f"--html {html}: is a folder; name a file.")


def _write_page(html: Path, found: list[Shortcuts], untrained: Shortcuts | None) -> None:
    from goldieval.cli.doctor_shortcut_tables import share_tables
    from goldieval.doctor.shortcuts import findings
    from goldieval.report.shortcuts_page import ModelShares, write_page

    write_page(
        html,
        [
            ModelShares(each.model, findings.summary(each), findings.warnings(each), share_tables(each, untrained))
            for each in found
        ],
    )


def _print(found: Shortcuts, untrained: Shortcuts | None, console: Console) -> None:
    from goldieval.cli.doctor_shortcut_tables import share_tables
    from goldieval.doctor.shortcuts import findings
    from goldieval.report.share_screen import interval_note, share_panels

    console.print(Text(f"{found.model}: what its features encode, in % of their variance", "bold"))
    for table in share_tables(found, untrained):
        console.print()
        console.print(Text(table.title, "bold"))
        for panel in share_panels(table, console.width):
            console.print(panel)
        _print_lines([*table.notes, interval_note(table)], console, "dim")
    console.print()
    _print_lines([findings.summary(found)], console, "")
    _print_lines(findings.warnings(found), console, "bold yellow")


def _print_lines(lines: list[str], console: Console, style: str) -> None:
    for line in lines:
        for part in textwrap.wrap(line, min(console.width, WIDEST), break_on_hyphens=False):
            console.print(Text(part, style), soft_wrap=True)
