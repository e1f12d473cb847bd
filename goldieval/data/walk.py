"""Files below a folder: those to use, and counts of those that are not used, by reason."""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

from goldieval.core.errors import TaskError, listing
from goldieval.data.file_names import escape_undecodable
from goldieval.data.roots import inside

PICTURES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm", ".pnm"}
    | {".jp2", ".avif"}
)
# Files left by macOS, Windows, network storage and notebooks; names that begin with a dot are hidden.
LEFTOVERS = frozenset({"__macosx", "@eadir", "thumbs.db", "desktop.ini", "$recycle.bin", "system volume information"})

HIDDEN = "hidden or system file"
LINK = "a link out of the folder"
LOOP = "a link to a parent folder"
OTHER = "not an image file"
NO_FILE = "neither file nor folder"

LeftOut = Counter[tuple[str, str]]  # (ending, reason)


def is_leftover(name: str) -> bool:
    """Return whether a file or folder was created by an operating system, not by a person.

    >>> is_leftover("__MACOSX"), is_leftover("._0.png"), is_leftover("cat")
    (True, True, False)
    """
    return name.startswith(".") or name.lower() in LEFTOVERS


def is_picture(name: str) -> bool:
    """Return whether a file name has the ending of an image file."""
    return PurePosixPath(name).suffix.lower() in PICTURES and not is_leftover(PurePosixPath(name).name)


def files_below(root: Path, top: Path, left_out: LeftOut, wanted: Callable[[str], bool] = is_picture) -> list[str]:
    """Return the wanted files below a folder, as sorted paths relative to it.

    Args:
        root: The data's folder; links that leave it are not followed.
        top: Folder to search.
        left_out: Counts the files that are not returned.
        wanted: Predicate on a path relative to ``top``.
    """
    return sorted(_walk(root, top, "", left_out, wanted, (os.path.realpath(top),)))


def leads_out(root: Path, path: Path) -> bool:
    """Return whether a path is a link that ``paths.inside`` does not follow."""
    try:
        inside(root, os.path.relpath(path, root))
    except TaskError:
        return True
    return False


def _walk(
    root: Path, top: Path, below: str, left_out: LeftOut, wanted: Callable[[str], bool], above: tuple[str, ...]
) -> Iterator[str]:
    for entry in os.scandir(top / below):
        name = f"{below}{entry.name}"
        if reason := _not_entered(root, entry, above):
            left_out[ending_of(entry), reason] += 1
        elif _is_folder(entry):
            yield from _walk(root, top, f"{name}/", left_out, wanted, (*above, os.path.realpath(entry.path)))
        elif wanted(name):
            yield name
        else:
            left_out[ending_of(entry), OTHER] += 1


def _not_entered(root: Path, entry: os.DirEntry[str], above: tuple[str, ...]) -> str:
    """Return why an entry is not examined, or an empty string."""
    if is_leftover(entry.name):
        return HIDDEN
    if not entry.is_symlink():
        return "" if _is_folder(entry) or entry.is_file() else NO_FILE
    if leads_out(root, Path(entry.path)):
        return LINK
    if _is_folder(entry):
        target = os.path.realpath(entry.path)
        return LOOP if any(Path(seen).is_relative_to(target) for seen in above) else ""
    return "" if not os.path.exists(entry.path) or entry.is_file() else NO_FILE  # broken links are reported on opening


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return stat.S_ISDIR(entry.stat().st_mode)
    except OSError:
        return False


def ending_of(entry: os.DirEntry[str] | Path) -> str:
    ending = PurePosixPath(entry.name).suffix.lower()
    if entry.is_dir():
        return "folders"
    return escape_undecodable(ending) if ending and len(ending) <= 12 else "others"


def left_out_notes(left_out: LeftOut) -> list[str]:
    """Return one line per reason, or none if nothing was left out.

    >>> left_out_notes(Counter({(".txt", OTHER): 2, (".db", HIDDEN): 1}))
    ['left out: 2 .txt (not an image file)', 'left out: 1 .db (hidden or system file)']
    """
    by_reason: dict[str, list[str]] = {}
    for (ending, reason), count in sorted(left_out.items(), key=lambda item: (-item[1], item[0])):
        if count:
            by_reason.setdefault(reason, []).append(f"{count:,} {ending}")
    return [f"left out: {listing(counts, 6)} ({reason})" for reason, counts in by_reason.items()]
