"""Image-text folders: a JSON Lines file with one row per picture, and pictures below the file's folder."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from goldieval.core.errors import GoldievalError, TaskError
from goldieval.core.limits import PICTURE_BYTES, ROW_BYTES
from goldieval.core.paths import inside
from goldieval.core.reading import check_regular, read_bytes
from goldieval.data.file_names import relative_name
from goldieval.goldiclip.data.corpus import Bad, BadSampleError, Extent, Sample
from goldieval.goldiclip.data.order import BlockShuffle, Order, Shuffle
from goldieval.goldiclip.data.pictures import decoded
from goldieval.goldiclip.data.sample_json import FIELDS, sample_of
from goldieval.goldiclip.tokenizer import Tokenizer

BLOCK, PART = 1_000_000, 1_000  # rows that are shuffled together where there are more, and rows that stay in a block


class JsonLines:
    """Rows ``{"image": path, "captions": [...] or "caption": "...", "vqa": [...]}``; blank lines do not count.

    Only the positions of the rows are kept in memory; a row is parsed when it is asked for.

    Raises:
        GoldievalError: The file cannot be read.
    """

    def __init__(self, file: Path, tokenizer: Tokenizer, fields: Sequence[str] = ()) -> None:
        self.file, self.tokenizer, self.fields = file, tokenizer, tuple(fields) or FIELDS
        self._starts, self._numbers = array("q"), array("q")
        try:
            check_regular(file)
            self._find_rows()
        except OSError as error:
            raise GoldievalError(f"data.path: cannot read {file}: {error.strerror or error}.") from error

    def _find_rows(self) -> None:
        offset, number, at_start = 0, 1, True
        check_regular(self.file)
        with self.file.open("rb") as stream:
            while piece := stream.readline(ROW_BYTES):  # a longer row comes in pieces
                if at_start and piece.strip():
                    self._starts.append(offset)
                    self._numbers.append(number)
                offset += len(piece)
                at_start = piece.endswith(b"\n")
                number += at_start

    @property
    def bad(self) -> Sequence[Bad]:
        return ()

    def __len__(self) -> int:
        return len(self._starts)

    def order(self, seed: int) -> Order:
        if len(self) <= BLOCK:
            return Shuffle(len(self), seed)
        parts = np.full(-(-len(self) // PART), PART)
        parts[-1] = len(self) - PART * (len(parts) - 1)
        return BlockShuffle(parts, seed, BLOCK)

    def extent(self) -> Extent:
        return Extent(len(self), digest=hashlib.sha256(self._starts).hexdigest())

    def sample(self, row: int) -> Sample:
        where = f"{self.file}:{self._numbers[row]}"
        return sample_of(
            where,
            self._line(where, row),
            lambda entry: decoded(where, self._picture(where, entry.get("image"))),
            self.fields,
            self.tokenizer,
        )

    def _line(self, where: str, row: int) -> bytes:
        try:
            with self.file.open("rb") as stream:
                stream.seek(self._starts[row])
                line = stream.readline(ROW_BYTES)
        except OSError as error:
            raise BadSampleError(where, "unreadable row", str(error)) from error
        if len(line) == ROW_BYTES and not line.endswith(b"\n"):
            raise BadSampleError(where, "unreadable row", f"longer than {ROW_BYTES:,} bytes")
        return line

    def _picture(self, where: str, name: object) -> bytes:
        if not isinstance(name, str) or not name or "\0" in name:
            raise BadSampleError(where, "no picture", f"image names no file: {name!r}")
        try:
            return read_bytes(inside(self.file.parent, relative_name(self.file.parent, name)), PICTURE_BYTES)
        except TaskError as error:
            raise BadSampleError(where, "picture outside its folder", repr(name)) from error
        except OSError as error:
            raise BadSampleError(where, "no picture", f"cannot read {name!r}") from error
