"""Shorter names for a narrow terminal: cut to a number of cells, and still different from each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, count

from rich.cells import cell_len, set_cell_size


def shortened(names: Sequence[str], width: int, ellipsis: str = "…") -> dict[str, str]:
    """Return each name in at most ``width`` cells; different names stay different.

    A phrase keeps its beginning. A name without spaces, such as the spec of a checkpoint, keeps both ends; where that
    leaves two names equal, the cut moves until they differ. As the last resort, names are numbered.

    Args:
        names: the names.
        width: cells of the terminal that each may take, at least 12.
        ellipsis: stands for what is cut.

    >>> list(shortened(["open_clip:B@runs/a/epoch_1.pt", "open_clip:B@runs/a/epoch_2.pt", "random"], 16).values())
    ['open_cli…ch_1.pt', 'open_cli…ch_2.pt', 'random']
    >>> list(shortened(["CLIP with the same captions", "CLIP with other captions"], 12).values())
    ['CLIP with t…', 'CLIP with o…']
    """
    distinct = list(dict.fromkeys(names))
    short = {name: name for name in distinct if cell_len(name) <= width}
    taken = set(short.values())
    for name in [each for each in distinct if each not in short]:
        short[name] = next(
            cut for cut in chain(_cuts(name, width, ellipsis), _numbered(name, width, ellipsis)) if cut not in taken
        )
        taken.add(short[name])
    return {name: short[name] for name in distinct}


def _cuts(name: str, width: int, ellipsis: str) -> Iterator[str]:
    """Yield a name with another part cut out each time, the most readable first."""
    room = width - cell_len(ellipsis)
    middle = (room + 1) // 2
    heads = sorted(range(room, -1, -1), key=lambda head: abs(head - (room if " " in name else middle)))
    for head in heads:
        yield _sized(name, head) + ellipsis + _sized(name[::-1], room - head)[::-1]


def _numbered(name: str, width: int, ellipsis: str) -> Iterator[str]:
    for number in count(2):
        suffix = f"{ellipsis}{number}"
        yield _sized(name, width - cell_len(suffix)) + suffix


def _sized(text: str, cells: int) -> str:
    """Return the beginning of a text that fits into a number of cells."""
    return set_cell_size(text, cells).rstrip() if cell_len(text) > cells else text
