"""Strategies for fuzzing: valid input with a few values, keys, rows or bytes changed.

``GOLDIEVAL_FUZZ=N`` tries N times as many inputs as usual, other ones each time:

    GOLDIEVAL_FUZZ=50 uv run pytest tests/data/test_fuzz_readers.py tests/core/test_fuzz_yaml.py
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from copy import deepcopy
from datetime import timedelta
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

TIMES = int(os.environ.get("GOLDIEVAL_FUZZ", "0"))
LONGEST = timedelta(seconds=10)  # for one input of a few hundred bytes, on a busy machine; most take milliseconds

NESTED = 3000
TEXTS = (
    *("", " ", "\t", "nan", "null", "None", "NaN", "0.0", "1e999", "-1", "0x10", "٣", "²", "true", "{}", "[]"),
    *("a\0b", "\ud800", "x\udce9.png", "é" * 300, "a/" * 200, "\u202e\x1b[31m", "﻿id", "line\nline", "line\rline"),
    *("..", "../p0.png", "/etc/passwd", "~/x", "p0.png/../../..", "CON", ".", "%2e%2e/", "p0.png\n", "https://x/y"),
)
NUMBERS = (0, -1, 1, 255, 256, 2**31, 2**63, 2**64, -(2**63), 10**400, 0.0, 0.5, 1e308, float("nan"), float("inf"))
OTHERS: tuple[Any, ...] = (None, True, False, [], {}, [[]], [None], {"": None}, {"id": {}}, [1, "1", 1.0], [{}] * 3)

strange = st.one_of(
    st.sampled_from(TEXTS),
    st.sampled_from(NUMBERS),
    st.sampled_from(OTHERS),
    st.text(st.characters(exclude_categories=()), max_size=6),
    st.integers(),
    st.floats(),
)


def many(usual: int) -> settings:
    """Return settings for ``usual`` inputs, the same each time, unless more are requested."""
    return settings(
        max_examples=usual * max(TIMES, 1),
        derandomize=not TIMES,
        database=None,
        deadline=LONGEST,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large],
        print_blob=True,
    )


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of every value inside nested lists and mappings."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, below in inner:
        yield (*path, key)
        yield from places(below, (*path, key))


@st.composite
def mutated(draw: st.DrawFn, valid: Any) -> Any:
    """Return a copy of a nested value with one to three changes: other, missing or repeated values, other keys."""
    changed = deepcopy(valid)
    for _ in range(draw(st.integers(1, 3))):
        known = list(places(changed))
        if not known:
            return draw(strange)
        *above, last = draw(st.sampled_from(known))
        parent = changed
        for step in above:
            parent = parent[step]
        draw(st.sampled_from(CHANGES))(draw, parent, last)
    return changed


def _replace(draw: st.DrawFn, parent: Any, key: Any) -> None:
    parent[key] = deepcopy(draw(strange))


def _remove(draw: st.DrawFn, parent: Any, key: Any) -> None:
    del parent[key]


def _wrap(draw: st.DrawFn, parent: Any, key: Any) -> None:
    parent[key] = draw(st.sampled_from(([parent[key]], {"a": parent[key]}, str(parent[key]))))


def _twice(draw: st.DrawFn, parent: Any, key: Any) -> None:
    if isinstance(parent, list):
        parent.append(deepcopy(parent[key]))
    else:
        parent[f"{key}2"] = deepcopy(parent[key])


def _rename(draw: st.DrawFn, parent: Any, key: Any) -> None:
    if isinstance(parent, dict):
        parent[draw(st.sampled_from(("", "id", "\ud800", "a.b", "0")))] = parent.pop(key)


CHANGES: tuple[Callable[[st.DrawFn, Any, Any], None], ...] = (_replace, _replace, _remove, _wrap, _twice, _rename)

BYTES = (
    *(b"", b"\0", b"\xff\xfe", b"\xef\xbb\xbf", b"\n\n", b'"', b"\r", b",,,,", b"\x9b"),
    *(b"[" * NESTED, b'{"a":' * NESTED),
)
ENCODINGS = ("utf-16", "latin-1", "utf-7")


@st.composite
def damaged(draw: st.DrawFn, content: bytes) -> bytes:
    """Return bytes truncated, with insertions, or unchanged."""
    kind = draw(st.sampled_from(("as it is",) * 4 + ("cut", "put in", "put before", "other encoding")))
    at = draw(st.integers(0, len(content)))
    if kind == "cut":
        return content[:at]
    if kind == "put in":
        return content[:at] + draw(st.sampled_from(BYTES)) + content[at:]
    if kind == "put before":
        return draw(st.sampled_from(BYTES)) + content
    if kind == "other encoding":
        return content.decode("utf-8", "replace").encode(draw(st.sampled_from(ENCODINGS)), "replace")
    return content


def as_json(value: Any) -> bytes:
    return json.dumps(value).encode()


def as_json_lines(rows: Any) -> bytes:
    listed = rows if isinstance(rows, list) else [rows]
    return b"".join(as_json(row) + b"\n" for row in listed)


def as_csv(rows: Any) -> bytes:
    """Write rows without quoting, as people do."""
    listed = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    head = list(listed[0]) if listed else ["image"]
    lines = [head, *([str(row.get(name, "")) for name in head] for row in listed)]
    return "\n".join(",".join(map(str, line)) for line in lines).encode("utf-8", "surrogatepass")


def as_text(value: Any) -> bytes:
    """Write a text, or a list of lines."""
    lines = value if isinstance(value, list) else [value]
    return "\n".join(map(str, lines)).encode("utf-8", "surrogatepass")
