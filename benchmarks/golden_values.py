"""Pack golden values of released code into ``tests/golden``, bit for bit, in a fifth of their size.

    uv run python benchmarks/golden_values.py FOLDER     # FOLDER holds NAME.safetensors: in.*, weights.*, out.*, config

Weights and images came from seeded generators of torch: an initial value and normal noise. Which numbers of which stream each
tensor took is in the packed files already (``drawn``); the difference between what NumPy computes from them and the original, in
units of the last place, is stored beside it, so that nothing depends on how a processor rounds a cosine. Outputs, token ids and
what was not drawn so are stored as they are. The script reads every file back and compares it with the original.
"""

from __future__ import annotations

import io
import json
import lzma
import sys
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import safe_open

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))
import golden

LARGEST = 100  # differences beyond it are listed with their places


def original(file: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Read the sizes and the tensors of a safetensors file."""
    with safe_open(str(file), framework="np") as stored:
        config: dict[str, Any] = json.loads(stored.metadata()["config"])
        return config, {key: stored.get_tensor(key) for key in stored.keys()}  # noqa: SIM118


def packed(config: dict[str, Any], tensors: dict[str, np.ndarray], layout: dict[str, Any]) -> bytes:
    """Return the content of a packed file.

    Args:
        config: Sizes of the model.
        tensors: The original tensors by name.
        layout: For each drawn tensor its ``shape``, ``start`` and ``noise``, see ``golden.drawn``.
    """
    streams: dict[int, np.ndarray] = {}
    arrays = {key: tensor for key, tensor in tensors.items() if key not in layout}
    for key, how in layout.items():
        steps = golden.ordered(tensors[key]).ravel().astype(np.int64)
        steps -= golden.ordered(golden.drawn(how, streams)).ravel()
        places = np.flatnonzero(np.abs(steps) > LARGEST)
        arrays[f"far.{key}"] = np.stack([places, steps[places]]).astype(np.int32)
        steps[places] = 0
        arrays[f"steps.{key}"] = steps.astype(np.int8)
    sums = {key: golden.checksum(tensor) for key, tensor in tensors.items()}
    description = json.dumps({"config": config, "drawn": layout, "sums": sums})
    stream = io.BytesIO()
    np.savez(stream, description=np.frombuffer(description.encode(), np.uint8), **arrays)
    return lzma.compress(stream.getvalue(), preset=9 | lzma.PRESET_EXTREME)


def main(folder: Path) -> None:
    for name in golden.NAMES:
        config, tensors = original(folder / f"{name}.safetensors")
        content = packed(config, tensors, golden.described(name)["drawn"])
        (golden.FOLDER / f"{name}.npz.xz").write_bytes(content)
        golden.forget()
        _, again = golden.golden(name)
        assert again.keys() == tensors.keys()
        assert all(again[key].numpy().tobytes() == tensors[key].tobytes() for key in tensors), name
        print(f"{name}: {len(tensors)} tensors in {len(content):,} bytes")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
