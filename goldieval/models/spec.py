"""The grammar of model specs: ``FAMILY[:NAME][@WHERE]`` or ``FILE.py:FUNCTION``, and ``::OPTION=VALUE`` after it."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from goldieval.core.errors import GoldievalError
from goldieval.core.text import natural_order

_FAMILY = re.compile(r"[A-Za-z0-9_.-]+")
_OPTION = re.compile(r"::([A-Za-z][A-Za-z0-9_-]*)=")
_NO_OPTION = re.compile(r"::[^/:@]*$")


@dataclass(frozen=True)
class ModelSpec:
    """A model as specified by the user.

    Attributes:
        text: The spec as typed.
        family: Name of the model family, or ``file`` for FILE.py:FUNCTION.
        name: Architecture, folder, repository on the Hub, or function.
        where: A file, a glob pattern of checkpoints, or a revision on the Hub; for ``file`` the Python file.
        options: Values of the options by name, as typed.
    """

    text: str
    family: str
    name: str = ""
    where: str = ""
    options: Mapping[str, str] = field(default_factory=dict, hash=False)


def parse_spec(text: str) -> ModelSpec:
    """Split a model spec into its parts and its options.

    The first ``:`` and the first ``@`` after it separate the parts, unless NAME is an existing folder: architectures
    and repositories do not contain ``@`` in their names; files and folders may. Options follow, each as
    ``::NAME=VALUE``, unless the file or folder of that whole name exists.

    Raises:
        GoldievalError: A part is empty, the spec does not begin with a family name, or an option has no value or two.

    >>> spec = parse_spec("open_clip:ViT-B-32@runs/epoch_32.pt::size=384::context=248")
    >>> spec.family, spec.name, spec.where, spec.options
    ('open_clip', 'ViT-B-32', 'runs/epoch_32.pt', {'size': '384', 'context': '248'})
    """
    marks = [found.start() for found in _OPTION.finditer(text)]
    ends = [len(text), *reversed(marks)] if marks else []
    end = next((end for end in ends if _is_there(text[:end])), min(marks, default=len(text)))
    return replace(_without_options(text[:end]), text=text, options=_options(text, end))


def _options(text: str, start: int) -> dict[str, str]:
    """Return the options of a spec, which begin at ``start``."""
    found = list(_OPTION.finditer(text, start))
    ends = [*(each.start() for each in found), len(text)][1:]
    options: dict[str, str] = {}
    for each, end in zip(found, ends, strict=True):
        value = text[each.end() : end]
        if each[1] in options or not value.strip():
            fault = "is given twice" if each[1] in options else "has no value"
            raise GoldievalError(f"model {text!r}: option {each[1]} {fault}. Write ::{each[1]}=VALUE once.")
        options[each[1]] = value
    return options


def _is_there(text: str) -> bool:
    """Return whether the file or folder of a spec without options exists, or its pattern matches a file."""
    try:
        spec = _without_options(text)
    except GoldievalError:
        return False
    place = os.path.expanduser(split_part(spec.where or spec.name)[0])
    return os.path.exists(place) or (glob.has_magic(place) and bool(glob.glob(_literal(place), recursive=True)))


def _without_options(text: str) -> ModelSpec:
    if text.startswith((".", "/", "~")):
        return _file_spec(text)
    match = _FAMILY.match(text)
    rest = text[match.end() :] if match else ""
    if not match or (rest and rest[0] not in ":@"):
        several = " Several models: one --model for each." if "," in text else ""
        raise GoldievalError(
            f"model {text!r} is not a spec. Write FAMILY[:NAME][@WHERE] or ./FILE.py:FUNCTION.{several}"
        )
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
    if (wrong := _NO_OPTION.search(text)) and not os.path.exists(os.path.expanduser(spec.where or spec.name)):
        raise GoldievalError(f"model {text!r}: {wrong[0]!r} is not an option. Write ::NAME=VALUE, such as ::size=384.")
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
    options = "".join(f"::{name}={value}" for name, value in spec.options.items())
    stem = spec.text.removesuffix(options).removesuffix(spec.where)
    spec = replace(spec, where=os.path.expanduser(spec.where))
    if spec.family == "file" or not glob.has_magic(spec.where) or os.path.exists(spec.where):
        return [spec]
    pattern, part = split_part(spec.where)
    files = sorted(glob.glob(_literal(pattern), recursive=True), key=natural_order)
    if not files:
        raise GoldievalError(f"model {spec.text!r}: no file matches {pattern}.")
    found = [f"{file}#{part}" if part else file for file in files]
    return [replace(spec, text=stem + where + options, where=where) for where in found]


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
