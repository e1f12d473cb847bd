"""``--set KEY=VALUE``, the value in YAML, so that lists and mappings can be written."""

from __future__ import annotations

from typing import Any

from goldieval.core.errors import GoldievalError


def parse_overrides(pairs: list[str]) -> dict[str, Any]:
    """Parse pairs. Raises GoldievalError for one without ``=`` or with broken YAML."""
    import yaml

    result = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise GoldievalError(f"--set {pair!r}: write KEY=VALUE.")
        try:
            result[key] = yaml.safe_load(value)
        except (yaml.YAMLError, ValueError, TypeError, RecursionError):  # a day 32, 5,000 digits, 1,000 brackets
            raise GoldievalError(f"--set {pair!r}: the value is no YAML.") from None
    return result
