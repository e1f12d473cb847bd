"""The shards that a path names: a folder of tars, or a pattern with braces or a glob."""

from __future__ import annotations

import os
from collections.abc import Iterator
from glob import glob, has_magic
from pathlib import Path

from goldieval.core.errors import GoldievalError, TaskError
from goldieval.core.limits import GROUPS, PATTERN, SHARDS
from goldieval.core.paths import inside
from goldieval.data.braces import expanded


def shards_of(path: str) -> list[Path]:
    """Return the shards of a folder (its ``*.tar``) or of a pattern (``a/{00000..00331}.tar``, ``a/*.tar``), sorted.

    A file that braces name may be missing, as a download may have failed, as long as there is another.

    Raises:
        GoldievalError: There is none.
    """
    if "\0" not in path and os.path.isdir(path):
        found = sorted(Path(path).glob("*.tar"))
        if not found:
            raise GoldievalError(f"data.path: folder {path} holds no *.tar.")
        return [_own(shard) for shard in found]
    shards: dict[Path, None] = {}
    for name in names_of(path):
        matching = [name] if os.path.isfile(name) or not has_magic(name) else sorted(glob(name))
        if not matching:
            raise GoldievalError(f"data.path: there is no shard {name}.")
        shards |= dict.fromkeys(_own(Path(match)) for match in matching)
        if len(shards) > SHARDS:
            raise GoldievalError(f"data.path: more than {SHARDS:,} shards.")
    if not any(shard.exists() for shard in shards):
        raise GoldievalError(f"data.path: there is no shard {next(iter(shards), path)}.")
    return list(shards)


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
