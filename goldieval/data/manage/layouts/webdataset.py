"""A web dataset of clip-benchmark: ``<split>/0.tar``, ``1.tar`` … with their number in ``<split>/nshards.txt``."""

from __future__ import annotations

from pathlib import Path

from goldieval.data.manage.finding import DetectionHints, Faults, Finding, is_wanted
from goldieval.data.manage.places import folders_in
from goldieval.data.webdataset import samples_of


def find(folder: Path, hints: DetectionHints, faults: Faults) -> list[Finding]:
    """Return the splits of a web dataset; the first sample distinguishes classes from captions."""
    found = []
    for place in folders_in(folder):
        first = place / "0.tar"
        if not first.is_file() or not (place / "nshards.txt").is_file():
            continue  # without their number, they are shards under any name
        _, members = next(samples_of(first), ("", {}))
        family = "zeroshot" if "cls" in members else "retrieval"
        if is_wanted(family, hints):
            description = f"a web dataset, {'classes in .cls' if family == 'zeroshot' else 'captions in .txt'}"
            found.append(Finding({"reader": "webdataset", "split": place.name}, family, place.name, description))
    return found
