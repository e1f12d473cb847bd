"""Shards of a web dataset under any name: ``00000.tar`` … as img2dataset writes them, one group for each split."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from glob import escape
from itertools import islice
from pathlib import Path
from typing import Any

from goldieval.core.errors import TaskError, listing
from goldieval.core.reading import parse_json
from goldieval.data.labels import class_names_in, label_text
from goldieval.data.manage.finding import DetectionHints, Faults, Finding, UndecidedError, UnfitError, files_of
from goldieval.data.manage.generic_names import split_of
from goldieval.data.manage.row_columns import caption_column, label_column
from goldieval.data.tar_samples import TarImage, picture_of, samples_of
from goldieval.data.text_files import text_of

CLASS_NAMES = "classnames.txt"
LOOKED_AT = 100  # samples of the first shard that are examined
LARGEST_JSON = 10**6  # bytes of a .json that is examined
NUMBERED = re.compile(r"(.*?)([0-9]+)\.tar")

Samples = list[dict[str, TarImage]]


def find(folder: Path, hints: DetectionHints, faults: Faults) -> list[Finding]:
    """Return one finding for each group of shards; those that are no web dataset are added to ``faults``."""
    found = []
    for place, tars in groups_of(folder).items():
        if hints.file and hints.file not in (place, *tars):
            continue
        try:
            found.append(_finding(folder, hints.file or place, tars, hints))
        except (TaskError, UnfitError, UndecidedError) as error:
            faults.append(error)
    return found


def groups_of(folder: Path) -> dict[str, list[str]]:
    """Return the tars below a folder by the place that names their group: a folder, or one of several splits in it."""
    by_folder: dict[Path, list[Path]] = defaultdict(list)
    for file in files_of(folder, [".tar"]):
        if not (file.parent / "nshards.txt").is_file():
            by_folder[file.parent].append(file)
    groups: dict[str, list[str]] = {}
    for parent, tars in by_folder.items():
        by_split: dict[str, list[str]] = defaultdict(list)
        for tar in tars:
            by_split[split_of(tar.stem)].append(tar.relative_to(folder).as_posix())
        if len(by_split) == 1:
            groups[parent.relative_to(folder).as_posix()] = next(iter(by_split.values()))
        else:
            groups |= {_pattern(folder, names)[0]: names for names in by_split.values()}
    return groups


def _finding(folder: Path, place: str, tars: list[str], hints: DetectionHints) -> Finding:
    """Return how the samples of a group are read. Raises UnfitError or UndecidedError if that is not clear."""
    first = folder / tars[0]
    samples = [members for _, members in islice(samples_of(first), LOOKED_AT)]
    with_picture = [members for members in samples if picture_of(str(first), members)]
    if not with_picture:
        raise UnfitError(f"{tars[0]} holds no images that share their name with a text or label.")
    pattern, gaps = _pattern(folder, tars)
    counts = Counter(ending for members in with_picture for ending in members)
    rows = _mappings(first, with_picture)
    keys = _labels(counts, rows, hints) or _captions(counts, rows, hints)
    if keys is None:
        raise UnfitError(
            f"the samples of {tars[0]} hold {listing([f'.{ending}' for ending in sorted(counts)])}, but neither "
            "captions (.txt, .json) nor labels (.cls)."
        )
    family, about, source = keys
    if family == "zeroshot":
        _check_names(folder, first, with_picture, rows, source.get("label", ""))
    many = f"{len(tars):,} shards {pattern}" if len(tars) > 1 else f"the shard {pattern}"
    return Finding(
        {"reader": "webdataset", "shards": pattern, **source},
        family,
        place,
        f"a web dataset, {many}, {about}",
        [*gaps, *_beside(folder, tars)],
    )


Keys = tuple[str, str, dict[str, str]]  # family, description, and keys of the source


def _labels(counts: Counter[str], rows: list[dict[str, Any]], hints: DetectionHints) -> Keys | None:
    """Return where the labels are, or None if there are none or captions are wanted."""
    if hints.named_family not in (None, "zeroshot"):
        return None
    if "cls" in counts and not hints.label:
        return "zeroshot", "classes in .cls", {}
    if hints.named_family == "zeroshot" and (label := label_column(".json", rows, hints.label)):
        return "zeroshot", f"classes in {label!r} of .json", {"label": label}
    return None


def _captions(counts: Counter[str], rows: list[dict[str, Any]], hints: DetectionHints) -> Keys | None:
    """Return where the captions are: in .json, which keeps a caption of several lines whole, or in .txt."""
    if hints.named_family not in (None, "retrieval"):
        return None
    try:
        key = caption_column(".json", rows, hints.caption)
    except UndecidedError:
        if "txt" not in counts or hints.caption:
            raise
        key = ""
    if key:
        return "retrieval", f"captions in {key!r} of .json", {"caption": key}
    return ("retrieval", "captions in the lines of .txt", {}) if "txt" in counts else None


def _mappings(tar: Path, samples: Samples) -> list[dict[str, Any]]:
    """Return the mappings in the .json of the samples; damaged ones are reported by the reader."""
    contents = []
    for members in samples:
        if "json" in members and members["json"].size <= LARGEST_JSON:
            try:
                contents.append(parse_json(members["json"].read()))
            except (ValueError, OSError):
                continue
    return [content for content in contents if isinstance(content, dict)]


def _check_names(folder: Path, tar: Path, samples: Samples, rows: list[dict[str, Any]], label: str) -> None:
    """Raise UndecidedError if labels are numbers and there are no names for them."""
    if (folder / CLASS_NAMES).is_file():
        return
    written = [text_of(members["cls"].read(), f"{tar}, .cls").strip() for members in samples if "cls" in members]
    values = [row.get(label) for row in rows] if label else list(written)
    labels = {label_text(str(tar), value) for value in values if value is not None}
    if class_names_in(labels) is None:
        numbers = sorted(labels, key=lambda text: (len(text), text))
        raise UndecidedError(
            f"{tar.name}: its labels are class numbers ({listing(numbers, 5)}), but prompts require names. Write them "
            f"into {folder / CLASS_NAMES}, one per line, from class 0 on, and run the same command again."
        )


def _pattern(folder: Path, tars: Sequence[str]) -> tuple[str, list[str]]:
    """Return the pattern that names exactly these shards, and a note if numbers are missing.

    >>> _pattern(Path(), ["a/00.tar", "a/01.tar"]), _pattern(Path(), ["b.tar"])
    (('a/{00..01}.tar', []), ('b.tar', []))
    """
    names = sorted(tars)
    if len(names) == 1 and "{" not in names[0]:
        return _literal(names[0]), []
    matches = [NUMBERED.fullmatch(name) for name in names]
    numbered = [(match[1], match[2]) for match in matches if match]
    if len(numbered) == len(names) and len({(prefix, len(digits)) for prefix, digits in numbered}) == 1:
        prefix, first, last = numbered[0][0], numbered[0][1], numbered[-1][1]
        there = {int(digits) for _, digits in numbered}
        lacking = [number for number in range(int(first), int(last) + 1) if number not in there]
        if not lacking and not set("{}[]*?,") & set(prefix):
            return f"{prefix}{{{first}..{last}}}.tar", []
        shown = listing([f"{number:0{len(first)}}.tar" for number in lacking])
        notes = [f"shards are missing between the first and the last: {shown}"] if lacking else []
        return f"{escape(prefix)}{'[0-9]' * len(first)}.tar", notes
    parent = Path(names[0]).parent
    if len(set(names)) == len(list((folder / parent).glob("*.tar"))):
        return (parent / "*.tar").as_posix(), []
    stems = ",".join(Path(name).stem for name in names)
    return (parent / f"{{{stems}}}.tar").as_posix(), []


def _literal(name: str) -> str:
    return escape(name)


def _beside(folder: Path, tars: Sequence[str]) -> list[str]:
    """Return a note on files beside the shards with their names: lists of the download."""
    stems = {(folder / tar).with_suffix("") for tar in tars}
    beside = [place for stem in stems for place in (stem.with_suffix(".parquet"), Path(f"{stem}_stats.json"))]
    counts = Counter(place.suffix for place in beside if place.is_file())
    shown = [f"{count:,} {ending}" for ending, count in sorted(counts.items())]
    return [f"left out: {listing(shown)} (lists of the download)"] if shown else []
