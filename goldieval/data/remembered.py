"""Values computed of files (keys, counts of masks), remembered as long as the files are unchanged."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from typing import TypeVar

from goldieval.data.kept_bytes import KEPT
from goldieval.data.places import Identities, Place, digest
from goldieval.data.row_memory import RowMemory

Item = TypeVar("Item")

HASHES = "hashes"  # name of the folder
_folder: ContextVar[Path | None] = ContextVar("folder of remembered hashes", default=None)


@contextmanager
def reading_once(store: Path | None, processes: int = 1) -> Iterator[None]:
    """Read each file as rarely as possible inside the block.

    Bytes that are read for a key are kept, within a limit, until they are decoded. Keys of unchanged files are
    remembered from one run to the next.

    Args:
        store: Folder of the store, in which keys are remembered; None neither reads nor writes what is remembered.
        processes: Number of processes that evaluate together and share the memory.
    """
    before = _folder.set(store / HASHES if store is not None else None)
    try:
        with KEPT.keeping(processes=processes):
            yield
    finally:
        _folder.reset(before)


class Remembered:
    """Looks values up before they are computed, and remembers the new ones of files that did not change meanwhile."""

    def __init__(self, kind: str, width: int, rule: str) -> None:
        """Open the memory of the surrounding ``reading_once``; outside of it, nothing is remembered.

        Args:
            kind: What is remembered.
            width: Number of bytes of a value.
            rule: Everything besides the file that determines a value, such as versions of libraries.
        """
        folder = _folder.get()
        self._memory = RowMemory(folder, kind, width) if folder is not None else None
        self._rule = rule

    def values(
        self,
        items: Sequence[Item],
        places: Callable[[Item], Sequence[Place | str] | None],
        compute: Callable[[Sequence[Item]], Iterator[bytes | None]],
    ) -> list[bytes | None]:
        """Return the value of each item: what is remembered, else what is computed.

        Args:
            items: The items.
            places: Returns the places that determine the value of an item; a text stands for a content by itself. None
                if the value cannot be remembered.
            compute: Yields the value of each of the items that it is given, or None if there is no value to remember.
        """
        memory = self._memory
        if memory is None:
            return list(compute(items))
        placed = [places(item) for item in items]
        before = Identities()
        names = [self._name(each, before) for each in placed]
        rows = cache(memory.rows)
        found = [rows(name[0]).get(name[1]) if name else None for name in names]
        missing = [row for row, value in enumerate(found) if value is None]
        computed = list(compute([items[row] for row in missing]))
        after = Identities()
        new: dict[str, dict[bytes, bytes]] = {}
        for row, value in zip(missing, computed, strict=True):
            found[row], name = value, names[row]
            if value is not None and name and self._name(placed[row], after) == name:
                new.setdefault(name[0], {})[name[1]] = value
        for group, added in new.items():
            memory.add(group, added)
        return found

    def _name(self, places: Sequence[Place | str] | None, identities: Identities) -> tuple[str, bytes] | None:
        """Return group and name of a row, or None if the identity of a file does not tell whether it changes."""
        if places is None:
            return None
        group, where, what = "", [self._rule], []
        for place in places:
            if isinstance(place, str):
                where.append(place)
                continue
            identity = identities.of(place.file)
            if identity is None:
                return None
            group = group or str(Path(identity.path).parent.parent)
            where += [str(place.file), place.part]
            what.append(identity.text)
        return group, digest(*where) + digest(*what)
