"""Metrics by name: every definition in ``goldieval/metrics/definitions``, found without a list to edit."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from functools import cache, lru_cache
from typing import Any

from goldieval.metrics import definitions
from goldieval.metrics.metric import Metric


@cache
def kinds() -> tuple[type[Metric], ...]:
    """Return every kind of metric that a module of ``definitions`` defines."""
    names = sorted(module.name for module in pkgutil.iter_modules(definitions.__path__))
    modules = [importlib.import_module(f"{definitions.__name__}.{name}") for name in names]
    return tuple(
        each
        for module in modules
        for each in vars(module).values()
        if inspect.isclass(each) and issubclass(each, Metric) and each.__module__ == module.__name__ and each.pattern
    )


@lru_cache(maxsize=10_000)
def metric_of(name: str) -> Metric:
    """Return the metric of a name; of one that no definition has, a plain ``Metric`` without outcomes.

    >>> metric_of("t2i_r10").label, metric_of("t2i_mean_rank").lower_is_better, metric_of("average").label
    ('T2I R@10', True, 'average')
    """
    for kind in kinds():
        if found := re.fullmatch(kind.pattern, name):
            return kind(name, {part: text for part, text in found.groupdict().items() if text is not None})
    return Metric(name)


def names_of(family: str, params: Any) -> list[str]:
    """Return the names of all metrics of a card, in the order in which records have them.

    Args:
        family: task family of the card.
        params: its parameters.
    """
    names = [name for kind in kinds() if family in kind.families for name in kind.names(params)]
    return sorted(names, key=lambda name: metric_of(name).position)


def refresh() -> None:
    """Look for definitions again, after one was added to the path of ``definitions``."""
    kinds.cache_clear()
    metric_of.cache_clear()
