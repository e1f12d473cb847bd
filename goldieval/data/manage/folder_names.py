"""Names of class folders from a file beside them: of WordNet ids, numbers or other keys."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from goldieval.core.errors import TaskError
from goldieval.data.manage.finding import files_of, json_or_none
from goldieval.data.text_files import read_text_file

MOST_BYTES = 10_000_000
MOST_FILES = 200


def names_beside(folder: Path, keys: Sequence[str]) -> tuple[list[str], str] | None:
    """Return the names of class folders, and the file that has them: a text of keys and names, or a JSON mapping.

    Such files are ``LOC_synset_mapping.txt`` (``n01440764 tench, Tinca tinca``), ``words.txt``,
    ``cat_to_name.json`` (``{"21": "fire lily"}``), and ``imagenet_class_index.json`` with pairs of both.

    Args:
        folder: Folder of the data.
        keys: Names of the folders, in the order of the labels.
    """
    for file in files_of(folder, [".txt", ".json", ".tsv"])[:MOST_FILES]:
        if file.stat().st_size > MOST_BYTES:
            continue
        named = _of_json(json_or_none(file, [])) if file.suffix.lower() == ".json" else _of_text(file)
        names = [named.get(key, "") for key in keys]
        if all(names) and names != list(keys) and len(set(names)) > 1:
            return names, file.relative_to(folder).as_posix()
    return None


def _of_json(content: Any) -> dict[str, str]:
    """Return names by key, of a mapping to names or to pairs of key and name."""
    if not isinstance(content, dict):
        return {}
    pairs = [value if _is_pair(value) else (key, value) for key, value in content.items()]
    return {str(key): _first(name) for key, name in pairs if isinstance(name, str)}


def _is_pair(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(isinstance(each, str) for each in value)


def _of_text(file: Path) -> dict[str, str]:
    try:
        lines = [line.strip() for line in read_text_file(file).splitlines() if line.strip()]
    except TaskError:
        return {}
    pairs = [line.split("\t", 1) if "\t" in line else line.split(None, 1) for line in lines]
    return {pair[0].rstrip(":,"): _first(pair[1]) for pair in pairs if len(pair) == 2}


def _first(names: str) -> str:
    """Return the first of several names: ``tench, Tinca tinca``."""
    return names.partition(",")[0].strip()
