"""The hash of the data of a task, which identifies what a result was measured on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from goldieval.data.boxes import Boxes
from goldieval.data.samples import Dataset, TextSample


def data_hash(dataset: Dataset, keys: Sequence[str], mask_keys: Sequence[str], depth_keys: Sequence[str] = ()) -> str:
    """Return the SHA-256 over ids, contents, texts, labels, relevance, answers, masks and depths of a task.

    Args:
        dataset: The samples.
        keys: Content key of each image.
        mask_keys: Content key of each mask.
        depth_keys: Content key of each depth map.
    """
    total = hashlib.sha256()
    labels = dataset.labels if dataset.labels is not None else np.zeros(len(keys), dtype=np.int64)
    for image, key, label in zip(dataset.images, keys, labels, strict=True):
        total.update(f"{image.id}\t{key}\t{label}\n".encode())
    for name, content in _BEFORE_MASKS.items():
        _add(total, getattr(dataset, name), content)
    total.update("\n".join(mask_keys).encode())
    for name, content in _AFTER_MASKS.items():
        _add(total, getattr(dataset, name), content)
    if depth_keys:
        total.update(("depths" + "\n".join(depth_keys)).encode())
    return total.hexdigest()


def _add(total: Any, value: Any, content: Callable[[Any], bytes]) -> None:
    if value is not None:
        total.update(content(value))


def _texts(texts: list[TextSample]) -> bytes:
    return "".join(f"{text.id}\t{text.text}\n" for text in texts).encode()


def _numbers(tag: str = "") -> Callable[[np.ndarray], bytes]:
    return lambda numbers: tag.encode() + np.ascontiguousarray(numbers, dtype=np.int64).tobytes()


def _masks(tag: str) -> Callable[[np.ndarray], bytes]:
    return lambda masks: tag.encode() + np.packbits(masks, axis=-1).tobytes()


def _lines(lines: Sequence[str]) -> bytes:
    return "\n".join(lines).encode()


def _trues(count: int) -> bytes:
    return f"all of {count}".encode() if count > 1 else b""


def _strata(strata: dict[str, np.ndarray]) -> bytes:
    return b"".join(name.encode() + np.packbits(mask).tobytes() for name, mask in sorted(strata.items()))


def _json(tag: str) -> Callable[[Any], bytes]:
    return lambda value: (tag + json.dumps(value)).encode()


def _boxes(boxes: Boxes) -> bytes:
    """Return the SHA-256 over ids, pictures, corners, classes and candidates of boxes."""
    total = hashlib.sha256("\n".join(boxes.ids).encode(errors="surrogatepass"))
    for numbers in (boxes.image, boxes.labels, boxes.candidates):
        if numbers is not None:
            total.update(np.ascontiguousarray(numbers, dtype=np.int64).data)
    total.update(np.ascontiguousarray(boxes.corners, dtype=np.float64).data)
    return total.digest()


# How each field enters the hash, if it is there. Order and tags are fixed: new fields come last, with a tag. Images and
# labels come first; masks and depths are hashed by their contents. Types and agreement belong to an answer, the owner
# of a text is among its positives or its id, and names, prompts and notes are hashed elsewhere or change no outcome.
_BEFORE_MASKS: dict[str, Callable[[Any], bytes]] = {
    "shown": _masks("shown"),
    "texts": _texts,
    "positives": _numbers(),
    "candidates": _numbers(),
    "alike": _numbers("alike"),
    "text_queries": _masks("texts asked"),
    "image_queries": _masks("images asked"),
    "absent_positives": _numbers("absent"),
    "choices": _numbers(),
    "train": _masks("train"),
    "sets": _numbers(),
    "trues": _trues,
    "groups": _lines,
    "answers": _lines,
    "boxes": _boxes,
}
_AFTER_MASKS: dict[str, Callable[[Any], bytes]] = {
    "strata": _strata,
    "references": _json("references"),
    "options": _json("options"),
    "hints": _json("hints"),
}
