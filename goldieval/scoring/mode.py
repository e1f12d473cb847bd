"""Scoring modes by name: ``global``, ``conditioned``, ``shortlist:K``; ``auto`` is the model's own. No torch here.

Families that do not compare whole pictures with texts have one mode each: ``generate``, ``dense:ATTENTION:READING``.
"""

from __future__ import annotations

import re

from goldieval.core.errors import GoldievalError

CHOICES = "choose auto, global, conditioned or shortlist:K with K from 1 on, for example shortlist:128"
_SHORTLIST = re.compile("shortlist:([1-9][0-9]{0,8})")


def checked_mode(mode: str) -> str:
    """Return the mode.

    Raises:
        ValueError: no mode has such a name; the message says which there are.

    >>> checked_mode("shortlist:128")
    'shortlist:128'
    """
    if mode in ("auto", "global", "conditioned") or _SHORTLIST.fullmatch(mode):
        return mode
    raise ValueError(f"no scoring mode {mode!r}: {CHOICES}")


def one_mode(*asked: object) -> str | None:
    """Return the mode that a run asks for: ``--set scoring=MODE`` is another way to write ``--scoring MODE``.

    Raises:
        GoldievalError: no such mode, or two that differ.
    """
    modes = {str(mode) for mode in asked if mode is not None}
    if len(modes) > 1:
        raise GoldievalError(
            f"two scoring modes are asked for, {' and '.join(sorted(modes))}: name one with --scoring."
        )
    try:
        return checked_mode(modes.pop()) if modes else None
    except ValueError as error:
        raise GoldievalError(f"{error}.") from None


def shortlist_size(mode: str) -> int:
    """Return K of ``shortlist:K``, and 0 for another mode."""
    found = _SHORTLIST.fullmatch(mode)
    return int(found[1]) if found else 0


def needs_image_embeddings(mode: str) -> bool:
    """Whether images are compared with texts by one embedding each, at least at first."""
    return mode == "global" or shortlist_size(mode) > 0


def needs_pool(mode: str) -> bool:
    """Whether a mode pools patches for each text."""
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
