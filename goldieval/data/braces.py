"""Names from a pattern with braces, such as ``{00000..00331}.tar`` and ``{a,b}.tar``, counted before expansion."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator

GROUP = re.compile(r"\{([^{}]*)\}")
INTEGERS = re.compile(r"(-?\d+)\.\.(-?\d+)(?:\.\.(-?\d+))?", re.ASCII)
PLACE = re.compile("\0(\\d+)\0")  # replaces a group that has been counted
MOST_LETTERS = 52  # upper bound for a range such as {a..f}


def expanded(pattern: str, most: int) -> Iterator[str]:
    """Return the names of a pattern; the leftmost braces vary slowest. A backslash is an ordinary character.

    Args:
        pattern: Text without zero bytes.
        most: Maximum number of names.

    Raises:
        ValueError: There are more names than ``most``, or the braces are not balanced.
    """
    from braceexpand import braceexpand

    if (count := count_names(pattern)) > most:
        raise ValueError(
            f"it names {count:,} files, more than {most:,}" if count < 10**12 else "it names too many files"
        )
    try:
        return iter(braceexpand(pattern, escape=False))
    except ValueError:
        raise ValueError("its braces are not balanced") from None


def count_names(pattern: str) -> int:
    """Return the number of names of a pattern (an upper bound for ranges of letters) without expanding it.

    >>> count_names("{00..11}/{a,b{1,2}}.tar")
    36
    """
    counts: list[int] = []

    def product(part: str) -> int:
        return math.prod(counts[int(place)] for place in PLACE.findall(part))

    while group := GROUP.search(pattern):
        counts.append(_choices(group[1], product))
        pattern = f"{pattern[: group.start()]}\0{len(counts) - 1}\0{pattern[group.end() :]}"
    return product(pattern)


def _choices(inside: str, product: Callable[[str], int]) -> int:
    """Return the number of texts for one pair of braces; ``inside`` contains no braces."""
    if numbers := INTEGERS.fullmatch(inside):
        first, last, step = (int(number or 1) for number in numbers.groups())
        return abs(last - first) // (abs(step) or 1) + 1
    if re.fullmatch(r"[A-Za-z]\.\.[A-Za-z](\.\.-?\d+)?", inside):
        return MOST_LETTERS
    return sum(product(part) for part in inside.split(","))
