"""How a new card treats images without a caption, and captions that occur twice for one image."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

from goldieval.core.errors import GoldievalError
from goldieval.data.caption_rules import CaptionedSource
from goldieval.data.manage.finding import Finding


def with_caption_rules(found: Finding, keep_uncaptioned: bool) -> Finding:
    """Return a finding whose card counts each caption once, and leaves out or keeps images without a caption.

    Raises:
        GoldievalError: Images are to be kept, but the data are not of captions.
    """
    readers = {name for each in CaptionedSource.__subclasses__() for name in get_args(_reader(each))}
    if found.family == "retrieval" and found.source["reader"] in readers:
        rule = "keep" if keep_uncaptioned else "leave-out"
        return replace(found, source=found.source | {"uncaptioned": rule, "repeated": "once"})
    if keep_uncaptioned:
        raise GoldievalError(f"--keep-uncaptioned is for images with captions, and this is {found.description}.")
    return found


def _reader(source: type[CaptionedSource]) -> object:
    return source.model_fields["reader"].annotation
