"""Image-text folders: a JSON Lines file with one row a picture, pictures below the file's own folder."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from pathlib import Path

import torch

from goldieval.data.paths import inside
from goldieval.errors import GoldievalError, TaskError
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
            self._find_rows()
        except OSError as error:
            raise GoldievalError(f"data.path: cannot read {file}: {error.strerror or error}.") from error

    def _find_rows(self) -> None:
        place = 0
        with self.file.open("rb") as stream:
            for number, line in enumerate(stream, start=1):
                if line.strip():
                    self._starts.append(place)
                    self._numbers.append(number)
                place += len(line)

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
                return stream.readline()
        except OSError as error:
            raise BadSampleError(where, "unreadable row", str(error)) from error

    def _picture(self, where: str, name: object) -> bytes:
        if not isinstance(name, str) or not name:
            raise BadSampleError(where, "no picture", "image names no file")
        try:
            return inside(self.file.parent, name).read_bytes()
        except TaskError as error:
            raise BadSampleError(where, "picture outside its folder", repr(name)) from error
        except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
            raise BadSampleError(where, "no picture", f"cannot read {name!r}") from error
