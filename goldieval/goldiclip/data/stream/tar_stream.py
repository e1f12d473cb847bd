"""Samples of a tar that is read from beginning to end, with bounds on what it may hold."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from goldieval.core.errors import first_line
from goldieval.core.limits import HEADER_BYTES, PICTURE_BYTES
from goldieval.data.file_names import escape_undecodable
from goldieval.data.tar_samples import GZIP
from goldieval.data.walk import PICTURES
from goldieval.goldiclip.data.addresses import shown
from goldieval.goldiclip.data.corpus import BadSampleError
from goldieval.goldiclip.data.stream.faults import UnreadableError
from goldieval.goldiclip.data.stream.reading_ahead import ReadingAhead

WITH_CONTENT = (
    *(tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE),
    *(tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.GNUTYPE_SPARSE),
)  # headers of which tarfile reads a part into memory, however large they say it is
BUFFER = 32 * 1024
AFTER_END_BYTES = 2**20  # of padding behind the end-of-archive mark


@dataclass(frozen=True)
class EncodedSample:
    """A sample as it stands in a tar.

    Attributes:
        where: Shard and key, without secrets.
        picture: The image file.
        text: The JSON.
    """

    where: str
    picture: bytes
    text: bytes

    @property
    def size(self) -> int:
        """Size in bytes."""
        return len(self.picture) + len(self.text)


class _Header(tarfile.TarInfo):
    def _proc_member(self, archive: tarfile.TarFile) -> tarfile.TarInfo:
        if self.type in WITH_CONTENT and self.size > HEADER_BYTES:
            raise tarfile.ReadError(f"a header of {self.size:,} bytes")
        return super()._proc_member(archive)  # type: ignore[misc,no-any-return]


def samples_in(address: str) -> Iterator[EncodedSample | BadSampleError]:
    """Yield the samples of a shard; members of one sample are neighbours, as in all web datasets.

    Raises:
        UnreadableError: The shard, or the rest of it, cannot be read.
    """
    from webdataset.tariterators import group_by_keys

    faults: list[UnreadableError] = []
    with closing(ReadingAhead(address)) as stream:
        try:
            for members in group_by_keys(_until_fault(address, stream, faults)):
                sample = _sample(shown(address), members)
                if not (faults and isinstance(sample, BadSampleError)):  # else the fault may have cut it
                    yield sample
        except ValueError as error:  # of group_by_keys
            faults.append(UnreadableError(address, first_line(error)))
    if faults:
        raise faults[0]


def _until_fault(address: str, stream: ReadingAhead, faults: list[UnreadableError]) -> Iterator[dict[str, Any]]:
    """Yield members up to a fault, so that the sample before it is still used."""
    try:
        yield from _members(address, stream)
    except UnreadableError as error:
        faults.append(error)
    except (tarfile.TarError, ValueError, OverflowError, EOFError) as error:
        is_gzip = stream.beginning == GZIP
        reason = (
            "it is compressed; unpack it with gunzip" if is_gzip else f"not a readable tar file: {first_line(error)}"
        )
        faults.append(UnreadableError(address, reason))


def _members(address: str, stream: ReadingAhead) -> Iterator[dict[str, Any]]:
    """Yield pictures and JSON files in the form of webdataset's readers, which set no bounds themselves."""
    with tarfile.open(fileobj=stream, mode="r|", tarinfo=_Header, bufsize=BUFFER) as archive:  # type: ignore[call-overload]
        for member in archive:
            archive.members = []  # else the headers of all would be kept
            ending = member.name.rpartition("/")[2].partition(".")[2].lower()
            if not member.isreg() or (ending != "json" and f".{ending}" not in PICTURES):
                continue
            if member.size > PICTURE_BYTES:
                raise tarfile.ReadError(f"a member of {member.size:,} bytes")
            yield {"fname": member.name, "data": archive.extractfile(member).read(), "__url__": shown(address)}
    stream.read(AFTER_END_BYTES)
    if stream.end.strip(b"\0"):
        raise UnreadableError(address, "it ends before its end-of-archive mark")


def _sample(shard: str, members: dict[str, Any]) -> EncodedSample | BadSampleError:
    where = f"{shard}: sample {escape_undecodable(members['__key__']).removeprefix('./')}"
    pictures = [ending for ending in members if f".{ending}" in PICTURES]
    if len(pictures) != 1:
        return BadSampleError(where, "several pictures" if pictures else "no picture")
    if "json" not in members:
        return BadSampleError(where, "no JSON")
    return EncodedSample(where, members[pictures[0]], members["json"])
