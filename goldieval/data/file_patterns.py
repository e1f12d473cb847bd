"""Files that a card names by a pattern: a glob, or names with braces; all of them inside the data's folder."""

from __future__ import annotations

from pathlib import Path

from goldieval.core.errors import TaskError
from goldieval.core.limits import GROUPS, PATTERN
from goldieval.data.braces import expanded
from goldieval.data.roots import inside


def matching_files(folder: Path, pattern: str, where: str) -> list[str]:
    """Return the sorted paths below a folder that match a glob pattern.

    Args:
        folder: Folder of the data.
        pattern: The pattern.
        where: Key of the card, for error messages.

    Raises:
        TaskError: The pattern is invalid or leaves the folder.
    """
    inside(folder, pattern)  # the glob pattern must stay inside the folder as well
    if pattern.count("**") > 2:
        raise TaskError(f"{where}: {pattern[:60]!r} has more than two '**'.")
    try:
        found = sorted(folder.glob(pattern)) if folder.is_dir() else []
    except (ValueError, NotImplementedError) as error:
        raise TaskError(f"{where}: {pattern!r} is not a valid glob pattern: {error}.") from error
    names = [file.relative_to(folder).as_posix() for file in found]
    for name in names:
        inside(folder, name)
    return names


def named_files(folder: Path, pattern: str, most: int, where: str) -> list[str]:
    """Return the paths that a pattern with braces names, whether they exist or not.

    Args:
        folder: Folder of the data.
        pattern: The pattern.
        most: Maximum number of paths.
        where: Key of the card, for error messages.

    Raises:
        TaskError: The pattern is invalid, names too many files, or leaves the folder.
    """
    if len(pattern) > PATTERN or pattern.count("{") > GROUPS or "\0" in pattern:
        raise TaskError(f"{where}: {pattern[:60]!r} is not a valid pattern of files.")
    try:
        names = list(expanded(pattern, most))
    except ValueError as error:
        raise TaskError(f"{where}: {pattern[:60]!r} is not a valid pattern of files: {error}.") from None
    for name in names:
        inside(folder, name)
    return names
