"""Names of WordNet ids: those of ImageNet's classes in clip-benchmark, else the lemmas that timm ships."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from goldieval.data.source import read_lines
from goldieval.tasks.prompts import CLASS_NAMES, clip_benchmark_entry

WNID = re.compile(r"n\d{8}")


def names_of_synsets(ids: Sequence[str]) -> dict[str, str]:
    """Return the names of WordNet ids; ids that no installed list contains are left out."""
    imagenet, lemmas = _imagenet(), _lemmas()
    names = {id: imagenet.get(id) or lemmas.get(id, "") for id in ids}
    return {id: name for id, name in names.items() if name}


@cache
def _imagenet() -> dict[str, str]:
    """Return the names of ImageNet's 1,000 classes as prompts use them, by WordNet id."""
    ids = _list_of_timm("imagenet_synsets.txt")
    names = clip_benchmark_entry("imagenet1k", CLASS_NAMES)
    return dict(zip(ids, names, strict=True)) if len(ids) == len(names) else {}


@cache
def _lemmas() -> dict[str, str]:
    """Return the first lemma of every WordNet id of ImageNet-22k."""
    pairs = (line.partition("\t") for line in _list_of_timm("imagenet_synset_to_lemma.txt"))
    return {id: lemmas.partition(",")[0].strip() for id, _, lemmas in pairs}


def _list_of_timm(name: str) -> list[str]:
    """Return the lines of a list of the installed timm, which open_clip requires; it is not imported."""
    spec = importlib.util.find_spec("timm")
    places = spec.submodule_search_locations if spec else None
    file = Path(*(places or [""])[:1], "data", "_info", name)
    return read_lines(file) if places and file.is_file() else []
