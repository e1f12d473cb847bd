"""Drawn scenes in the user's cache folder, so that a training starts in a second.

The file's name is a hash of everything that can change its content, including the code that draws and tokenises. A file
may be deleted at any time; a damaged one is drawn again; where the folder cannot be written there is no cache.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import PIL
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

import goldieval.data.shapes as world
from goldieval.core.checksums import checksum
from goldieval.core.files import atomic_write, exclusive_lock
from goldieval.data.roots import cache_root
from goldieval.goldiclip.data.corpus import Ids
from goldieval.goldiclip.tokenizer import Tokenizer

MAX_BYTES = 2**30  # larger corpora are not kept; 80,000 scenes at 64 px fit

Parts = dict[str, torch.Tensor]
Content = tuple[torch.Tensor, list[list[Ids]], list[list[tuple[Ids, Ids]]], list[list[list[Ids]]]]


PROBE = "A photo of 3 dogs, it's UPPER case."  # its tokens show how a tokenizer cleans and splits
SOURCES = ("shapes_cache.py", "shapes.py", "training_scenes.py", "foregrounds.py")


def file_of(scenes: int, resolution: int, tokenizer: Tokenizer, first: int = 0) -> Path:
    """Return the file of so many scenes from the first on, whether or not it exists."""
    return _file(f"{first}+{scenes}/{resolution}", repr((tokenizer.encoder, tokenizer.ids(PROBE))))


def foregrounds_file(scenes: int, resolution: int, first: int = 0) -> Path:
    """Return the file of the foregrounds of these scenes, whether or not it exists."""
    return _file(f"{first}+{scenes}/{resolution}", "foregrounds")


def _file(scenes: str, content: str) -> Path:
    code = sorted(Path(world.__file__).parent.glob("*.py"))
    digest = hashlib.sha256(f"{scenes}/Pillow {PIL.__version__}".encode())
    for source in [*code, *map(Path(__file__).with_name, SOURCES)]:
        digest.update(source.read_bytes())
    digest.update(content.encode())
    return cache_root() / "training-scenes" / f"{digest.hexdigest()[:32]}.safetensors"


def cached_parts(file: Path, drawn: Callable[[], Parts]) -> Parts:
    """Return the tensors in a file, or draw and keep them; of several processes, one draws."""
    with exclusive_lock(file):
        found = _stored(file)
        if found is not None:
            return found
        parts = drawn()
        _store(file, parts)
        return parts


def cached(file: Path, scenes: int, resolution: int, drawn: Callable[[], Content]) -> Content:
    """Return the scenes in a file, or draw and keep them; of several processes, one draws."""
    if scenes * resolution**2 * 3 > MAX_BYTES:
        return drawn()
    with exclusive_lock(file):
        found = _read(file, scenes, resolution)
        if found is not None:
            return found
        content = drawn()
        _write(file, content)
        return content


def _stored(file: Path) -> Parts | None:
    """Return the tensors in a file, or None where it is missing or damaged."""
    try:
        with safe_open(str(file), framework="pt") as stored:
            parts = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
            return parts if (stored.metadata() or {})["sha256"] == _checksum(file, parts) else None
    except (OSError, KeyError, SafetensorError):
        return None


def _store(file: Path, parts: Parts) -> None:
    try:
        atomic_write(file, save(parts, {"sha256": _checksum(file, parts)}))
    except OSError:
        return  # a full disk costs the next start some seconds, and this run nothing


def _read(file: Path, scenes: int, resolution: int) -> Content | None:
    parts = _stored(file)
    if parts is None:
        return None
    try:
        pictures = parts["pictures"]
        if pictures.shape != (scenes, resolution, resolution, 3) or pictures.dtype != torch.uint8:
            return None
        sentences = _unflattened(parts["sentences"], parts["sentence_lengths"], parts["sentence_counts"])
        texts = _unflattened(parts["questions"], parts["question_lengths"], parts["question_counts"])
        foils = _unflattened(parts["foils"], parts["foil_lengths"], parts["foil_counts"])
        groups = _split(parts["foil_groups"].tolist(), parts["foil_group_counts"].tolist())
    except KeyError:
        return None
    if len(sentences) != scenes or len(texts) != scenes:
        return None
    asked = [list(zip(own[::2], own[1::2], strict=True)) for own in texts]
    return pictures, sentences, asked, [_split(own, sizes) for own, sizes in zip(foils, groups, strict=True)]


def _write(file: Path, content: Content) -> None:
    pictures, sentences, questions, foils = content
    sentence = _flattened(sentences)
    question = _flattened([[text for pair in own for text in pair] for own in questions])
    foil = _flattened([[text for choice in own for text in choice] for own in foils])
    parts = {
        "pictures": pictures,
        **dict(zip(("sentences", "sentence_lengths", "sentence_counts"), sentence, strict=True)),
        **dict(zip(("questions", "question_lengths", "question_counts"), question, strict=True)),
        **dict(zip(("foils", "foil_lengths", "foil_counts"), foil, strict=True)),
        "foil_groups": torch.tensor([len(group) for own in foils for group in own], dtype=torch.int32),
        "foil_group_counts": torch.tensor([len(own) for own in foils], dtype=torch.int32),
    }
    _store(file, parts)


def _checksum(file: Path, parts: dict[str, torch.Tensor]) -> str:
    return checksum(file.stem, {name: part.contiguous().numpy() for name, part in parts.items()})


def _flattened(nested: Sequence[Sequence[Ids]]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return all ids concatenated, the length of each text, and the number of texts of each scene."""
    ids = torch.tensor([id for own in nested for text in own for id in text], dtype=torch.int32)
    lengths = torch.tensor([len(text) for own in nested for text in own], dtype=torch.int32)
    return ids, lengths, torch.tensor([len(own) for own in nested], dtype=torch.int32)


def _unflattened(ids: torch.Tensor, lengths: torch.Tensor, counts: torch.Tensor) -> list[list[Ids]]:
    texts = _split(ids.tolist(), lengths.tolist())
    return _split(texts, counts.tolist())


def _split(items: list[Any], lengths: list[int]) -> list[list[Any]]:
    ends = [0, *accumulate(lengths)]
    return [items[start:end] for start, end in pairwise(ends)]
