"""Python pickles in a folder, which are recognised by their first and last byte and never opened as such."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

from goldieval.data.manage.places import folders_below

DEPTH = 3
MOST_SEEN = 10_000  # files
ENDINGS = ("", ".pkl", ".pickle", ".meta", ".p")
PROTOCOLS = (2, 3, 4, 5)
OLD_NAMES = ("test_batch", "data_batch_1", "batches.meta")  # of CIFAR, whatever their content


def pickle_in(folder: Path) -> Path | None:
    """Return the first pickle in a folder or up to ``DEPTH`` folders below it, or None."""
    places = (folder, *folders_below(folder, DEPTH))
    files = islice((file for place in places for file in sorted(place.iterdir())), MOST_SEEN)
    return next((file for file in files if file.suffix in ENDINGS and file.is_file() and _is_pickle(file)), None)


def _is_pickle(file: Path) -> bool:
    if file.name in OLD_NAMES or file.suffix in (".pkl", ".pickle"):
        return True
    with file.open("rb") as stream:
        start = stream.read(2)
        if len(start) < 2 or start[0] != 0x80 or start[1] not in PROTOCOLS:
            return False
        stream.seek(-1, 2)
        return stream.read() == b"."
