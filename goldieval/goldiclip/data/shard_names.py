"""The shards that a path names: a folder of tars, or a pattern with braces or a glob."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from glob import glob, has_magic
from pathlib import Path

from goldieval.core.errors import GoldievalError, TaskError
from goldieval.core.limits import GROUPS, PATTERN, SHARDS
from goldieval.core.paths import inside
from goldieval.data.braces import expanded
from goldieval.goldiclip.data.addresses import BETWEEN


def shards_of(path: str) -> list[Path]:
    """Return the shards of a folder (its ``*.tar``, sorted) or of a pattern (``a/{00000..00331}.tar``, ``a/*.tar``).

    Several folders and patterns are separated by ``::``. A file that braces name may be missing, as a download may have
    failed, as long as there is another.

    Raises:
        GoldievalError: There is none.
    """
    shards: dict[Path, None] = {}
    for source in [path] if "\0" in path or os.path.exists(path) else path.split(BETWEEN):
        for shard in _shards_of_source(source):
            shards[shard] = None
            if len(shards) > SHARDS:
                raise GoldievalError(f"data.path: more than {SHARDS:,} shards.")
    return list(shards)


def _shards_of_source(source: str) -> Iterator[Path]:
    if "\0" not in source and os.path.isdir(source):
        yield from _shards_in(source)
        return
    there = False
    for name in names_of(source):
        matching = [name] if os.path.isfile(name) or not has_magic(name) else _matching(name)
        for shard in map(_own, map(Path, matching)):
            there = there or shard.exists()
            yield shard
    if not there:
        raise GoldievalError(f"data.path: there is no shard {next(names_of(source), source)}.")


def _shards_in(folder: str) -> Sequence[Path]:
    found = sorted(Path(folder).glob("*.tar"))
    if not found:
        held = sorted(os.listdir(folder))
        holds = f"; it holds {', '.join(held[:3])}{' …' if len(held) > 3 else ''}" if held else ""
        raise GoldievalError(
            f"data.path: folder {folder} holds no *.tar{holds}. For shards in folders within it write "
            f"{os.path.join(folder, '*', '*.tar')}."
        )
    return [_own(shard) for shard in found]


def _matching(pattern: str) -> Sequence[str]:
    if "**" in pattern:
        raise GoldievalError(f"data.path: {pattern}: ** is not known; write */*.tar for folders within a folder.")
    if not (found := sorted(glob(pattern))):
        raise GoldievalError(f"data.path: there is no shard {pattern}.")
    return found


def _own(shard: Path) -> Path:
    """Return the shard, if it is not a link that leaves its folder."""
    try:
        inside(shard.parent, shard.name)
    except TaskError as error:
        raise GoldievalError(f"data.path: {error}") from error
    return shard


def names_of(pattern: str) -> Iterator[str]:
    """Expand the braces of a pattern.

    Raises:
        GoldievalError: The pattern would expand to too many names.
    """
    if "\0" in pattern:
        raise GoldievalError(f"data.path: {pattern[:60]!r} is not a file name.")
    if len(pattern) > PATTERN or pattern.count("{") > GROUPS:
        raise GoldievalError(f"data.path: a pattern of more than {PATTERN:,} characters or {GROUPS} groups of braces.")
    try:
        return expanded(pattern, SHARDS)
    except ValueError as error:
        raise GoldievalError(f"data.path: {pattern[:60]}: {error}.") from None
