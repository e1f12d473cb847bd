"""Image-text folders: a JSON Lines file with one row a picture, pictures below the file's own folder."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from pathlib import Path

import torch

from goldieval.core.errors import GoldievalError, TaskError
from goldieval.core.limits import PICTURE_BYTES, ROW_BYTES
from goldieval.core.paths import inside
from goldieval.core.reading import check_regular, read_bytes
from goldieval.data.file_names import relative_name
from goldieval.goldiclip.data.corpus import BadSampleError, Sample
from goldieval.goldiclip.data.pictures import decoded
from goldieval.goldiclip.data.said import FIELDS, foils, parsed, questions, sentences
from goldieval.goldiclip.tokenizer import Tokenizer


class JsonLines:
    """Rows ``{"image": path, "captions": [...] or "caption": "...", "vqa": [...]}``; blank lines do not count.

    Only where the rows begin is kept in memory; a row is parsed when it is asked for.

    Raises:
        GoldievalError: the file cannot be read.
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
        place, number, begins = 0, 1, True
        check_regular(self.file)
        with self.file.open("rb") as stream:
            while piece := stream.readline(ROW_BYTES):  # a longer row comes in pieces
                if begins and piece.strip():
                    self._starts.append(place)
                    self._numbers.append(number)
                place += len(piece)
                begins = piece.endswith(b"\n")
                number += begins

    def __len__(self) -> int:
        return len(self._starts)

    def order(self, generator: torch.Generator) -> torch.Tensor:
        return torch.randperm(len(self), generator=generator)

    def sample(self, row: int) -> Sample:
        where = f"{self.file}:{self._numbers[row]}"
        entry = parsed(where, self._line(where, row))
        said, bad = sentences(where, entry, self.fields, self.tokenizer)
        asked, dropped = questions(where, entry, self.tokenizer)
        false, wrong = foils(where, entry, self.tokenizer)
        return Sample(
            decoded(where, self._picture(where, entry.get("image"))), said, asked, bad + dropped + wrong, false
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
