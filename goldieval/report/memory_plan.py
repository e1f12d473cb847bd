"""Output of a memory plan: whether a recipe fits, what its memory consists of, and settings with which it fits."""

from __future__ import annotations

from goldieval.core.display import Console, Text
from goldieval.goldiclip.memory.plan import GIB, MemoryPlan, assumed, fixed_bytes, needed
from goldieval.goldiclip.memory.simulation import StepCost

NAME_WIDTH = 42
LEAST = 0.005  # GiB; smaller parts are added up


def print_memory_plan(plan: MemoryPlan, console: Console) -> None:
    """Print a plan in at most 80 columns."""
    for line in lines_of(plan):
        console.print(Text(line), soft_wrap=True)


def lines_of(plan: MemoryPlan) -> list[str]:
    """Return the lines of a plan."""
    batch, execution = plan.recipe.optimiser.batch_size, plan.recipe.execution
    images = batch // plan.processes
    return [
        f"{plan.recipe.name}: batch {batch:,} on {plan.processes} x {plan.memory / GIB:g} GiB, "
        f"{images:,} image{'' if images == 1 else 's'} each",
        f"execution.micro_batches {execution.micro_batches}, execution.checkpointing {execution.checkpointing:g}",
        _verdict(plan),
        "",
        *_parts(plan),
        "",
        f"a step: {_costs(plan.cost)}, by each process",
        f"captions have {plan.cost.caption_length:.0f} tokens on average; "
        f"if all filled the context: {_gib(needed(plan.longest, plan.processes))} GiB",
        *_way_out(plan),
    ]


def _verdict(plan: MemoryPlan) -> str:
    fits = "fits" if plan.fits else "does not fit"
    return f"{fits}: {_gib(needed(plan.cost, plan.processes))} of {plan.memory / GIB:g} GiB"


def _parts(plan: MemoryPlan) -> list[str]:
    large = {name: size for name, size in plan.cost.peak.items() if size / GIB >= LEAST}
    small = plan.cost.bytes - sum(large.values())
    simulated = [_row(name, size) for name, size in {**large, "other": small}.items() if size / GIB >= LEAST]
    rest = [_row(f"{name} (assumed)", size) for name, size in assumed(plan.cost, plan.processes).items()]
    return [f"{'at the peak of a step':{NAME_WIDTH}}{'GiB':>8}", *simulated, *rest]


def _row(name: str, size: int) -> str:
    return f"  {name:{NAME_WIDTH - 2}}{_gib(size):>8}"


def _costs(cost: StepCost) -> str:
    return f"{cost.flops / 1e12:,.3g} TFLOP and {cost.sent / 1e9:,.3g} GB sent"


def _way_out(plan: MemoryPlan) -> list[str]:
    if plan.fits:
        return []
    fixed = fixed_bytes(plan.processes)
    if fixed > plan.memory:
        return [f"no setting fits: the first {_gib(fixed)} GiB are taken whatever the step; use larger GPUs"]
    if plan.other is None:
        return ["no setting fits: use more processes, or a smaller optimiser.batch_size"]
    setting, cost = plan.other
    return [
        f"this fits: {_gib(needed(cost, plan.processes))} GiB, {cost.flops / plan.cost.flops - 1:+.0%} operations",
        f"  {setting.arguments(plan.recipe)}",
    ]


def _gib(size: int) -> str:
    return f"{size / GIB:,.2f}"
