"""Files that are written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from goldieval.core.locks import lock_file
from goldieval.core.temporary import sweep, temporary_file


def check_writable(folder: Path) -> None:
    """Create ``folder`` if need be and write a byte into it. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder) as probe:
        probe.write(b"0")
        probe.flush()


@contextmanager
def exclusive_lock(file: Path) -> Iterator[None]:
    """Hold the lock of a file that is about to be made; no lock where its folder cannot be written or knows none."""
    with ExitStack() as stack:
        with suppress(OSError):
            check_writable(file.parent)
            stack.enter_context(lock_file(file.with_suffix(".lock")))
        yield


def set_default_permissions(path: Path) -> None:
    """Give what began as a private temporary file or folder the permissions that any other gets."""
    path.chmod((0o777 if path.is_dir() else 0o666) & ~_umask())


def atomic_write(file: Path, content: bytes) -> None:
    """Write a file whole or not at all, also when the disk is full or the process dies."""
    atomic_write_all({file: content})


def atomic_write_all(contents: dict[Path, bytes]) -> None:
    """Write several files: all lie on the disk before the first takes its name, in the order given.

    A reader, or a kill, may meet the first without the last; so the last is the one that names the others. If one
    cannot be given its name, the new ones before it are removed, but none that another process has put there since.
    """
    sweep(*dict.fromkeys(file.parent for file in contents))
    with ExitStack() as stack:
        staged = {file: _staged(stack, file, content) for file, content in contents.items()}
        placed: list[tuple[Path, os.stat_result]] = []
        try:
            for file, ready in staged.items():
                about, new = ready.stat(), not file.exists()
                if file == next(reversed(staged)):
                    flush_folders(other.parent for other in staged)
                os.replace(ready, file)
                placed += [(file, about)] if new else []
        except BaseException:
            _take_back(placed)
            raise
    flush_folders(file.parent for file in contents)


def _take_back(placed: list[tuple[Path, os.stat_result]]) -> None:
    for file, about in placed:
        with suppress(OSError):
            if os.path.samestat(file.stat(), about):
                file.unlink()


def has_content(file: Path, content: bytes) -> bool:
    """Whether a file has this content."""
    try:
        return file.stat().st_size == len(content) and file.read_bytes() == content
    except OSError:
        return False


def _staged(stack: ExitStack, file: Path, content: bytes) -> Path:
    handle, temporary = stack.enter_context(temporary_file(file))
    with os.fdopen(os.dup(handle), "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    set_default_permissions(temporary)
    return temporary


def flush(file: Path) -> None:
    """Bring a file's content to the disk."""
    with file.open("rb") as stream:
        os.fsync(stream.fileno())


def flush_folders(folders: Iterable[Path]) -> None:
    """Bring renames to the disk, where the system can: after a power cut a file has its new name."""
    for folder in dict.fromkeys(folders):
        with suppress(OSError):
            handle = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
