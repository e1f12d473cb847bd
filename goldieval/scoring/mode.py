"""Names of scoring modes: ``global``, ``conditioned``, ``shortlist:K``; ``auto`` is the model's own. Without torch.

Families that do not compare whole images with texts have modes of their own: ``generate``, ``dense:ATTENTION:READING``,
``roi:ATTENTION:READING``, ``crop``.
"""

from __future__ import annotations

import re

from goldieval.core.errors import GoldievalError

CHOICES = "choose auto, global, conditioned or shortlist:K with an integer K of at least 1, for example shortlist:128"
_SHORTLIST = re.compile("shortlist:([1-9][0-9]{0,8})")


def checked_mode(mode: str) -> str:
    """Return the mode if it is valid.

    Raises:
        ValueError: There is no mode of that name; the message lists the available ones.

    >>> checked_mode("shortlist:128")
    'shortlist:128'
    """
    if mode in ("auto", "global", "conditioned") or _SHORTLIST.fullmatch(mode):
        return mode
    raise ValueError(f"no scoring mode {mode!r}: {CHOICES}")


def one_mode(*asked: object) -> str | None:
    """Return the mode requested for a run: ``--set scoring=MODE`` is equivalent to ``--scoring MODE``.

    Raises:
        GoldievalError: There is no such mode, or two different modes are requested.
    """
    modes = {str(mode) for mode in asked if mode is not None}
    if len(modes) > 1:
        raise GoldievalError(
            f"two scoring modes are requested, {' and '.join(sorted(modes))}: choose one with --scoring."
        )
    try:
        return checked_mode(modes.pop()) if modes else None
    except ValueError as error:
        raise GoldievalError(f"{error}.") from None


def shortlist_size(mode: str) -> int:
    """Return K of ``shortlist:K``, or 0 for any other mode."""
    found = _SHORTLIST.fullmatch(mode)
    return int(found[1]) if found else 0


def needs_image_embeddings(mode: str) -> bool:
    """Return whether images are compared with texts by one embedding each, at least at first."""
    return mode == "global" or shortlist_size(mode) > 0


def needs_pool(mode: str) -> bool:
    """Return whether a mode pools patch tokens for each text."""
    return mode == "conditioned" or shortlist_size(mode) > 0


def dense_mode(attention: str, reading: str) -> str:
    """Return the mode in which patches are compared with texts.

    >>> dense_mode("csa", "projection")
    'dense:csa:projection'
    """
    return f"dense:{attention}:{reading}"


def dense_parts(mode: str) -> tuple[str, str]:
    """Return attention and reading of a dense mode."""
    _, attention, reading = mode.split(":")
    return attention, reading


def region_mode(region: str, attention: str, reading: str) -> str:
    """Return the mode in which boxes are compared with texts; a crop is compared like any picture.

    >>> region_mode("roi", "value", "projection"), region_mode("crop", "value", "projection")
    ('roi:value:projection', 'crop')
    """
    return f"{region}:{attention}:{reading}" if region == "roi" else region


def region_parts(mode: str) -> tuple[str, str, str]:
    """Return region, attention and reading of such a mode; the latter two are empty for a crop."""
    region, _, rest = mode.partition(":")
    attention, _, reading = rest.partition(":")
    return region, attention, reading
