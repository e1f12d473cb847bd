"""The facts of one task below its line in ``goldieval ls tasks NAME``: what its page of the documentation says."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from goldieval.core.display import Console, Text

if TYPE_CHECKING:
    from goldieval.tasks.card import Task
    from goldieval.tasks.suites import Suite

INDENT = "  "


def print_facts(task: Task, suites: Sequence[Suite], console: Console) -> None:
    """Print what a task measures, its protocol, how to get its data, what a guess gets, and its traps.

    Args:
        task: the task.
        suites: all suites.
        console: where it is printed.
    """
    from goldieval.report.benchmark_facts import facts, guesses

    card = task.card
    console.print()
    console.print(Text(card.title, "bold"), soft_wrap=True)
    _print_wrapped(card.about, console, INDENT, INDENT)
    sections = [(name, [text]) for name, text in facts(task, suites)]
    sections += [("data", _data(task)), ("guesses", guesses(task)), ("traps", card.traps), ("citation", [card.cite])]
    width = max(len(name) for name, _ in sections) + len(INDENT)
    console.print()
    for name, texts in sections:
        _print_section(name, [text for text in texts if text], console, width)


def _data(task: Task) -> list[str]:
    """Return how to get the data of a task, a line each."""
    from goldieval.report.benchmark_facts import DRAWN, by_hand, into_folder, origins

    source = task.card.source
    if not source.on_disk:
        return [DRAWN]
    found = origins(source)
    command = [f"goldieval data get {task.name}", *(f"from {each}" for each in found)] if found else []
    return [*command, *([by_hand(source)] if source.manual else [])] or [into_folder(source)]


def _print_section(name: str, texts: Sequence[str], console: Console, width: int) -> None:
    rest = INDENT + " " * width
    bullet = "- " if name == "traps" else ""
    for number, text in enumerate(texts):
        first = INDENT + ("" if number else name).ljust(width) + bullet
        _print_wrapped(text, console, rest + " " * len(bullet), first)


def _print_wrapped(text: str, console: Console, rest: str, first: str) -> None:
    """Print a text in lines of the width of the console; an address is never broken.

    Args:
        text: the text.
        console: where it is printed.
        rest: beginning of all lines but the first.
        first: beginning of the first line.
    """
    lines = textwrap.wrap(
        text,
        console.width,
        initial_indent=first,
        subsequent_indent=rest,
        break_on_hyphens=False,
        break_long_words=False,
    )
    for line in lines:
        console.print(Text(line), soft_wrap=True)
