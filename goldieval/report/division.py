"""How the work of a plan is divided among the ranks of a run, in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from goldieval.engine.plan import Plan, TowerPlan


def division(plan: Plan) -> Iterator[str]:
    """Yield a line for each tower and for each task that is divided, and one for what rank 0 does alone.

    Args:
        plan: the work of one model, for ``plan.group_size`` ranks.
    """
    for name, tower in (("images", plan.images), ("texts", plan.texts)):
        if tower is not None and tower.contents:
            yield f"{name}: {_tower(tower, name, plan.group_size)}"
    undivided = []
    for task, loaded in plan.ready:
        if task.family.divides(task.scoring(plan.info)):
            count, unit = task.family.divided_units(loaded.prepared, plan.batching)
            yield f"{task.task.name}: {count:,} {unit}, {_shares(count, plan.group_size, 'do')}"
        else:
            undivided.append(task.task.name)
    if plan.ready:
        scores = f"scores of {', '.join(undivided)}; " if undivided else ""
        yield f"rank 0 alone: {scores}metrics, intervals and records of all tasks"


def _tower(tower: TowerPlan, name: str, ranks: int) -> str:
    if not tower.chunks:
        return "nothing to encode"
    count = len(tower.chunks)
    contents = f"{_range(tower.shares(ranks))} {name}"
    return f"{count:,} {'chunk' if count == 1 else 'chunks'}, {_shares(count, ranks, 'encode')}, that is {contents}"


def _shares(units: int, ranks: int, verb: str) -> str:
    """Return how many units the ranks have, and which have none: unit n belongs to rank n modulo their number."""
    each, more = divmod(units, ranks)
    counts = f"{_range([each, each + (more > 0)])} per rank"
    if each:
        return counts
    return f"{counts} ({_named(more, ranks - 1)} nothing to {verb})"


def _named(first: int, last: int) -> str:
    return f"rank {last} has" if first == last else f"ranks {first}-{last} have"


def _range(counts: Sequence[int]) -> str:
    """Return the smallest and the largest number.

    >>> _range([512, 1024]), _range([3, 3])
    ('512 to 1,024', '3')
    """
    low, high = min(counts), max(counts)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"
