"""Safe loading of ``torch.save`` checkpoints of unknown origin: only tensors and plain values, never code.

The error messages here replace those of torch, which advise the user to run the code in such a file.
"""

from __future__ import annotations

import argparse
import datetime
import errno
import pathlib
import pickle
import re
import types
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from goldieval.core.errors import GoldievalError, listing
from goldieval.core.reads import note_read

SAVE_AGAIN = 'Save the tensors alone: torch.save({"state_dict": model.state_dict()}, FILE).'
COPY_AGAIN = "Copy or fetch it again."
WEIGHTS = (".pt", ".pth", ".bin", ".ckpt", ".safetensors", ".npz")
LOADING_WARNINGS = "Detected pickle protocol|'torch.load' received a zip file that looks like a TorchScript archive"


@contextmanager
def only_tensors(file: Path, advice: str = "") -> Iterator[None]:
    """Context for a ``torch.load`` of ``file`` with ``weights_only=True``.

    Plain values include parsed command-line options, dates, paths and NumPy scalars, which trainers save with the
    weights.

    Args:
        file: The file, for error messages.
        advice: What to do, if neither saving only the tensors nor copying the file again would help.

    Raises:
        GoldievalError: The file contains other objects (named if torch names them), or is damaged.
    """
    from torch.serialization import safe_globals

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", LOADING_WARNINGS, UserWarning)
        try:
            with safe_globals(_plain_values()):
                yield
        except pickle.UnpicklingError as error:
            found = re.search(r"GLOBAL (\S+)", str(error))
            what = f"it contains {found[1]} in addition to tensors" if found else "it is damaged, or another pickle"
            raise GoldievalError(
                f"{file} is not loaded: {what}, and objects in a checkpoint can run any code. {advice or SAVE_AGAIN}"
            ) from error
        except (RuntimeError, EOFError, OSError) as error:
            if not _is_truncation(error):
                raise
            raise GoldievalError(f"{file} is not loaded: it is damaged or truncated. {advice or COPY_AGAIN}") from error


def _plain_values() -> list[Any]:
    """Return what a pickle may refer to besides tensors: types that only hold values."""
    import numpy as np

    scalar: Any = np.float64(0).__reduce__()[0]
    numbers = [type(np.dtype(name)) for name in ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?")]
    aliases = [(scalar, f"{module}.multiarray.scalar") for module in ("numpy.core", "numpy._core")]
    paths = [pathlib.PosixPath, pathlib.PurePosixPath, pathlib.PureWindowsPath]
    containers = [frozenset, argparse.Namespace, types.SimpleNamespace]
    dates = [datetime.datetime, datetime.date, datetime.timedelta]
    return [*containers, *dates, *paths, *aliases, np.dtype, *numbers]


def _is_truncation(error: Exception) -> bool:
    """Return whether torch reached the end of a file too early: EOFError, a missing archive entry, or a bad seek."""
    if isinstance(error, OSError):
        return error.errno == errno.EINVAL
    return isinstance(error, EOFError) or "PytorchStreamReader" in str(error)


def check_is_weights(file: Path) -> None:
    """Refuse a file whose first bytes show that it contains no weights.

    Raises:
        GoldievalError: The file is missing, a folder, empty, a Git LFS pointer, a web page or another text.
    """
    note_read(file)
    if file.is_dir():
        inside = sorted(each.name for each in file.iterdir() if each.suffix in WEIGHTS)
        held = (
            f"it holds {listing(inside)}; name a file, or {file}/*{Path(inside[0]).suffix}" if inside else "name a file"
        )
        raise GoldievalError(f"no checkpoint {file}: it is a folder; {held}.")
    if not file.is_file():
        raise GoldievalError(f"no checkpoint {file}.")
    try:
        with file.open("rb") as stream:
            start = stream.read(512)
    except OSError as error:
        raise GoldievalError(f"cannot read {file}: {error.strerror or error}.") from error
    if what := _no_weights(start):
        raise GoldievalError(f"{file} is not loaded: {what}")


def is_safetensors(file: Path) -> bool:
    """Return whether a file begins like safetensors (length of a JSON header, then the header), whatever its name."""
    with file.open("rb") as stream:
        start = stream.read(9)
    return len(start) == 9 and start[8:] == b"{" and not start.startswith(b"PK")


def _no_weights(start: bytes) -> str:
    """Return what the first bytes reveal about the file and what to do, or an empty string."""
    text = start.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if not text:
        return f"it is empty. {COPY_AGAIN}"
    if text.startswith(b"version https://git-lfs"):
        return "it is a Git LFS pointer, not the weights. Fetch them: git lfs pull."
    if text.startswith((b"<!doctype", b"<html", b"<?xml", b"<head")):
        return f"it is a web page, not the weights. {COPY_AGAIN}"
    printable = all(byte >= 32 or byte in b"\t\r\n" for byte in start) and len(text) > 8
    return f"it is a text file, not the weights. {COPY_AGAIN}" if printable and start.isascii() else ""
