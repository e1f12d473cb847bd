"""Webdataset shards: uncompressed tars with {key}.jpg (or .png, .webp) and {key}.json, read in place by offset."""

from __future__ import annotations

import hashlib
import json
import tarfile
from collections.abc import Callable, Sequence

import numpy as np

from goldieval.data.file_names import escape_undecodable
from goldieval.goldiclip.data.corpus import BROKEN_SHARD, BadSampleError, Extent, Sample
from goldieval.goldiclip.data.index_file import BYTES_PER_BLOCK, NOWHERE, Rows
from goldieval.goldiclip.data.open_tars import BrokenShardError, OpenTars
from goldieval.goldiclip.data.order import BlockShuffle, Order
from goldieval.goldiclip.data.pictures import decoded
from goldieval.goldiclip.data.sample_json import FIELDS, sample_of
from goldieval.goldiclip.data.shard_index import headers, index_of
from goldieval.goldiclip.data.shard_names import shards_of
from goldieval.goldiclip.tokenizer import Tokenizer


class Shards:
    """Samples of many tars; an index of offsets (16 bytes per sample) is made from the tars' headers and kept.

    Attributes:
        bad: Shards that cannot be read.

    Raises:
        GoldievalError: There are no shards, or none can be read.
    """

    def __init__(
        self,
        path: str,
        tokenizer: Tokenizer,
        fields: Sequence[str] = (),
        note: Callable[[str], None] = lambda line: None,
    ) -> None:
        self.tars, self.tokenizer, self.fields = shards_of(path), tokenizer, tuple(fields) or FIELDS
        self._index = index_of(path, self.tars, note)
        self._open = OpenTars(self._index.stamps)
        self._broken = {number: fault for number, fault in enumerate(self._index.faults) if fault}
        self._checked: dict[int, Rows] = {}
        self.bad = [self._broken_shard(number).bad for number in self._broken]

    def __len__(self) -> int:
        return len(self._index.rows)

    def order(self, seed: int) -> Order:
        return BlockShuffle(self._index.counts, seed)

    def extent(self) -> Extent:
        """Names count without their folders, which may be others on another machine; so do places within the tars."""
        named = [(tar.name, *own) for tar, own in zip(self.tars, self._index.contents, strict=True)]
        digest = hashlib.sha256(json.dumps(named).encode()).hexdigest()
        return Extent(len(self), len(self.tars), len(self._broken), digest)

    def sample(self, row: int) -> Sample:
        starts = self._index.starts
        number = int(np.searchsorted(starts, row, side="right")) - 1
        try:
            return self._sample(number, *self._rows(number)[row - int(starts[number])].tolist())
        except BrokenShardError as error:
            self._broken[number] = str(error)
        raise self._broken_shard(number)

    def _sample(self, number: int, picture: int, picture_size: int, text: int, text_size: int) -> Sample:
        """Read the sample of a shard whose picture and JSON lie at these places."""
        where = f"{self.tars[number]}: sample {self._key(number, text if picture == NOWHERE else picture)}"
        if picture == NOWHERE:
            raise BadSampleError(where, "no picture")
        if text == NOWHERE:
            raise BadSampleError(where, "no JSON")
        content = self._read(where, number, text, text_size)
        return sample_of(
            where,
            content,
            lambda entry: decoded(where, self._read(where, number, picture, picture_size)),
            self.fields,
            self.tokenizer,
        )

    def _rows(self, number: int) -> Rows:
        """Return the rows of a shard, which are checked once.

        Raises:
            BrokenShardError: The shard cannot be read.
        """
        if number in self._broken:
            raise BrokenShardError(self._broken[number])
        if number not in self._checked:
            self._checked[number] = self._checked_rows(number)
        return self._checked[number]

    def _checked_rows(self, number: int) -> Rows:
        own = self._index.rows_of(number)
        if self._index.is_sound(number):
            return own
        found = headers(self.tars[number])  # the file of the index was damaged
        if found.fault or len(found.rows) != len(own):
            raise BrokenShardError(found.fault or "it no longer has the samples of its index")
        return found.rows

    def _read(self, where: str, number: int, place: int, size: int) -> bytes:
        try:
            return self._open.read(number, place * BYTES_PER_BLOCK, size)
        except OSError as error:
            raise BadSampleError(where, "too large", str(error)) from error

    def _key(self, number: int, place: int) -> str:
        """Read a sample's name from the header of one of its members: names are not kept in memory."""
        header = self._open.read(number, (place - 1) * BYTES_PER_BLOCK, BYTES_PER_BLOCK)
        try:
            name = tarfile.TarInfo.frombuf(header, "utf-8", "surrogateescape").name
        except tarfile.TarError:
            return "(its header cannot be read)"
        folder, _, file = name.rpartition("/")
        return escape_undecodable(f"{folder}/{file.partition('.')[0]}").removeprefix("./").removeprefix("/")

    def _broken_shard(self, number: int) -> BadSampleError:
        return BadSampleError(str(self.tars[number]), BROKEN_SHARD, self._broken[number])
