"""Shell completion of tasks, models, recipes and tables, from the names of files: no card is read."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable
from pathlib import Path

import typer

from goldieval.core.packaged import packaged

BREAKS = ":@"  # characters of model specs at which bash splits words
KEPT = "GOLDIEVAL_KEPT_BY_BASH"  # what of the word stays on the line while bash replaces the rest
PACKAGE = Path(__file__).parents[1]


def complete_tasks(context: typer.Context, incomplete: str) -> list[str]:
    """Return the tasks and suites that continue the last name of a list separated by commas."""
    before, comma, last = incomplete.rpartition(",")
    own = context.params.get("tasks_dir")
    folders = [packaged("tasks"), *([Path(own).expanduser()] if own else [])]
    names = [file.stem for folder in folders for file in (*folder.glob("*.yaml"), *(folder / "suites").glob("*.yaml"))]
    return [f"{before}{comma}{name}" for name in _continuing(names, last)]


def complete_models(context: typer.Context, incomplete: str) -> list[str]:
    """Return the families, the named checkpoints of one, or the files after ``@``, that continue a model spec."""
    from goldieval.tasks.plugins import model_families

    kept = os.environ.get(KEPT, "")
    spec = kept + incomplete
    if "@" in spec:
        stem, _, path = spec.partition("@")
        found = [f"{stem}@{file}" for file in _files(path)]
    elif ":" in spec:
        from goldieval.models.listing import listed_specs

        found = _continuing(listed_specs(spec.partition(":")[0]), spec)
    else:
        found = _continuing(model_families(), spec)
    return [each.removeprefix(kept) for each in found]


def complete_recipes(context: typer.Context, incomplete: str) -> list[str]:
    """Return the shipped recipes that continue a name."""
    folder = PACKAGE / "goldiclip" / "recipes"
    files = (file.relative_to(folder).with_suffix("") for file in folder.rglob("[!_]*.yaml"))
    return _continuing((file.as_posix() for file in files), incomplete)


def complete_tables(context: typer.Context, incomplete: str) -> list[str]:
    """Return the shipped tables that continue a name."""
    shipped = (file.stem for file in (PACKAGE / "report" / "specs").glob("*.yaml"))
    return _continuing([*shipped, "field"], incomplete)


def join_words_of_bash() -> None:
    """Join the parts into which bash has split model specs, if bash asks for completions.

    ``open_clip:ViT`` arrives as three words, of which bash replaces the last. The variables through which the words
    arrive are set anew with the last part only, and what comes before it is noted for ``complete_models``.
    """
    words = os.environ.get("COMP_WORDS", "").split("\n")
    at = int(os.environ.get("COMP_CWORD") or 0)
    if not at:
        return
    words += [""] * (at + 1 - len(words))
    joined: list[str] = []
    for before, word in zip(["", *words], words[: at + 1], strict=False):
        if joined and (_is_break(word) or _is_break(before)):
            joined[-1] += word
        else:
            joined.append(word)
    if len(joined) > at:  # nothing was split
        return
    end = 1 + max(joined[-1].rfind(mark) for mark in BREAKS)
    os.environ[KEPT], joined[-1] = joined[-1][:end], joined[-1][end:]
    os.environ["COMP_WORDS"] = "\n".join(map(shlex.quote, joined))
    os.environ["COMP_CWORD"] = str(len(joined) - 1)


def _is_break(word: str) -> bool:
    return bool(word) and all(mark in BREAKS for mark in word)


def _continuing(names: Iterable[str], start: str) -> list[str]:
    return sorted({name for name in names if name.startswith(start)})


def _files(start: str) -> list[str]:
    """Return the files and folders that continue a path; folders end with a slash."""
    folder, _, name = start.rpartition("/")
    place = Path(f"{folder}/" if "/" in start else ".").expanduser()
    try:
        entries = [entry for entry in os.scandir(place) if entry.name.startswith(name)]
    except OSError:
        return []
    shown = [
        entry.name + ("/" if entry.is_dir() else "") for entry in entries if name or not entry.name.startswith(".")
    ]
    return sorted(f"{folder}/{each}" if "/" in start else each for each in shown)
