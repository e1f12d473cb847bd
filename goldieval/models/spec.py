"""The grammar of model specs: ``FAMILY[:NAME][@WHERE]`` or ``FILE.py:FUNCTION``."""

from __future__ import annotations

import glob
import os
import re
from dataclasses import dataclass, replace

from goldieval.core.errors import GoldievalError

_FAMILY = re.compile(r"[A-Za-z0-9_.-]+")


@dataclass(frozen=True)
class ModelSpec:
    """A model as specified by the user.

    Attributes:
        text: The spec as typed.
        family: Name of the model family, or ``file`` for FILE.py:FUNCTION.
        name: Architecture, folder, repository on the Hub, or function.
        where: A file, a glob pattern of checkpoints, or a revision on the Hub; for ``file`` the Python file.
    """

    text: str
    family: str
    name: str = ""
    where: str = ""


def parse_spec(text: str) -> ModelSpec:
    """Split a model spec at the first ``:`` and the first ``@`` after it, unless NAME is an existing folder.

    Architectures and repositories do not contain ``@`` in their names; files and folders may.

    Raises:
        GoldievalError: A part is empty, or the spec does not begin with a family name.

    >>> parse_spec("open_clip:ViT-B-32@runs/epoch_32.pt")
    ModelSpec(text='open_clip:ViT-B-32@runs/epoch_32.pt', family='open_clip', name='ViT-B-32', where='runs/epoch_32.pt')
    """
    if text.startswith((".", "/", "~")):
        return _file_spec(text)
    match = _FAMILY.match(text)
    rest = text[match.end() :] if match else ""
    if not match or (rest and rest[0] not in ":@"):
        raise GoldievalError(f"model {text!r} is not a spec. Write FAMILY[:NAME][@WHERE] or ./FILE.py:FUNCTION.")
    if rest.startswith("@"):
        spec = ModelSpec(text, match.group(), where=rest[1:])
        empty = not spec.where.strip()
    else:
        folder = os.path.isdir(os.path.expanduser(rest[1:]))
        name, at, where = (rest[1:], "", "") if folder else rest[1:].partition("@")
        spec = ModelSpec(text, match.group(), name, where)
        empty = bool(rest and not name.strip()) or bool(at and not where.strip())
    if empty:
        raise GoldievalError(f"model {text!r}: nothing after ':' or '@'. Write FAMILY[:NAME][@WHERE].")
    return spec


def _file_spec(text: str) -> ModelSpec:
    file, _, function = text.rpartition(":")
    if not file.endswith(".py") or not function.isidentifier():
        raise GoldievalError(f"model {text!r} looks like a path. Write ./FILE.py:FUNCTION, or FAMILY[:NAME]@FILE.")
    return ModelSpec(text, "file", function, os.path.expanduser(file))


def expand(spec: ModelSpec) -> list[ModelSpec]:
    """Return one spec per file if WHERE is a glob pattern, in natural order; otherwise the spec itself.

    Raises:
        GoldievalError: No file matches the pattern.
    """
    stem = spec.text.removesuffix(spec.where)
    spec = replace(spec, where=os.path.expanduser(spec.where))
    if spec.family == "file" or not glob.has_magic(spec.where) or os.path.exists(spec.where):
        return [spec]
    pattern, part = split_part(spec.where)
    files = sorted(glob.glob(_literal(pattern), recursive=True), key=_natural)
    if not files:
        raise GoldievalError(f"model {spec.text!r}: no file matches {pattern}.")
    found = [f"{file}#{part}" if part else file for file in files]
    return [replace(spec, text=stem + where, where=where) for where in found]


def split_part(where: str) -> tuple[str, str]:
    """Split ``FILE#PART``, where PART names one of several models in a file, unless a file has that whole name.

    >>> split_part("runs/last.pt#ema"), split_part("run#1/last.pt")
    (('runs/last.pt', 'ema'), ('run#1/last.pt', ''))
    """
    file, mark, part = where.rpartition("#")
    return (file, part) if mark and part and "/" not in part and not os.path.exists(where) else (where, "")


def _literal(pattern: str) -> str:
    """Escape those folders of a pattern that exist literally, such as ``run[1]`` in ``run[1]/*.pt``."""
    parts = pattern.split("/")
    for end in range(len(parts) - 1, 0, -1):
        if os.path.isdir(folder := "/".join(parts[:end])):
            return "/".join([glob.escape(folder), *parts[end:]])
    return pattern


def _natural(name: str) -> list[int | str]:
    """Return a sort key that puts ``epoch_9`` before ``epoch_10``."""
    return [int(part) if part.isascii() and part.isdigit() else part for part in re.split(r"([0-9]+)", name)]
