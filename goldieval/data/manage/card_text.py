"""The text of a new card."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

SHORT_LIST = 12  # items that are written on one line
NOTE = "# Written by `goldieval data import`. Raise version when you change what is measured.\n"


def card_text(content: dict[str, Any], folder: Path, beside: Path, location: dict[str, Any] | None = None) -> str:
    """Return the card's text; a path below the card's folder is relative, so that both can be moved together."""
    place, home = folder.resolve(), beside.resolve()
    path = place.relative_to(home).as_posix() if place.is_relative_to(home) else str(place)
    source = {"reader": content["source"]["reader"], **(location or {"path": path}), **content["source"]}
    kept = {key: value for key, value in (content | {"source": source}).items() if value != {}}
    return yaml.dump(kept, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110, default_flow_style=None)


class _Dumper(yaml.SafeDumper):
    """Writes short lists on one line and long ones with an item on each, so that names are easily edited."""


def _list(dumper: yaml.SafeDumper, items: list[Any]) -> yaml.Node:
    short = len(items) <= SHORT_LIST and not any(", " in str(item) for item in items)
    return dumper.represent_sequence("tag:yaml.org,2002:seq", items, flow_style=None if short else False)


_Dumper.add_representer(list, _list)
