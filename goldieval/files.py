"""Files that are written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from filelock import FileLock


def check_writable(folder: Path) -> None:
    """Create ``folder`` if need be and write a byte into it. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder) as probe:
        probe.write(b"0")
        probe.flush()


@contextmanager
def one_at_a_time(file: Path) -> Iterator[None]:
    """Hold the lock of a file that is about to be made; no lock where its folder cannot be written or knows none."""
    with ExitStack() as held:
        with suppress(OSError, NotImplementedError):  # the latter: a network file system without locks
            check_writable(file.parent)
            held.enter_context(FileLock(file.with_suffix(".lock")))
        yield


def usual_mode(path: Path) -> None:
    """Give what began as a private temporary file or folder the permissions that any other gets."""
    path.chmod((0o777 if path.is_dir() else 0o666) & ~_umask())


def atomic_write(file: Path, content: bytes) -> None:
    """Write a file whole or not at all, also when the disk is full or the process dies."""
    atomic_write_all({file: content})


def atomic_write_all(contents: dict[Path, bytes]) -> None:
    """Write several files whole or none of them: all lie on the disk before the first takes its name."""
    staged: dict[Path, Path] = {}
    new = [file for file in contents if not file.exists()]
    try:
        for file, content in contents.items():
            handle, temporary = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name[:40]}.")
            staged[file] = Path(temporary)
            with os.fdopen(handle, "wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            usual_mode(Path(temporary))
        for file, ready in staged.items():
            os.replace(ready, file)
    except BaseException:
        for file in [*staged.values(), *new]:
            file.unlink(missing_ok=True)
        raise


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
