"""Files of a dataset repository on the Hub that one task needs: those of one configuration and split."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import Any

from goldieval.core.errors import GoldievalError, listing
from goldieval.data.fetch.hub import Listing
from goldieval.data.manage.generic_names import SPLITS, split_of

HUB = re.compile(r"hf:(?P<repository>(?:[A-Za-z0-9][\w.-]*/)?[A-Za-z0-9][\w.-]*)(?:@(?P<revision>[\w./-]+))?")
DATA = (".parquet", ".tar")
NO_CONFIGURATION = ("", "data")  # folders that do not name a configuration

Splits = dict[str, list[str]]  # paths by split


@dataclass(frozen=True)
class HubRequest:
    """What the user asked for.

    Attributes:
        repository: The repository.
        revision: Branch, tag or commit.
        config: Configuration; empty if it is to be determined.
        split: Split; empty if it is to be determined.
    """

    repository: str
    revision: str = "main"
    config: str = ""
    split: str = ""

    @property
    def name(self) -> str:
        return self.repository.rpartition("/")[2]


@dataclass(frozen=True)
class HubSelection:
    """The files to download.

    Attributes:
        paths: Their paths.
        patterns: Glob patterns that match exactly these files of the repository.
        notes: Which configuration and split were taken, and which others there are.
    """

    paths: list[str]
    patterns: list[str]
    notes: list[str] = field(default_factory=list)


def parse_request(text: str, config: str = "", split: str = "") -> HubRequest:
    """Parse ``hf:OWNER/NAME[@REVISION]``. Raises GoldievalError."""
    found = HUB.fullmatch(text)
    if not found or ".." in text:
        raise GoldievalError(f"{text[:80]!r}: write hf:OWNER/NAME or hf:OWNER/NAME@REVISION.")
    return HubRequest(found["repository"], found["revision"] or "main", config, split)


def select_files(request: HubRequest, listed: Listing) -> HubSelection:
    """Choose the files of one configuration and split.

    Raises:
        GoldievalError: There are no Parquet files and no tars, or several configurations or splits fit.
    """
    paths = [file.path for file in listed.wanted if file.path.lower().endswith(DATA)]
    if not paths:
        others = sorted({PurePosixPath(file.path).suffix for file in listed.wanted})
        raise GoldievalError(
            f"{request.repository} has no Parquet files and no tars at {listed.commit[:12]}, only {', '.join(others)}: "
            f"try hf:{request.repository}@refs/convert/parquet, or download it and import the folder."
        )
    configs = _configs_of_card(listed.card, paths) or _configs_by_folder(paths)
    config = _chosen(request.repository, "configuration", "--config", request.config, configs, ["default"])
    splits = configs[config]
    split = _chosen(request.repository, "split", "--split", request.split, splits, SPLITS)
    notes = _note("configuration", config, configs, "--config") + _note("split", split, splits, "--split")
    chosen = splits[split]
    return HubSelection(chosen, _patterns(chosen, [file.path for file in listed.wanted]), notes)


def _chosen(
    repository: str, what: str, option: str, asked: str, found: Mapping[str, Any], preferred: Sequence[str]
) -> str:
    """Return the one that was asked for, the only one, or the first that is preferred."""
    if asked:
        if asked not in found:
            raise GoldievalError(f"{repository} has no {what} {asked!r}; it has {listing(list(found), 10)}.")
        return asked
    known = [name for name in preferred if name in found]
    if len(found) > 1 and not known:
        raise GoldievalError(f"{repository} has {len(found)} {what}s ({listing(list(found), 10)}): add {option}.")
    return known[0] if known else next(iter(found))


def _note(what: str, chosen: str, found: Mapping[str, Any], option: str) -> list[str]:
    others = listing([name for name in found if name != chosen], 10)
    return [f"of {len(found)} {what}s {chosen} is taken; the others: {others} ({option})"] if len(found) > 1 else []


def _configs_of_card(card: Mapping[str, Any], paths: Sequence[str]) -> dict[str, Splits]:
    """Return the configurations that a README.md declares under ``configs``, with the files that exist."""
    configs: dict[str, Splits] = {}
    declared = card.get("configs")
    for config in declared if isinstance(declared, list) else []:
        if isinstance(config, dict) and (splits := _splits_of(config.get("data_files"), paths)):
            configs[str(config.get("config_name", "default"))] = splits
    return configs


def _splits_of(declared: Any, paths: Sequence[str]) -> Splits:
    """Return the files of each split: declared as patterns, or as a list of splits with patterns."""
    splits: Splits = {}
    for entry in declared if isinstance(declared, list) else [declared]:
        split, patterns = (entry.get("split"), entry.get("path")) if isinstance(entry, dict) else ("train", entry)
        found = [path for path in paths if any(fnmatchcase(path, pattern) for pattern in _texts(patterns))]
        if found:
            splits.setdefault(str(split), []).extend(found)
    return splits


def _texts(value: Any) -> list[str]:
    return [text for text in (value if isinstance(value, list) else [value]) if isinstance(text, str)]


def _configs_by_folder(paths: Iterable[str]) -> dict[str, Splits]:
    """Return configurations and splits as the folders and names of files show them."""
    configs: dict[str, Splits] = defaultdict(dict)
    for path in paths:
        parents = [part for part in PurePosixPath(path).parent.parts if part not in NO_CONFIGURATION]
        split = split_of(PurePosixPath(path).stem)
        if not split and parents and split_of(parents[-1]):
            split = split_of(parents.pop())
        configs["/".join(parents) or "default"].setdefault(split or "all", []).append(path)
    return dict(configs)


def _patterns(chosen: Sequence[str], paths: Sequence[str]) -> list[str]:
    """Return one glob pattern that matches exactly the chosen files, or their paths."""
    start = _common(chosen)
    end = _common([path[::-1] for path in chosen])[::-1]
    pattern = f"{start}*{end}"
    if len(chosen) > 1 and not set("[?*") & set(start + end):
        matching = [path for path in paths if fnmatchcase(path, pattern)]
        return [pattern] if sorted(matching) == sorted(chosen) else list(chosen)
    return list(chosen)


def _common(texts: Sequence[str]) -> str:
    first, last = min(texts), max(texts)
    same = (place for place, (a, b) in enumerate(zip(first, last, strict=False)) if a != b)
    return first[: next(same, min(len(first), len(last)))].rstrip("0123456789")
