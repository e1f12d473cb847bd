"""Files of one model's weights: a file, the shards of an index, or a folder as trainers save it."""

from __future__ import annotations

import re
from pathlib import Path

from goldieval.core.errors import GoldievalError, first_line, listing
from goldieval.core.limits import RECORD_BYTES
from goldieval.core.reading import read_json, read_text
from goldieval.core.reads import note_names, note_read

SHARD_INDEX = ".index.json"
DEEPSPEED = "mp_rank_00_model_states.pt"
USUAL = (  # in this order: Trainer and accelerate, open_clip on the Hub, DeepSpeed
    "model.safetensors",
    "model.safetensors.index.json",
    "open_clip_model.safetensors",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
    "open_clip_pytorch_model.bin",
    DEEPSPEED,
)


def weights_place(place: Path) -> Path:
    """Return the file or index with the weights of a folder; any other place is returned unchanged.

    Raises:
        GoldievalError: The folder holds shards of several processes, which are not merged here.
    """
    note_read(place)
    if not place.is_dir():
        return place
    place = _newest_of_deepspeed(place)
    note_names(place)
    if shards := sorted(place.glob("*.distcp")):
        raise GoldievalError(
            f"{place} holds shards ({shards[0].name}) of torch.distributed.checkpoint. Merge them first: "
            "python -m torch.distributed.checkpoint.format_utils dcp_to_torch FOLDER FILE."
        )
    if (place / DEEPSPEED).is_file() and (place / DEEPSPEED.replace("00", "01")).is_file():
        raise GoldievalError(
            f"{place} holds the parts of a model-parallel training. Merge them first: zero_to_fp32.py."
        )
    return next((place / name for name in USUAL if (place / name).is_file()), place)


def _newest_of_deepspeed(folder: Path) -> Path:
    """Return the folder that DeepSpeed's file ``latest`` names, or the folder itself."""
    note_read(folder / "latest")
    try:
        name = read_text(folder / "latest", 1_000).strip()
    except (OSError, ValueError):
        return folder
    return folder / name if re.fullmatch(r"\w[\w.-]*", name) and (folder / name).is_dir() else folder


def shards_of(file: Path) -> list[Path]:
    """Return the files that an index refers to, or the file itself if it is no index.

    Raises:
        GoldievalError: The index cannot be read, is none, refers to files elsewhere, or a file is missing.
    """
    if not file.name.endswith(SHARD_INDEX):
        return [file]
    note_read(file)
    note_names(file.parent)
    try:
        names = {str(name) for name in read_json(file, RECORD_BYTES)["weight_map"].values()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise GoldievalError(f"{file} is not an index of weights: {first_line(error)}") from error
    if invalid := [name for name in names if not re.fullmatch(r"[^/\\\0]+\.(safetensors|bin)", name)]:
        raise GoldievalError(f"{file} names {min(invalid)[:80]!r}, which is not a weights file beside it.")
    if missing := sorted(name for name in names if not file.with_name(name).is_file()):
        raise GoldievalError(f"{file} names {listing(missing)}, which is not beside it. Copy all shards.")
    if not names:
        raise GoldievalError(f"{file} names no files.")
    return [file.with_name(name) for name in sorted(names)]
