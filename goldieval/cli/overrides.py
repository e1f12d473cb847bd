"""``--set KEY=VALUE``, with the value in YAML, which allows lists and mappings."""

from __future__ import annotations

from typing import Any

from goldieval.core.errors import GoldievalError


def parse_overrides(pairs: list[str]) -> dict[str, Any]:
    """Parse pairs of the form ``KEY=VALUE``.

    Raises:
        GoldievalError: a pair has no ``=``, or its value is not valid YAML.
    """
    import yaml

    result = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise GoldievalError(f"--set {pair!r}: write KEY=VALUE.")
        try:
            result[key] = yaml.safe_load(value)
        except (yaml.YAMLError, ValueError, TypeError, RecursionError):  # such as day 32, 5,000 digits, 1,000 brackets
            raise GoldievalError(f"--set {pair!r}: the value is not valid YAML.") from None
    return result
