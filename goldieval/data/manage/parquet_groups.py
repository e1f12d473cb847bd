"""Groups of Parquet files: those of one folder and split, as the ``datasets`` library writes them."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from glob import escape
from pathlib import Path

from goldieval.data.file_patterns import matching_files
from goldieval.data.manage.finding import files_of

# `test-00000-of-00003-3f2a`, `0000` and `part_7`: a part of the files that begin alike.
PART = re.compile(r"(?P<prefix>.*?)(?:[-_.]?[0-9]{3,}-of-[0-9]{3,}(?:-[0-9a-f]+)?|(?:^|[-_.])[0-9]+|[0-9]{4,})")


def groups_of(folder: Path) -> dict[str, list[str]]:
    """Return the Parquet files below a folder by the glob pattern that names them: those of one folder and split."""
    by_prefix: dict[tuple[str, str], list[str]] = defaultdict(list)
    for file in files_of(folder, [".parquet"]):
        name = file.relative_to(folder)
        part = PART.fullmatch(file.stem)
        by_prefix[name.parent.as_posix(), part["prefix"] if part else file.stem].append(name.as_posix())
    return {_pattern(folder, parent, prefix, names): names for (parent, prefix), names in by_prefix.items()}


def _pattern(folder: Path, parent: str, prefix: str, names: Sequence[str]) -> str:
    """Return a pattern that matches exactly these files."""
    below = "" if parent == "." else f"{escape(parent)}/"
    start = f"{below}{escape(prefix)}"
    if len(names) == 1 and "-of-" not in names[0]:
        return escape(names[0])
    patterns = [f"{start}-*.parquet", f"{start}*.parquet", f"{start}[0-9]*.parquet", f"{start}-[0-9]*-of-*.parquet"]
    fitting = (pattern for pattern in patterns if matching_files(folder, pattern, "files") == sorted(names))
    return next(fitting, escape(names[0]))
