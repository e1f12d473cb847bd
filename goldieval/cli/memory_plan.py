"""``goldieval train RECIPE --dry-run --processes N --memory GIB``: whether a recipe fits GPUs that are not there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from goldieval.core.display import Console, Text
from goldieval.core.errors import GoldievalError
from goldieval.core.processes.launch import launch_of

if TYPE_CHECKING:
    from goldieval.goldiclip.recipe import Recipe

LARGEST_GIB = 1_000_000  # of a GPU that memory can be planned for


def check_memory_options(dry_run: bool, processes: int | None, memory: float | None) -> None:
    """Refuse options of a memory plan without the others that it needs.

    Raises:
        GoldievalError: One of them is missing, or several processes were started.
    """
    if processes is None and memory is None:
        return
    if not dry_run:
        option = "--memory" if processes is None else "--processes"
        raise GoldievalError(
            f"{option} plans memory: write --dry-run with it. A launcher sets the number of processes."
        )
    if memory is None:
        raise GoldievalError("--processes needs --memory, the GiB of each GPU, such as --memory 80.")
    if launch_of(alone="") is not None:
        raise GoldievalError(
            "--memory is planned by one process: start it without accelerate launch, torchrun or srun."
        )


def plan_memory(recipe: Recipe, processes: int, memory: float) -> None:
    """Print whether a recipe fits.

    Args:
        recipe: the recipe.
        processes: number of processes, one on each GPU.
        memory: GiB of each GPU.

    Raises:
        typer.Exit: it does not fit as it stands, code 1.
    """
    from goldieval.goldiclip.memory.plan import GIB, memory_plan
    from goldieval.report.memory_plan import print_memory_plan

    console = Console()
    console.print(Text("simulating steps; this takes a minute or two"))
    plan = memory_plan(recipe, processes, round(memory * GIB))
    print_memory_plan(plan, console)
    if not plan.fits:
        raise typer.Exit(1)
