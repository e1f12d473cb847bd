"""Patterns with braces: as many names as were counted, and none made where there are too many."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from goldieval.data.braces import count_names, expanded

PIECES = st.sampled_from(
    ["{", "}", "{1..3}", "{03..1}", "{0..9..4}", "{5..-5..-3}", "{b..e}", "{x,y,z}", "{a}", ",", "q", "\\"]
)


@given(st.lists(PIECES, max_size=8).map("".join))
@settings(max_examples=300, deadline=None)
def test_names_are_counted_before_they_are_made(pattern: str) -> None:
    counted = count_names(pattern)
    try:
        names = list(itertools.islice(expanded(pattern, 10_000), 10_001))
    except ValueError:
        assert counted > 10_000 or "balanced" in pairs(pattern)
        return
    assert len(names) <= counted and ("." in pattern or len(names) == counted)


def pairs(pattern: str) -> str:
    with pytest.raises(ValueError) as raised:
        expanded(pattern, 10_000)
    return str(raised.value)


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("{08..11}.tar", ["08.tar", "09.tar", "10.tar", "11.tar"]),
        ("{a,b}{1,2}", ["a1", "a2", "b1", "b2"]),
        ("{a}", ["{a}"]),
        ("C:\\data\\{0..1}.tar", ["C:\\data\\0.tar", "C:\\data\\1.tar"]),
        ("a/*.tar", ["a/*.tar"]),
    ],
)
def test_patterns_stand_for_names(pattern: str, names: list[str]) -> None:
    assert list(expanded(pattern, 4)) == names


def test_too_many_names_are_refused_without_making_them() -> None:
    for pattern in ("{0..4}", "{a,b,c,d,e}", "{{1..3},{1..2}}", "{0..9}" * 8, "{0..99999999999999999999}"):
        with pytest.raises(ValueError, match="it names"):
            expanded(pattern, 4)
