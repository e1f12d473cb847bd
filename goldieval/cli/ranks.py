"""What several processes that run one command print: each line once, from the rank that knows most."""

from __future__ import annotations

from goldieval.core.errors import GoldievalError, InterruptedRunError, LostRankError
from goldieval.core.processes.failures import is_known_to_all
from goldieval.core.processes.launch import launch_of


def is_told_by_another_rank(error: BaseException) -> bool:
    """Return whether this process is not rank 0, and rank 0 prints the error.

    Args:
        error: the error that ends this process.
    """
    rank = _rank()
    if not rank:
        return False
    if isinstance(error, LostRankError):
        return 0 not in error.ranks
    of_the_whole_job = isinstance(error, KeyboardInterrupt | InterruptedRunError)
    in_the_command = hasattr(error, "format_message")  # wrong options are wrong on every rank
    return of_the_whole_job or in_the_command or is_known_to_all(error)


def prints(distributed: bool) -> bool:
    """Return whether this process prints: rank 0 does for all that share the work.

    Args:
        distributed: whether the work is shared.
    """
    return not distributed or not _rank()


def prefix() -> str:
    """Return the name of this process for its lines, empty for rank 0 and for a single process."""
    rank = _rank()
    return f"rank {rank}: " if rank else ""


def _rank() -> int:
    try:
        launch = launch_of()
    except GoldievalError:  # reported by the verb that joins the processes
        return 0
    return launch.rank if launch is not None else 0
