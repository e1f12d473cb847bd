"""Relative paths in a configuration file, which are relative to the folder of that file."""

from __future__ import annotations

import glob
from pathlib import Path
from typing import Any

WEIGHTS = (".pt", ".pth", ".ckpt", ".bin", ".safetensors", ".tar")
CARDS = (".yaml", ".yml")


def rebased(value: Any, key: str, is_path: bool, folder: Path) -> Any:
    """Return a value with relative paths joined to a folder; values that are not paths remain as they are.

    Args:
        value: value of an option, or a list of values.
        key: name of the option.
        is_path: whether the option is a path.
        folder: folder of the configuration file.
    """
    if isinstance(value, list):
        return [rebased(each, key, is_path, folder) for each in value]
    if is_path:
        return _joined(folder, value)
    return _OF_KEY[key](value, folder) if key in _OF_KEY else value


def rebased_model(text: str, folder: Path) -> str:
    """Return a model spec in which files and folders are relative to the working folder.

    WHERE is a path if something is there, or if it looks like one (a folder, a pattern or a weights file) and not like
    a revision on the Hub. NAME is a path if it is a folder.
    """
    from goldieval.models.spec import parse_spec
    from goldieval.models.spec_text import options_text, with_where

    if text.startswith("."):  # ./FILE.py:FUNCTION
        joined = _joined(folder, text)
        return joined if joined.startswith(("/", ".", "~")) else f"./{joined}"
    spec = parse_spec(text)
    where, name = spec.where, spec.name
    if where and _is_path(where, folder):
        return with_where(spec, _joined(folder, where))
    if name and not where and _there(folder, name):
        return f"{spec.family}:{_joined(folder, name)}{options_text(spec)}"
    return text


def rebased_tasks(text: str, folder: Path) -> str:
    """Return a list of tasks, separated by commas, in which paths of cards are relative to the working folder."""
    parts = [part.strip() for part in text.split(",")]
    return ",".join(_joined(folder, part) if part.endswith(CARDS) or "/" in part else part for part in parts)


def _is_path(where: str, folder: Path) -> bool:
    if where.startswith("refs/"):
        return False
    looks = "/" in where or glob.has_magic(where) or where.partition("#")[0].endswith(WEIGHTS)
    return looks or _there(folder, where)


def _there(folder: Path, name: str) -> bool:
    try:
        return (folder / name).expanduser().exists()
    except (OSError, ValueError, RuntimeError):  # a name that no file can have
        return False


def _joined(folder: Path, path: str) -> str:
    return path if path.startswith("~") or Path(path).is_absolute() else str(folder / path)


_OF_KEY = {"model": rebased_model, "tasks": rebased_tasks}
