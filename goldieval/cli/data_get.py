"""``goldieval data get``: print what would be downloaded, ask, and download it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from goldieval.cli.data_selection import DataDir, Names, TasksDir, print_errors, selected_root, selected_tasks
from goldieval.core.display import Console
from goldieval.core.errors import GoldievalError
from goldieval.core.meter import displaying

if TYPE_CHECKING:
    from goldieval.data.manage.get import Job


def get(
    tasks: Names,
    yes: Annotated[bool, typer.Option("--yes", help="Download without confirmation.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would be downloaded, and stop.")] = False,
    repair: Annotated[
        bool, typer.Option("--repair", help="Hash existing files and download again those that differ.")
    ] = False,
    data_dir: DataDir = None,
    tasks_dir: TasksDir = None,
) -> None:
    """Download the data of tasks: shows size, licence, source and revision first; resumes, verifies and counts.

    goldieval data get cifar10 flickr30k-test
    """
    from goldieval.data.manage.get import carry_out, jobs, plan
    from goldieval.report.fetching import FetchReporter
    from goldieval.report.progress import ProgressDisplay

    console = Console()
    reporter, progress = FetchReporter(console), ProgressDisplay(console)
    selected, broken = selected_tasks(tasks, tasks_dir)
    download_jobs = jobs(selected, selected_root(data_dir))
    for name in sorted({task.name for task in selected if not task.card.source.on_disk}):
        reporter.note(f"{name}: made here, nothing to download")
    for job in download_jobs:
        with displaying(progress.meter):
            plan(job, repair, reporter.note)
        _print_plan(job, reporter.note)
    pending = [job for job in download_jobs if job.plan and job.plan.parts]
    if dry_run:
        print_errors([*broken, *_failures(download_jobs)])
        return
    if pending and not yes:
        _confirm(pending)
    with reporter:
        for job in download_jobs:
            if not job.failure:
                carry_out(job, repair, reporter)
    print_errors([*broken, *_failures(download_jobs)])


def _print_plan(job: Job, note: Callable[[str], None]) -> None:
    from goldieval.data.fetch.fetch import gigabytes
    from goldieval.data.source import tilde

    if job.failure:
        return
    assert job.plan is not None
    if not job.plan.parts:
        note(f"{job.names}: {job.plan.reason}")
        return
    approximate = f"about {job.megabytes / 1000:.2f} GB" if job.megabytes else "size not known"
    size = approximate if job.plan.bytes is None else gigabytes(job.plan.bytes)
    note(f"{job.names}: {size}, licence: {job.licences}")
    for part in job.plan.parts:
        note(f"  from {part.shown}, {len(part.wanted):,} {'files' if len(part.wanted) > 1 else 'file'}")
        if part.left_out:
            note(f"  left out, not data: {', '.join(part.left_out[:5])}")
    note(f"  into {tilde(job.folder)}")


def _confirm(work: list[Job]) -> None:
    from goldieval.data.fetch.fetch import gigabytes

    sizes = [job.plan.bytes if job.plan else None for job in work]
    size = "it" if None in sizes else gigabytes(sum(size or 0 for size in sizes))
    if not sys.stdin.isatty():
        raise GoldievalError(f"confirmation needs a terminal. Add --yes to download {size}.")
    if not typer.confirm(f"Download {size}?"):
        raise typer.Exit(2)


def _failures(work: list[Job]) -> list[str]:
    return [f"{job.names}: {job.failure}" for job in work if job.failure]
