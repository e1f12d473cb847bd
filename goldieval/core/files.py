"""Files that are written completely or not at all."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Collection, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from goldieval.core.locks import lock_file
from goldieval.core.temporary import sweep, temporary_file

EXCLUSIVE_S = 3600.0
NO_LINKS = {errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EMLINK, errno.EINVAL, errno.EACCES}


def check_writable(folder: Path) -> None:
    """Create ``folder`` if necessary and write one byte into it. Raises OSError if that fails."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder) as probe:
        probe.write(b"0")
        probe.flush()


@contextmanager
def exclusive_lock(file: Path) -> Iterator[None]:
    """Hold the lock of a file that is about to be created, or no lock if its folder does not allow one.

    After ``EXCLUSIVE_S`` seconds the block is entered without the lock, since its holder may be a machine that is gone.
    """
    with ExitStack() as stack:
        with suppress(OSError):
            check_writable(file.parent)
            stack.enter_context(lock_file(file.with_suffix(".lock"), EXCLUSIVE_S))
        yield


def set_default_permissions(path: Path) -> None:
    """Give a file or folder that was created as a private temporary one the default permissions."""
    path.chmod((0o777 if path.is_dir() else 0o666) & ~_umask())


def atomic_write(file: Path, content: bytes) -> None:
    """Write a file completely or not at all, even if the disk is full or the process is killed."""
    atomic_write_all({file: content})


def atomic_write_all(contents: dict[Path, bytes], never_replaced: Collection[Path] = ()) -> None:
    """Write several files: all are on disk before the first is renamed to its final name, in the given order.

    A reader, or a killed writer, may see the first file without the last; the last should therefore be the one that
    refers to the others. If a file cannot be renamed, the new files before it are removed, except those that another
    process has replaced in the meantime.

    Args:
        contents: content by file.
        never_replaced: those of the files that must not replace a file with other content, also if another process
            creates it at the same time.

    Raises:
        FileExistsError: One of ``never_replaced`` exists with other content.
        OSError: A file cannot be written, or is a device, a pipe or a stream, which a rename would remove.
    """
    _check_replaceable(contents)
    sweep(*dict.fromkeys(file.parent for file in contents))
    with ExitStack() as stack:
        staged = {file: _staged(stack, file, content) for file, content in contents.items()}
        placed: list[tuple[Path, os.stat_result]] = []
        try:
            for file, ready in staged.items():
                about, new = ready.stat(), not file.exists()
                if file == next(reversed(staged)):
                    flush_folders(other.parent for other in staged)
                place = _place_new if file in never_replaced else _replace
                place(ready, file)
                placed += [(file, about)] if new else []
        except BaseException:
            _take_back(placed)
            raise
    flush_folders(file.parent for file in contents)


def _replace(ready: Path, file: Path) -> None:
    """Rename a file. On NFS, a rename whose answer was lost is repeated, and then fails although it was done."""
    about = ready.stat()
    try:
        os.replace(ready, file)
    except FileNotFoundError:
        if not _is(file, about):
            raise


def _place_new(ready: Path, file: Path) -> None:
    """Give a file its final name unless there is a file of that name with other content: a link replaces nothing."""
    about = ready.stat()
    try:
        os.link(ready, file)
    except FileExistsError:
        if _is(file, about):  # of an answer that was lost, as for a rename
            return
        if not has_content(file, ready.read_bytes()):
            raise
        _replace(ready, file)  # the other writer may still remove its own
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        _replace(ready, file)


def _is(file: Path, about: os.stat_result) -> bool:
    try:
        return os.path.samestat(file.stat(), about)
    except OSError:
        return False


def _check_replaceable(files: Iterable[Path]) -> None:
    for file in files:
        is_stream = file.is_symlink() and os.readlink(file).startswith("/proc/")  # /dev/stdout
        if is_stream or (file.exists() and not file.is_file() and not file.is_dir()):
            raise OSError(errno.EINVAL, "not a regular file", str(file))


def _take_back(placed: list[tuple[Path, os.stat_result]]) -> None:
    for file, about in placed:
        if _is(file, about):
            with suppress(OSError):
                file.unlink()


def has_content(file: Path, content: bytes) -> bool:
    """Return whether a file has exactly this content."""
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
    """Flush a file's content to disk."""
    with file.open("rb") as stream:
        os.fsync(stream.fileno())


def flush_folders(folders: Iterable[Path]) -> None:
    """Flush renames in these folders to disk where the system supports it, so that they survive a power failure."""
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
