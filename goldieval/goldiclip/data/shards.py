"""Webdataset shards: uncompressed tars with {key}.jpg (or .png, .webp) and {key}.json, read in place by offset."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Callable, Iterator, Sequence
from glob import glob
from pathlib import Path

import numpy as np
import torch

from goldieval.core.errors import GoldievalError, TaskError
from goldieval.core.limits import GROUPS, PATTERN, SHARDS
from goldieval.core.paths import inside
from goldieval.data.braces import expanded
from goldieval.data.file_names import escape_undecodable
from goldieval.data.webdataset import TarImage
from goldieval.goldiclip.data.corpus import BadSampleError, Sample
from goldieval.goldiclip.data.pictures import decoded
from goldieval.goldiclip.data.sample_json import FIELDS, sample_of
from goldieval.goldiclip.data.shard_index import NO_OFFSET, index_of
from goldieval.goldiclip.tokenizer import Tokenizer

BLOCK = 100_000  # samples that are shuffled together, in whole shards: some GB, which fit into the page cache


class Shards:
    """Samples of many tars; an index of offsets (32 bytes per sample) is made from the tars' headers and kept.

    Raises:
        GoldievalError: There are no shards, or one is not a complete, uncompressed tar.
    """

    def __init__(
        self,
        path: str,
        tokenizer: Tokenizer,
        fields: Sequence[str] = (),
        note: Callable[[str], None] = lambda line: None,
    ) -> None:
        self.tars, self.tokenizer, self.fields = shards_of(path), tokenizer, tuple(fields) or FIELDS
        index = index_of(path, self.tars, note)
        self._starts, self._index = index.starts, index.rows

    def __len__(self) -> int:
        return len(self._index)

    def order(self, generator: torch.Generator) -> torch.Tensor:
        """Shuffle the shards, then the rows within blocks of consecutive shards, so that reads stay close together."""
        parts: list[torch.Tensor] = []
        block: list[torch.Tensor] = []
        for shard in torch.randperm(len(self.tars), generator=generator).tolist():
            block.append(torch.arange(int(self._starts[shard]), int(self._starts[shard + 1])))
            if sum(map(len, block)) >= BLOCK:
                parts.append(_shuffled(block, generator))
                block = []
        return torch.cat([*parts, *([_shuffled(block, generator)] if block else [])])

    def sample(self, row: int) -> Sample:
        tar = self.tars[int(np.searchsorted(self._starts, row, side="right")) - 1]
        picture, text = (
            TarImage(tar, int(offset), int(size)) if offset != NO_OFFSET else None
            for offset, size in self._index[row].reshape(2, 2)
        )
        where = f"{tar}: sample {_key(picture or text)}"
        if picture is None:
            raise BadSampleError(where, "no picture")
        if text is None:
            raise BadSampleError(where, "no JSON")
        content, image = _read(where, text), picture
        return sample_of(where, content, lambda entry: decoded(where, _read(where, image)), self.fields, self.tokenizer)


def _read(where: str, member: TarImage) -> bytes:
    try:
        return member.read()
    except OSError as error:
        raise BadSampleError(where, "unreadable shard", str(error)) from error


def _key(member: TarImage | None) -> str:
    """Read a sample's name from the header of one of its members: names are not kept in memory."""
    try:
        assert member is not None
        with member.tar.open("rb") as stream:
            stream.seek(member.offset - tarfile.BLOCKSIZE)
            name = tarfile.TarInfo.frombuf(stream.read(tarfile.BLOCKSIZE), "utf-8", "surrogateescape").name
    except (OSError, tarfile.TarError):
        return "(its header cannot be read)"
    folder, _, file = name.rpartition("/")
    return escape_undecodable(f"{folder}/{file.partition('.')[0]}").removeprefix("./").removeprefix("/")


def _shuffled(block: list[torch.Tensor], generator: torch.Generator) -> torch.Tensor:
    rows = torch.cat(block)
    return rows[torch.randperm(len(rows), generator=generator)]


def shards_of(path: str) -> list[Path]:
    """Return the shards of a folder (its ``*.tar``) or of a pattern (``a/{00000..00331}.tar``, ``a/*.tar``), sorted.

    Raises:
        GoldievalError: There is none, or one that the pattern names is missing.
    """
    if "\0" not in path and os.path.isdir(path):
        found = sorted(Path(path).glob("*.tar"))
        if not found:
            raise GoldievalError(f"data.path: folder {path} holds no *.tar.")
        return [_own(shard) for shard in found]
    shards: dict[Path, None] = {}
    for name in _names(path):
        matching = [name] if os.path.isfile(name) else sorted(glob(name))
        if not matching:
            raise GoldievalError(f"data.path: there is no shard {name}.")
        shards |= dict.fromkeys(_own(Path(match)) for match in matching)
        if len(shards) > SHARDS:
            raise GoldievalError(f"data.path: more than {SHARDS:,} shards.")
    return list(shards)


def _own(shard: Path) -> Path:
    """Return the shard, if it is not a link that leaves its folder."""
    try:
        inside(shard.parent, shard.name)
    except TaskError as error:
        raise GoldievalError(f"data.path: {error}") from error
    return shard


def _names(pattern: str) -> Iterator[str]:
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
