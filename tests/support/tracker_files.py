"""What trackers have written to disk, read back."""

from __future__ import annotations

import json
import struct
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

Points = dict[str, list[tuple[int, float]]]
PATIENCE_S = 60.0
_BLOCK = 32_768  # size of the blocks of a wandb file, which has the format of LevelDB's logs


def tensorboard_run(folder: Path) -> tuple[Points, list[str]]:
    """Return the scalars of one run by tag, as points of step and value, and its texts."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder), size_guidance={"scalars": 0, "tensors": 0}).Reload()
    tags = events.Tags()
    scalars = {tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in tags["scalars"]}
    texts = [
        text.decode() for tag in tags["tensors"] for e in events.Tensors(tag) for text in e.tensor_proto.string_val
    ]
    return scalars, texts


def wandb_run(folder: Path) -> tuple[Points, dict[str, Any]]:
    """Return the history of one offline run of Weights & Biases by name, and its configuration."""
    points: Points = defaultdict(list)
    config: dict[str, Any] = {}
    for record in _finished_records(folder):
        row = {"/".join(item.nested_key) or item.key: json.loads(item.value_json) for item in record.history.item}
        for name, value in row.items():
            points[name].append((row["_step"], value))
        for update in [*record.config.update, *record.run.config.update]:
            config["/".join(update.nested_key) or update.key] = json.loads(update.value_json)
    return dict(points), config


def _finished_records(folder: Path) -> list[Any]:
    """Return the records of a run that was finished; another process may still be writing the last of them."""
    (file,) = folder.glob("*.wandb")
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        records = _wandb_records(file.read_bytes())
        if any(record.HasField("exit") for record in records):
            return records
        time.sleep(0.05)
    raise AssertionError(f"{file} has no end")


def _wandb_records(content: bytes) -> list[Any]:
    from wandb.proto import wandb_internal_pb2

    records, position, whole = [], 7, b""
    while position + 7 <= len(content):
        if _BLOCK - position % _BLOCK < 7:
            position += _BLOCK - position % _BLOCK
            continue
        _, length, kind = struct.unpack("<IHB", content[position : position + 7])
        whole += content[position + 7 : position + 7 + length]
        position += 7 + length
        if kind in (1, 4) and position <= len(content):  # a whole record, or the last part of one
            record = wandb_internal_pb2.Record()
            record.ParseFromString(whole)
            records.append(record)
            whole = b""
    return records
