"""Checkpoints of ``torch.save`` from anyone: tensors and plain values are read, code never; and what to say of a file.

torch's own words for a file with code in it advise to run that code.
"""

from __future__ import annotations

import pickle
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from goldieval.errors import GoldievalError

SAVE_AGAIN = 'Save the tensors alone: torch.save({"state_dict": model.state_dict()}, FILE).'
CHATTER = "Detected pickle protocol|'torch.load' received a zip file that looks like a TorchScript archive"


@contextmanager
def only_tensors(file: Path, advice: str = SAVE_AGAIN) -> Iterator[None]:
    """Around a ``torch.load`` of ``file`` with ``weights_only=True``.

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
                f"{file} is not loaded: {what}, and objects in a checkpoint can run any code. {advice}"
            ) from error
        except RuntimeError as error:
            if "PytorchStreamReader" not in str(error):
                raise
            raise GoldievalError(f"{file} is not loaded: it is damaged or cut short.") from error
