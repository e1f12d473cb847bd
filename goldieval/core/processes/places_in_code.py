"""Where in the code ranks are that do something together and do not end: the odd one out is the one to look at."""

from __future__ import annotations

import sys
import threading
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

PACKAGE = "goldieval"
UNKNOWN = "an unknown place"


def place_in_code(thread: threading.Thread) -> str:
    """Return file, line and function in which a thread is: the innermost of this package, and of all.

    It is empty where the thread has ended.
    """
    frame = sys._current_frames().get(thread.ident or 0)
    innermost = frame.f_code.co_name if frame is not None else ""
    while frame is not None and PACKAGE not in Path(frame.f_code.co_filename).parts:
        frame = frame.f_back
    if frame is None:
        return innermost
    own = f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}"
    return f"{own}, {innermost}"


def places_line(places: Sequence[str], names: Sequence[str]) -> tuple[str, list[int]]:
    """Return a line on where ranks are, and the numbers of those that are elsewhere than most.

    >>> places_line(["a.py:21, all_gather", "b.py:7, read", "a.py:21, all_gather"], ["rank 0", "rank 1", "rank 2"])
    ('rank 1 is at b.py:7, read; the others are at a.py:21, all_gather', [1])
    """
    (usual, count), *_ = Counter(places).most_common()
    odd = [number for number, place in enumerate(places) if place != usual] if count > 1 else []
    if not odd and count > 1:
        return f"all ranks are at {usual or UNKNOWN}", []
    each = [f"{names[number]} is at {places[number] or UNKNOWN}" for number in odd or range(len(places))]
    return "; ".join(each + [f"the others are at {usual or UNKNOWN}"] * bool(odd)), odd
