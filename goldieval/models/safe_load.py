"""Checkpoints of ``torch.save`` from anyone: tensors and plain values are read, code never; and what to say of a file.

torch's own words for a file with code in it advise to run that code.
"""

from __future__ import annotations

import argparse
import errno
import pathlib
import pickle
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from goldieval.core.errors import GoldievalError, listing

SAVE_AGAIN = 'Save the tensors alone: torch.save({"state_dict": model.state_dict()}, FILE).'
COPY_AGAIN = "Copy or fetch it again."
WEIGHTS = (".pt", ".pth", ".bin", ".ckpt", ".safetensors", ".npz")
CHATTER = "Detected pickle protocol|'torch.load' received a zip file that looks like a TorchScript archive"


@contextmanager
def only_tensors(file: Path, advice: str = "") -> Iterator[None]:
    """Around a ``torch.load`` of ``file`` with ``weights_only=True``.

    Options of a command line, paths and NumPy's numbers, which trainers save beside the weights, are plain values.

    advice: what to do, where neither saving the tensors alone nor copying the file again would help.

    Raises:
        GoldievalError: the file holds other objects, named where torch names them, or is damaged.
    """
    from torch.serialization import safe_globals

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", CHATTER, UserWarning)
        try:
            with safe_globals(_plain_values()):
                yield
        except pickle.UnpicklingError as error:
            found = re.search(r"GLOBAL (\S+)", str(error))
            what = f"it holds {found[1]} beside tensors" if found else "it is damaged, or a pickle of something else"
            raise GoldievalError(
                f"{file} is not loaded: {what}, and objects in a checkpoint can run any code. {advice or SAVE_AGAIN}"
            ) from error
        except (RuntimeError, EOFError, OSError) as error:
            if not _of_a_cut(error):
                raise
            raise GoldievalError(f"{file} is not loaded: it is damaged or cut short. {advice or COPY_AGAIN}") from error


def _plain_values() -> list[Any]:
    """Return what a pickle may name besides tensors: types that hold values and run nothing."""
    import numpy as np

    scalar: Any = np.float64(0).__reduce__()[0]
    numbers = [type(np.dtype(name)) for name in ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?")]
    aliases = [(scalar, f"{module}.multiarray.scalar") for module in ("numpy.core", "numpy._core")]
    paths = [pathlib.PosixPath, pathlib.PurePosixPath, pathlib.PureWindowsPath]
    return [argparse.Namespace, *paths, *aliases, np.dtype, *numbers]


def _of_a_cut(error: Exception) -> bool:
    """Whether torch met the end of a file too early: it says so, finds nothing, or seeks before the beginning."""
    if isinstance(error, OSError):
        return error.errno == errno.EINVAL
    return isinstance(error, EOFError) or "PytorchStreamReader" in str(error)


def check_is_weights(file: Path) -> None:
    """Refuse what is plainly no weights file, by its first bytes, with what it is.

    Raises:
        GoldievalError: missing, a folder, empty, a pointer of Git LFS, a web page or another text.
    """
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
    """Whether a file begins as safetensors do (length of a JSON header, then the header), whatever its name."""
    with file.open("rb") as stream:
        start = stream.read(9)
    return len(start) == 9 and start[8:] == b"{" and not start.startswith(b"PK")


def _no_weights(start: bytes) -> str:
    """Return what the first bytes of a file give away and what to do, or an empty string."""
    text = start.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if not text:
        return f"it is empty. {COPY_AGAIN}"
    if text.startswith(b"version https://git-lfs"):
        return "it is a pointer of Git LFS, not the weights. Fetch them: git lfs pull."
    if text.startswith((b"<!doctype", b"<html", b"<?xml", b"<head")):
        return f"it is a web page, not the weights. {COPY_AGAIN}"
    printable = all(byte >= 32 or byte in b"\t\r\n" for byte in start) and len(text) > 8
    return f"it is a text, not the weights. {COPY_AGAIN}" if printable and start.isascii() else ""
