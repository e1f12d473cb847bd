"""Rules by which a generated answer is compared with the true ones: one module per rule, found by its name.

A module ``a_b`` is the rule ``a-b``. It has

- ``TRUTHS``: what the true answers are, see ``Truths``;
- ``parsed(given, options=())``: what of a generated answer is compared, for people and for rates of answers;
- ``credit(given, truths, options=())``: the share in 0..1 that an answer earns.

Where programs judge the same benchmark differently, each way is a rule of its own. A plain name is the way of the
benchmark's own evaluation or, for GQA, ScienceQA and POPE, that of LLaVA's, from which its published numbers come.

Answers are expected without surrounding white space, as LLaVA's evaluation writes them.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

Truths = Literal["any", "annotators", "letter", "yes or no", "yes and no"]


class Parsed(Protocol):
    """Returns what of a generated answer is compared."""

    def __call__(self, given: str, options: Sequence[str] = ()) -> str: ...


class Credit(Protocol):
    """Returns the share in 0..1 that a generated answer earns."""

    def __call__(self, given: str, truths: Sequence[str], options: Sequence[str] = ()) -> float: ...


@dataclass(frozen=True)
class Rule:
    """A rule.

    Attributes:
        name: as cards write it.
        truths: what the true answers are: ``any`` of them is right; the answers of ``annotators``, on each of whom
            the credit depends; the ``letter`` of an option; ``yes or no``; ``yes and no``, one each to the two
            questions of a pair. It decides which metrics a task has.
        parsed: what of a generated answer is compared.
        credit: the share in 0..1 that a generated answer earns.
    """

    name: str
    truths: Truths
    parsed: Parsed
    credit: Credit


def rule_of(name: str) -> Rule:
    """Return the rule of a name that ``rule_names`` has."""
    module = importlib.import_module(f"{__name__}.{name.replace('-', '_')}")
    return Rule(name, module.TRUTHS, module.parsed, module.credit)


def rule_names() -> list[str]:
    """Return the names of all rules, sorted."""
    return sorted(module.name.replace("_", "-") for module in pkgutil.iter_modules(__path__))
