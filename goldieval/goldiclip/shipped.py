"""The small model that ships in the package, and how it is made from a checkpoint.

python -m goldieval.goldiclip.shipped CHECKPOINT
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from goldieval.core.errors import GoldievalError

WEIGHTS = Path(__file__).parent / "weights" / "goldiclip-tiny.safetensors"
MAX_BYTES = 12_000_000  # of the shipped file


def shipped_weights() -> Path:
    """Return the file of ``goldiclip-tiny``.

    Raises:
        GoldievalError: It is missing.
    """
    if not WEIGHTS.is_file():
        raise GoldievalError(f"{WEIGHTS} is missing: the installation is damaged. Install goldieval again.")
    return WEIGHTS


def ship(checkpoint: Path, file: Path = WEIGHTS) -> None:
    """Write a checkpoint as the shipped model: half precision, without the heads that only training uses.

    Raises:
        GoldievalError: There is no such checkpoint, or it is too large for the package.
    """
    import torch

    from goldieval.goldiclip.checkpoint import load_weights, save_weights

    model, about = load_weights(checkpoint)
    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=file.parent) as folder:
        slim = Path(folder) / file.name
        save_weights(model, about, slim, dtype=torch.float16, slim=True)
        if (size := slim.stat().st_size) > MAX_BYTES:
            raise GoldievalError(
                f"{checkpoint}: {size / 1e6:.1f} MB are more than the {MAX_BYTES / 1e6:.0f} MB that may ship."
            )
        slim.replace(file)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("error: name one checkpoint, as in runs/goldiclip-tiny/step-001900.")
    try:
        ship(Path(sys.argv[1]))
    except GoldievalError as error:
        sys.exit(f"error: {error}")
