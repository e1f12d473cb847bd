"""How a new card treats images without a caption, and captions that occur twice for one image."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar, get_args

from goldieval.core.errors import GoldievalError, TaskError
from goldieval.data.caption_rules import CaptionedSource
from goldieval.data.manage.finding import Finding
from goldieval.data.samples import Dataset
from goldieval.families.base import Prepared

T = TypeVar("T")


def with_caption_rules(found: Finding, keep_uncaptioned: bool) -> Finding:
    """Return a finding whose card counts each caption once, and leaves out or keeps images without a caption.

    Raises:
        GoldievalError: Images are to be kept, but the data are not of captions.
    """
    readers = {name for each in CaptionedSource.__subclasses__() for name in get_args(_reader(each))}
    if found.family == "retrieval" and found.source["reader"] in readers:
        rule = "keep" if keep_uncaptioned else "leave out"
        return replace(found, source=found.source | {"uncaptioned": rule, "repeated": "once"})
    if keep_uncaptioned:
        raise GoldievalError(f"--keep-uncaptioned is for images with captions, and this is {found.description}.")
    return found


def read_with_rules(
    source: dict[str, Any], read: Callable[[dict[str, Any]], tuple[Prepared[Any], T]]
) -> tuple[dict[str, Any], tuple[Prepared[Any], T]]:
    """Read data with those of the rules in a source block that they need.

    Args:
        source: The source block.
        read: Reads the data of a source block.

    Returns:
        The source block without the other rules, and what was read.

    Raises:
        GoldievalError: The data cannot be read, with or without rules.
    """
    rules = {key: source[key] for key in ("uncaptioned", "repeated") if key in source}
    needed = {key: value for key, value in source.items() if key not in rules}
    try:
        found = read(needed)
    except TaskError as error:
        if "uncaptioned" not in rules:
            raise
        needed |= {"uncaptioned": rules["uncaptioned"]}
        found = _read_or_raise(needed, read, error)
    if "repeated" in rules and _repeats_captions(found[0].dataset):
        needed |= {"repeated": rules["repeated"]}
        found = read(needed)
    return needed, found


def _read_or_raise(source: dict[str, Any], read: Callable[[dict[str, Any]], T], error: TaskError) -> T:
    """Return what is read, or raise the error of the first attempt if this one fails as well."""
    try:
        return read(source)
    except TaskError:
        raise error from None


def _repeats_captions(dataset: Dataset) -> bool:
    owner = dataset.owner if dataset.owner is not None else ()
    pairs = [(int(image), text.text.strip()) for image, text in zip(owner, dataset.texts, strict=True)]
    return len(set(pairs)) < len(pairs)


def _reader(source: type[CaptionedSource]) -> object:
    return source.model_fields["reader"].annotation
