"""Archives constructed byte by byte."""

from __future__ import annotations

import io
import tarfile
import zipfile


def member(name: str, size: int, kind: bytes = tarfile.REGTYPE, **more: object) -> bytes:
    """Return a tar header that declares ``size``, whatever follows."""
    about = tarfile.TarInfo(name)
    about.type = kind
    for key, value in more.items():
        setattr(about, key, value)
    data = bytearray(about.tobuf(tarfile.GNU_FORMAT))
    data[124:136] = b"%011o\0" % size if size < 8**11 else b"\x80" + size.to_bytes(11, "big")
    data[148:156] = b" " * 8
    data[148:156] = b"%06o\0 " % sum(data)
    return bytes(data)


END = bytes(1024)


def pad(data: bytes) -> bytes:
    return data + bytes(-len(data) % 512)


def zipped(members: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name), data)
    return stream.getvalue()
