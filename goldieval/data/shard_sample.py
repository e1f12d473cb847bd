"""One sample of a web dataset: its image, and what its .txt, .cls and .json hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from goldieval.core.errors import TaskError
from goldieval.core.limits import ROW_BYTES
from goldieval.data.caption_rules import without_missing
from goldieval.data.numbers import numbers_in
from goldieval.data.samples import ImageSample
from goldieval.data.table_files import MISSING, MISSING_CAPTION, empty, is_missing, nested_value, texts_in, value_of
from goldieval.data.tar_samples import TarImage
from goldieval.data.text_files import parse_json_text, text_of
from goldieval.data.walk import LeftOut


@dataclass(frozen=True)
class ShardSample:
    """One sample with an image.

    Attributes:
        shard: Name of its shard in ids.
        key: Its key.
        where: Location for error messages.
        image: Its image, with the id ``<shard>/<key>``.
        members: All members by extension.
    """

    shard: str
    key: str
    where: str
    image: ImageSample
    members: Mapping[str, TarImage]

    def text(self, ending: str) -> str:
        """Return the text of a member. Raises TaskError if the sample has none with that extension."""
        if ending not in self.members:
            raise TaskError(f"{self.where} has no .{ending} file.")
        return text_of(self.members[ending].read(), f"{self.where}, .{ending}")

    def value(self, key: str) -> Any:
        """Return the value under a key of .json, or a number of .npy for a key such as ``npy.0``.

        Raises:
            TaskError: There is none.
        """
        member, _, place = key.partition(".")
        if member != "npy" or not place.isdecimal():
            return value_of(self.where, self.mapping(), key)
        numbers = self.numbers()
        if int(place) >= len(numbers):
            raise TaskError(f"{self.where}: its .npy holds {len(numbers)} numbers, none at position {place}.")
        return numbers[int(place)]

    def numbers(self) -> list[int]:
        """Return the numbers in .npy. Raises TaskError if there are none, or other than whole ones."""
        if "npy" not in self.members:
            raise TaskError(f"{self.where} has no .npy file.")
        return numbers_in(f"{self.where}, .npy", self.members["npy"].read())

    def mapping(self) -> dict[str, Any]:
        """Return the mapping in the sample's .json. Raises TaskError if there is none."""
        if "json" in self.members and self.members["json"].size > ROW_BYTES:
            raise TaskError(f"{self.where}: its .json has {self.members['json'].size:,} bytes, at most {ROW_BYTES:,}.")
        content = parse_json_text(self.text("json"), f"{self.where}, .json")
        if not isinstance(content, dict):
            raise TaskError(f"{self.where}: its .json should hold a mapping.")
        return content

    def captions(self, key: str, left_out: LeftOut | None) -> list[str]:
        """Return the captions under a key of .json or, without a key, the lines of .txt.

        Args:
            key: The key, or an empty string.
            left_out: Counts missing captions beside others; without it, a missing caption is an error.

        Raises:
            TaskError: There are no captions, or they are not texts.
        """
        return self._captions_in_json(key, left_out) if key else self._lines(left_out)

    def _captions_in_json(self, key: str, left_out: LeftOut | None) -> list[str]:
        if left_out is not None and "json" not in self.members:
            return []
        content = self.mapping()
        if left_out is not None and not without_missing(nested_value(content, key), MISSING):
            return []
        return texts_in(self.where, content, key, left_out=left_out)

    def _lines(self, left_out: LeftOut | None) -> list[str]:
        if "txt" not in self.members:
            if left_out is not None:
                return []
            raise TaskError(f"{self.where} has neither a .cls nor a .txt file.")
        captions = self.text("txt").splitlines()
        missing = [text for text in captions or [""] if is_missing(text)]
        if missing and left_out is None:
            raise TaskError(f"{self.where}: {empty('caption in .txt', missing[0])}")
        if left_out is not None and len(missing) < len(captions):
            left_out[MISSING_CAPTION] += len(missing)
        return [text for text in captions if not is_missing(text)]
