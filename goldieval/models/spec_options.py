"""The options of a model spec that all families share: their values, and which of them a family accepts."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, TypeVar

from goldieval.core.declared_sizes import CONTEXT, EDGE
from goldieval.core.errors import GoldievalError, did_you_mean
from goldieval.models.spec import ModelSpec

Loader = TypeVar("Loader", bound=Callable[..., Any])
TRANSFORM = ("resize", "interpolation", "mean", "std")  # options of an image transform


@dataclass(frozen=True)
class StandardOptions:
    """Values of the shared options; None where the spec gives none.

    Attributes:
        size: Height and width of the input images in pixels.
        context: Tokens of an input text.
        quickgelu: Whether the towers use QuickGELU.
        resize: How an image is brought to size: ``shortest`` (then cropped), ``longest`` (then padded) or ``squash``.
        interpolation: ``bicubic`` or ``bilinear``.
        mean: Mean of each colour, subtracted from values in [0, 1].
        std: Standard deviation of each colour.
        pooling: Pooling of the image tower: ``tok`` (class token) or ``avg``, as in open_clip's configs.
        tokenizer: An architecture of open_clip, a folder, or a ``tokenizer.json``.
        drop: Beginnings of the names of tensors in the file that the model does not need.
        text: Kind of the texts, for models that encode ``short`` and ``long`` ones and those of a ``box`` differently.
    """

    size: tuple[int, int] | None = None
    context: int | None = None
    quickgelu: bool | None = None
    resize: str | None = None
    interpolation: str | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    pooling: str | None = None
    tokenizer: str | None = None
    drop: tuple[str, ...] = ()
    text: str | None = None


def standard_options(spec: ModelSpec) -> StandardOptions:
    """Return the values of the shared options of a spec; options that only its own family knows are left out.

    Raises:
        GoldievalError: A value is not allowed; names option, value and what is allowed.
    """
    values = {}
    for name, text in spec.options.items():
        if name not in _READERS:
            continue
        read, allowed = _READERS[name]
        try:
            values[name] = read(text)
        except ValueError:
            raise GoldievalError(f"model {spec.text!r}: {name}={text} is not possible: {name} is {allowed}.") from None
    return StandardOptions(**values)


def canonical(name: str, value: Any) -> str:
    """Return an option in one form, whatever its spelling in the spec: ``mean=0.5,0.5,0.5``."""
    parts = value if isinstance(value, tuple) else (value,)
    if name == "size" and parts[0] == parts[-1]:
        parts = parts[:1]
    separator = "x" if name == "size" else ","
    return f"{name}={separator.join('yes' if part is True else 'no' if part is False else str(part) for part in parts)}"


def canonical_options(options: StandardOptions) -> dict[str, str]:
    """Return the options that a spec gives, in one spelling each."""
    given = {each.name: getattr(options, each.name) for each in fields(options)}
    return {name: canonical(name, value).partition("=")[2] for name, value in given.items() if value not in (None, ())}


def accepts_options(*names: str) -> Callable[[Loader], Loader]:
    """Mark the loader of a model family as one that honours these options; all others are refused before it is called.

    Args:
        names: Names of shared options, or of options that only this family knows.
    """

    def mark(loader: Loader) -> Loader:
        loader.options = names  # type: ignore[attr-defined]
        return loader

    return mark


def check_options(spec: ModelSpec, loader: Callable[..., Any]) -> None:
    """Refuse options that a family does not honour.

    Raises:
        GoldievalError: There is such an option, or a value of a shared option is not allowed.
    """
    accepted = tuple(getattr(loader, "options", ()))
    for name in spec.options:
        if name not in accepted:
            near = did_you_mean(name, accepted) if name not in _READERS else ""
            known = f"it has {', '.join(accepted)}" if accepted else "it has no options"
            who = "this file" if spec.family == "file" else spec.family
            raise GoldievalError(f"model {spec.text!r}: {who} has no option {name!r}; {known}.{near}")
    standard_options(spec)


def _size(text: str) -> tuple[int, int]:
    sides = [_whole(side, EDGE) for side in text.split("x")]
    if len(sides) > 2:
        raise ValueError(text)
    return sides[0], sides[-1]


def _context(text: str) -> int:
    tokens = _whole(text, CONTEXT)
    if tokens < 2:
        raise ValueError(text)
    return tokens


def _whole(text: str, most: int) -> int:
    if not re.fullmatch("[0-9]{1,9}", text) or not 1 <= int(text) <= most:
        raise ValueError(text)
    return int(text)


def _one_of(values: Mapping[str, Any]) -> tuple[Callable[[str], Any], str]:
    def read(text: str) -> Any:
        if text not in values:
            raise ValueError(text)
        return values[text]

    return read, " or ".join(values)


def _colours(text: str, positive: bool) -> tuple[float, ...]:
    numbers = [float(part) for part in text.split(",")]
    bad = [number for number in numbers if not math.isfinite(number) or (positive and number <= 0)]
    if len(numbers) not in (1, 3) or bad:
        raise ValueError(text)
    return tuple(numbers * 3 if len(numbers) == 1 else numbers)


def _names(text: str) -> tuple[str, ...]:
    names = tuple(part.strip() for part in text.split(","))
    if not all(names):
        raise ValueError(text)
    return names


_READERS: dict[str, tuple[Callable[[str], Any], str]] = {
    "size": (_size, f"pixels, 1 to {EDGE:,}, as 384 or HEIGHTxWIDTH"),
    "context": (_context, f"a number of tokens, 2 to {CONTEXT:,}"),
    "quickgelu": _one_of({"yes": True, "no": False}),
    "resize": _one_of({name: name for name in ("shortest", "longest", "squash")}),
    "interpolation": _one_of({name: name for name in ("bicubic", "bilinear")}),
    "mean": (lambda text: _colours(text, positive=False), "one number or three with commas, such as 0.5"),
    "std": (lambda text: _colours(text, positive=True), "one positive number or three with commas, such as 0.5"),
    "pooling": _one_of({name: name for name in ("tok", "avg")}),
    "tokenizer": (str, "an open_clip architecture, a folder or a tokenizer.json"),
    "text": _one_of({name: name for name in ("short", "long", "box")}),
    "drop": (_names, "names or beginnings of names, with commas"),
}
