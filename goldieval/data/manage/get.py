"""``goldieval data get``: the plan, the download, and the final count of samples."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from goldieval.core.containment import contained
from goldieval.core.errors import GoldievalError, TaskError, first_line
from goldieval.data.fetch.fetch import fetch_all
from goldieval.data.fetch.file_request import FetchProgress
from goldieval.data.fetch.hub import endpoint
from goldieval.data.fetch.plan import FetchPlan, plan_fetch
from goldieval.data.fetch.retry import Refused
from goldieval.data.fetch.staging import lock_for_fetch, remove_leftovers
from goldieval.data.source import tilde
from goldieval.tasks.card import Task
from goldieval.tasks.catalogue import command_name


@dataclass
class Job:
    """The tasks that share a data folder.

    Attributes:
        folder: The data folder.
        tasks: The tasks.
        plan: What will be downloaded.
        failure: Why the data cannot be downloaded, in one line.
    """

    folder: Path
    tasks: list[Task] = field(default_factory=list)
    plan: FetchPlan | None = None
    failure: str = ""

    @property
    def names(self) -> str:
        return ", ".join(task.name for task in self.tasks)

    @property
    def megabytes(self) -> int | None:
        """Largest size stated by the cards, which share files."""
        return max((task.card.source.megabytes or 0 for task in self.tasks), default=0) or None

    @property
    def licences(self) -> str:
        return "; ".join(dict.fromkeys(task.card.licence for task in self.tasks))


def jobs(tasks: Iterable[Task], root: Path) -> list[Job]:
    """Group tasks by their data folder; generated data need none."""
    by_folder: dict[Path, Job] = {}
    refused: list[Job] = []
    for task in tasks:
        if not task.card.source.on_disk:
            continue
        try:
            folder = task.folder(root)
        except TaskError as error:
            refused.append(Job(root, [task], failure=str(error)))
            continue
        by_folder.setdefault(folder, Job(folder)).tasks.append(task)
    return [*by_folder.values(), *refused]


def plan(job: Job, repair: bool, note: Callable[[str], None]) -> None:
    """Set the job's plan, or its failure."""
    if not job.failure:
        _guarded(job, lambda: _plan(job, repair, note))


def carry_out(job: Job, repair: bool, progress: FetchProgress) -> None:
    """Download the files in the plan while holding the folder's lock, and count samples; sets the job's failure.

    The plan is made again after the lock is acquired, because another download may have ended in the meantime.
    """

    def work() -> None:
        with lock_for_fetch(job.folder, progress.note):
            _plan(job, repair, progress.note)
            if job.plan is not None and job.plan.parts:
                fetch_all(job.plan, progress)
            remove_leftovers(job.folder)
        count(job, progress.note)

    _guarded(job, work)


def count(job: Job, note: Callable[[str], None]) -> None:
    """Read each task with its own reader and compare the counts with its card. Raises TaskError."""
    from goldieval.engine.load import prepare_and_count

    for task in job.tasks:
        if lacking := task.card.source.missing(job.folder):
            how = task.card.source.manual or "its card should name another source"
            raise GoldievalError(f"{task.name} still lacks {', '.join(lacking)}. By hand: {how}")
        _, seen, _ = prepare_and_count(task, job.folder)
        found = ", ".join(f"{number:,} {what}" for what, number in seen.items())
        as_expected = ", as its card expects" if task.card.expect.model_dump(exclude_none=True) else ""
        note(f"{task.name}: {found}{as_expected}")


def _plan(job: Job, repair: bool, note: Callable[[str], None]) -> None:
    job.plan = plan_fetch([task.card.source for task in job.tasks], job.folder, repair, note)


def _guarded(job: Job, work: Callable[[], None]) -> None:
    try:
        with contained("fetching", GoldievalError):
            work()
    except Refused as error:
        job.failure = f"{error}. {_steps(job, error.status)}"
    except GoldievalError as error:
        job.failure = str(error)
    except Exception as error:  # affects one source; the others are downloaded
        job.failure = f"{type(error).__name__}: {first_line(error)} in {tilde(job.folder)}"


def _steps(job: Job, status: int) -> str:
    """Return what to do if the source refuses: request access, or download by hand."""
    source = job.tasks[0].card.source
    command = f"goldieval data get {command_name(job.tasks[0])}"
    manual = f" By hand: {source.manual}" if source.manual else ""
    if status in (401, 403) and source.hub:
        page = f"{endpoint()}/datasets/{source.hub}"
        return (
            f"It is gated, private or missing. 1. Log in and accept its terms: {page} "
            f"2. Create a token with read access: {endpoint()}/settings/tokens 3. HF_TOKEN=… {command}{manual}"
        )
    if status in (401, 403):
        return f"It requires a login.{manual or f' Download it in a browser and put it into {tilde(job.folder)}'}"
    gone = "It no longer exists, or not at that revision."
    return f"{gone}{manual or f' Get its files elsewhere and put them into {tilde(job.folder)}'}"
