"""Which scenes of the built-in world are trained on, and how all of them are worked on in several processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

from goldieval.data.shapes import Scene, sample_scene
from goldieval.goldiclip.data.processes import cores, in_processes

DOMINANT_SHARE = 4  # every fourth scene has one large object among small ones
CHUNK = 500  # scenes that a process draws at a time
Result = TypeVar("Result")


def training_scene(index: int) -> Scene:
    """Return a scene of the training split."""
    return sample_scene("train", index, "dominant" if index % DOMINANT_SHARE == 0 else "scene")


def in_chunks(
    work: Callable[[range], Result], scenes: range, what: str, note: Callable[[str], None]
) -> Iterator[Result]:
    """Yield the result of each chunk of scenes, in their order.

    Args:
        work: What is done with the indices of a chunk.
        scenes: Indices of the scenes, consecutive.
        what: What is drawn, for the note.
        note: Called with a line where drawing takes a while.
    """
    chunks = [scenes[start : start + CHUNK] for start in range(0, len(scenes), CHUNK)]
    processes = min(len(chunks), cores())
    if len(chunks) > 1:
        note(f"drawing {what} in {processes} processes; the next run finds them in the cache")
    return in_processes(work, chunks, processes)
