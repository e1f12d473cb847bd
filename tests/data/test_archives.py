"""Archives that unpack to more than allowed, or are incomplete: refused before anything is unpacked."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from archives import END, member, pad

from goldieval.core.errors import GoldievalError
from goldieval.data.fetch import unpack as unpacking
from goldieval.data.fetch.unpack import unpack


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reduce limits to a thousandth, so that archive bombs can be small."""
    monkeypatch.setattr(unpacking, "UNPACKED_FLOOR", 1_000_000)
    monkeypatch.setattr(unpacking, "MEMBERS", 500)


def pax(**records: str) -> bytes:
    body = b""
    for key, value in records.items():
        line = f" {key}={value}\n".encode()
        length = len(line) + len(str(len(line) + 2))
        body += str(length).encode() + line
    return member("pax", len(body), tarfile.XHDTYPE) + pad(body)


def zipped(*files: tuple[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files:
            archive.writestr(name, data)
    return stream.getvalue()


def overlapping() -> bytes:
    """Create many names for one packed body, as in Fifield's bombs."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("0", bytes(200_000))
        for number in range(1, 50):
            about = zipfile.ZipInfo(str(number))
            first = archive.filelist[0]
            for key in ("header_offset", "compress_size", "file_size", "CRC", "compress_type"):
                setattr(about, key, getattr(first, key))
            archive.filelist.append(about)
            archive.NameToInfo[str(number)] = about
    return stream.getvalue()


def lying(size: int) -> bytes:
    """A zip whose directory names another size than the body has."""
    data = zipped(("a", bytes(5_000)))
    return data.replace(struct.pack("<I", 5_000), struct.pack("<I", size))


ZEROS = bytes(30_000_000)
HUGE = 2**62
BOMBS: dict[str, tuple[Callable[[], bytes], str]] = {
    "zip of zeros": (lambda: zipped(("a", ZEROS)), "would unpack to"),
    "zip of many zeros": (lambda: zipped(*((str(n), ZEROS[:500_000]) for n in range(40))), "would unpack to"),
    "zip of overlapping bodies": (overlapping, "would unpack to|Overlapped|does not match|differ"),
    "zip that says less": (lambda: lying(10), "damaged"),
    "zip that says more": (lambda: lying(100_000), "damaged"),
    "gzip of zeros": (lambda: gzip.compress(member("a", len(ZEROS)) + ZEROS + END), "would unpack to"),
    "bzip2 of zeros": (lambda: bz2.compress(member("a", len(ZEROS)) + ZEROS + END), "would unpack to"),
    "xz of zeros": (lambda: lzma.compress(member("a", len(ZEROS)) + ZEROS + END), "would unpack to"),
    "zeros outside of any member": (lambda: gzip.compress(ZEROS), "holds no files"),
    "tar that says 2^62": (lambda: member("a", HUGE) + END, "would unpack to"),
    "gzip that says 2^62": (lambda: gzip.compress(member("a", HUGE) + END), "would unpack to"),
    "PAX size of 2^62": (lambda: pax(size=str(HUGE)) + member("a", 0) + END, "would unpack to"),
    "PAX size below 0": (lambda: pax(size="-1") + member("a", 0) + END, "damaged|neither"),
    "PAX header of 2^62": (lambda: member("pax", HUGE, tarfile.XHDTYPE) + END, "neither a zip nor a tar|damaged"),
    "PAX header of zeros": (
        lambda: gzip.compress(member("pax", len(ZEROS), tarfile.XHDTYPE) + ZEROS + member("a", 0) + END),
        "neither a zip nor a tar|damaged",
    ),
    "long name of zeros": (
        lambda: gzip.compress(member("a", 0) + member("n", len(ZEROS), tarfile.GNUTYPE_LONGNAME) + ZEROS + END),
        "a header of",
    ),
    "a member behind 2^50": (lambda: member("d", 2**50, tarfile.DIRTYPE) + member("a", 0) + END, "damaged|would"),
    "many empty members": (
        lambda: gzip.compress(b"".join(member(str(number), 0) for number in range(600)) + END),
        "would unpack to 501 members",
    ),
    "no end mark": (lambda: pad(member("a", 3) + b"abc"), "end-of-archive mark"),
    "damaged header in the middle": (
        lambda: pad(member("a", 3) + b"abc") + b"x" * 512 + pad(member("b", 3) + b"abc") + END,
        "end-of-archive mark",
    ),
    "cut gzip": (lambda: gzip.compress(pad(member("a", 3) + b"abc") + END)[:-20], "damaged"),
    "a name that is not UTF-8": (lambda: pad(member("a\udcff", 3) + b"abc") + END, "is not UTF-8"),
    "a device": (lambda: member("a", 0, tarfile.CHRTYPE) + END, "is a link or a device"),
    "a pipe": (lambda: member("a", 0, tarfile.FIFOTYPE) + END, "is a link or a device"),
    "a hard link": (lambda: member("a", 0, tarfile.LNKTYPE, linkname="b") + END, "is a link or a device"),
    "garbage": (lambda: b"<html>" * 1_000, "neither a zip nor a tar"),
    "nothing": (lambda: b"", "neither a zip nor a tar"),
}


@pytest.mark.parametrize("kind", BOMBS)
def test_archive_bomb_is_one_line_and_little_is_written(kind: str, tmp_path: Path) -> None:
    make, why = BOMBS[kind]
    (archive := tmp_path / "a").write_bytes(make())
    with pytest.raises(GoldievalError, match=why) as raised:
        unpack(archive, tmp_path / "to", "a.zip")
    assert "\n" not in str(raised.value) and len(str(raised.value)) < 400
    assert sum(file.stat().st_size for file in (tmp_path / "to").rglob("*") if file.is_file()) <= 1_000_000


@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress, lzma.compress])
def test_whole_archives_are_unpacked(pack: Callable[[bytes], bytes], tmp_path: Path) -> None:
    (archive := tmp_path / "a").write_bytes(pack(pad(member("a/b", 3) + b"abc") + pad(member("c", 1) + b"d") + END))
    assert list(unpack(archive, tmp_path / "to", "a.tar")) == ["a/b", "c"]
    assert (tmp_path / "to/a/b").read_bytes() == b"abc"
