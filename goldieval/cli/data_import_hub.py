"""``goldieval data import hf:OWNER/NAME``: show the size, ask, download, and write a card."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from goldieval.core.display import Console
from goldieval.core.errors import GoldievalError

if TYPE_CHECKING:
    from goldieval.data.manage.finding import DetectionHints
    from goldieval.data.manage.hub_files import HubRequest
    from goldieval.data.manage.propose import Proposal


def proposal_from_hub(
    request: HubRequest,
    hints: DetectionHints,
    name: str | None,
    out: Path | None,
    root: Path,
    dry_run: bool,
    yes: bool,
) -> Proposal | None:
    """Return the card of a repository, or None if a dry run has not downloaded it.

    Args:
        request: What to import.
        hints: Options of the user.
        name: Name of the task.
        out: File of the card.
        root: Folder of all data.
        dry_run: Whether to stop before the download.
        yes: Whether to download without asking.

    Raises:
        GoldievalError: The repository cannot be imported, or the user was not asked.
    """
    from goldieval.data.fetch.fetch import gigabytes
    from goldieval.data.manage.hub_import import download, plan_import, propose_from_hub
    from goldieval.data.manage.propose import check_options
    from goldieval.data.source import tilde
    from goldieval.report.fetching import FetchReporter

    check_options(hints, name)
    reporter = FetchReporter(Console())
    planned = plan_import(request, root, reporter.note)
    count, size = len(planned.selection.paths), gigabytes(planned.bytes)
    files = f"{count:,} file{'s' if count > 1 else ''}, {size}"
    reporter.note(f"{request.repository} at {planned.source.revision}: {files}, into {tilde(planned.folder)}")
    for line in planned.selection.notes:
        reporter.note(line)
    if planned.plan.parts:
        if dry_run:
            reporter.note("not downloaded, because of --dry-run")
            return None
        _confirm(size, yes)
        with reporter:
            download(planned, reporter)
    return propose_from_hub(planned, hints, name, out, dry_run)


def _confirm(size: str, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise GoldievalError(f"confirmation needs a terminal. Add --yes to download {size}.")
    if not typer.confirm(f"Download {size}?"):
        raise typer.Exit(2)
