"""Whether a recipe fits the GPUs that are meant for it, and if not, the cheapest settings with which it does."""

from __future__ import annotations

from dataclasses import dataclass

from goldieval.goldiclip.memory.simulation import StepCost, simulated
from goldieval.goldiclip.recipe import Recipe

GIB = 2**30
# What no simulation shows. These are assumptions; ``train`` logs what a GPU has really reserved.
CONTEXT = round(1.5 * GIB)  # the driver, the CUDA context, workspaces of cuBLAS and cuDNN
NCCL = 1 * GIB  # its buffers, where there are several processes
FRAGMENTATION = 0.05  # share of the peak that the caching allocator holds beyond it
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)  # of checkpointed blocks
FEWEST_IMAGES = 8  # of a micro-batch; smaller ones leave a GPU idle


@dataclass(frozen=True)
class Setting:
    """Settings of ``execution`` that trade time for memory.

    Attributes:
        micro_batches: Parts of a process's share.
        checkpointing: Share of the blocks that are computed again.
    """

    micro_batches: int
    checkpointing: float

    def applied(self, recipe: Recipe) -> Recipe:
        """Return the recipe with this setting."""
        return recipe.model_copy(update={"execution": recipe.execution.model_copy(update=vars(self))})

    def arguments(self, recipe: Recipe) -> str:
        """Return the arguments of ``goldieval train`` that apply this setting to a recipe; what stays is left out."""
        now = recipe.execution
        changed = [name for name, value in vars(self).items() if value != getattr(now, name)]
        arguments = [f"--set execution.{name}={vars(self)[name]:g}" for name in changed]
        if self.micro_batches > 1 and now.static_graph:  # which micro-batches do not allow
            arguments.append("--set execution.static_graph=null")
        return " ".join(arguments)


@dataclass(frozen=True)
class MemoryPlan:
    """What a recipe needs on some GPUs.

    Attributes:
        recipe: The recipe as it stands.
        processes: Number of processes, one on each GPU.
        memory: Bytes of each GPU.
        cost: Cost of a step.
        longest: Cost of a step whose captions all fill the context.
        other: The cheapest setting that fits, with its cost; None where the recipe itself fits, or nothing does.
    """

    recipe: Recipe
    processes: int
    memory: int
    cost: StepCost
    longest: StepCost
    other: tuple[Setting, StepCost] | None = None

    @property
    def fits(self) -> bool:
        """Whether the recipe as it stands fits."""
        return needed(self.cost, self.processes) <= self.memory


def needed(cost: StepCost, processes: int) -> int:
    """Return the bytes of a GPU that a step needs, with what is assumed."""
    return cost.bytes + sum(assumed(cost, processes).values())


def assumed(cost: StepCost, processes: int) -> dict[str, int]:
    """Return the bytes that no simulation shows, by what they are for."""
    nccl = {"buffers of NCCL": NCCL} if processes > 1 else {}
    return {"CUDA context and libraries": CONTEXT, **nccl, "fragmentation": round(FRAGMENTATION * cost.bytes)}


def fixed_bytes(processes: int) -> int:
    """Return the bytes of a GPU that are taken whatever the step."""
    return CONTEXT + (NCCL if processes > 1 else 0)


def memory_plan(recipe: Recipe, processes: int, memory: int) -> MemoryPlan:
    """Simulate a recipe, and where it does not fit, look for settings with which it does.

    Args:
        recipe: The recipe.
        processes: Number of processes, one on each GPU.
        memory: Bytes of each GPU.

    Raises:
        GoldievalError: The batch cannot be shared among the processes.
    """
    cost, longest = simulated(recipe, processes), simulated(recipe, processes, long=True)
    plan = MemoryPlan(recipe, processes, memory, cost, longest)
    return plan if plan.fits else MemoryPlan(recipe, processes, memory, cost, longest, _cheapest(plan))


def _cheapest(plan: MemoryPlan) -> tuple[Setting, StepCost] | None:
    """Return the first setting that fits, from the cheapest to the most expensive; see ``_settings``."""
    if fixed_bytes(plan.processes) > plan.memory:
        return None
    for setting in _settings(plan.recipe.optimiser.batch_size // plan.processes):
        recipe = setting.applied(plan.recipe)
        if recipe == plan.recipe:  # known not to fit
            continue
        cost = simulated(recipe, plan.processes)
        if needed(cost, plan.processes) <= plan.memory:
            return setting, cost
    return None


def _settings(images: int) -> list[Setting]:
    """Return settings from the cheapest to the most expensive.

    Checkpointing costs its share of most of a forward pass; micro-batches, however many, cost a whole one, and the
    smaller they are, the less they keep a GPU busy.

    Args:
        images: Images of a process.
    """
    parts = [2**power for power in range(1, 16) if images // 2**power >= FEWEST_IMAGES]
    return [
        *(Setting(1, share) for share in SHARES),
        *(Setting(count, 0.0) for count in parts),
        *(Setting(count, 1.0) for count in parts),
    ]
