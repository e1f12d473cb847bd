"""Checkpoints of ``torch.save`` from anyone: tensors and plain values are read, code never; and what to say of a file.

torch's own words for a file with code in it advise to run that code.
"""

from __future__ import annotations

import errno
import pickle
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from goldieval.errors import GoldievalError

SAVE_AGAIN = 'Save the tensors alone: torch.save({"state_dict": model.state_dict()}, FILE).'
COPY_AGAIN = "Copy or fetch it again."
CHATTER = "Detected pickle protocol|'torch.load' received a zip file that looks like a TorchScript archive"


@contextmanager
def only_tensors(file: Path, advice: str = "") -> Iterator[None]:
    """Around a ``torch.load`` of ``file`` with ``weights_only=True``.

    advice: what to do, where neither saving the tensors alone nor copying the file again would help.

    Raises:
        GoldievalError: the file holds other objects, named where torch names them, or is damaged.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", CHATTER, UserWarning)
        try:
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


def _of_a_cut(error: Exception) -> bool:
    """Whether torch met the end of a file too early: it says so, finds nothing, or seeks before the beginning."""
    if isinstance(error, OSError):
        return error.errno == errno.EINVAL
    return isinstance(error, EOFError) or "PytorchStreamReader" in str(error)
