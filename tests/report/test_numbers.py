"""Intervals as text: ± only where it gives the ends, and never an impossible score."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from synthetic_records import made, share
from table_cases import spec, table

from goldieval.metrics.intervals import wilson
from goldieval.metrics.units import PERCENT, RANK
from goldieval.report.formats import FORMATS
from goldieval.report.numbers import interval_beside

SHARES = st.integers(1, 100_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@given(SHARES, st.integers(0, 4))
def test_an_interval_of_a_share_says_where_it_ends(counts: tuple[int, int], digits: int) -> None:
    hits, n = counts
    low, high = wilson(hits, n)
    assert_gives_the_ends(hits / n, low, high, digits)


@given(st.floats(0, 1), st.floats(0, 1.5), st.integers(0, 4))
def test_a_symmetric_interval_of_a_mean_over_seeds_says_where_it_ends(value: float, half: float, digits: int) -> None:
    assert_gives_the_ends(value, value - half, value + half, digits)


def assert_gives_the_ends(value: float, low: float, high: float, digits: int) -> None:
    text = interval_beside(value, low, high, PERCENT, digits)
    numbers = [float(number) for number in re.findall(r"[0-9.]+", text)]
    shown, digit = round(100 * value, digits), 10.0**-digits
    ends = (shown - numbers[0], shown + numbers[0]) if text.startswith("±") else tuple(numbers)
    assert -1e-9 <= ends[0] <= ends[1] <= 100 + 1e-9, text
    clipped = max(0.0, 100 * low), min(100.0, 100 * high)
    assert all(abs(end - real) <= 2 * digit for end, real in zip(ends, clipped, strict=True)), (text, clipped)


@pytest.mark.parametrize(
    ("value", "low", "high", "text"),
    [
        (0.5, 0.45, 0.55, "± 5.0"),
        (0.01, -0.01, 0.03, "0.0–3.0"),
        (0.99, 0.97, 1.01, "97.0–100.0"),
        (0.0, 0.0, 0.037, "0.0–3.7"),
        (1.0, 1.0, 1.0, "± 0.0"),
        (0.5, None, None, ""),
    ],
)
def test_ends_of_intervals(value: float, low: float | None, high: float | None, text: str) -> None:
    assert interval_beside(value, low, high) == text


def test_a_mean_rank_is_at_least_one() -> None:
    assert interval_beside(1.5, 0.5, 2.5, RANK) == "1.0–2.5" and interval_beside(12.0, 10.0, 14.0, RANK) == "± 2.0"


@pytest.mark.usefixtures("here")
def test_every_format_prints_the_same_interval(tmp_path: Path) -> None:
    records = [made("coco-karpathy", name, metrics={"t2i_r1": share(value, 60)})
               for name, value in (("low", 0.0), ("middle", 0.5))]  # fmt: skip
    grid = table(spec(tmp_path), *records).grid
    text = {name: write(grid) for name, write in FORMATS.items()}
    assert "| 0.0 (0.0–6.0) |" in text["markdown"] and "| 50.0 ± 12.3 |" in text["markdown"]
    assert "(0.0--6.0)" in text["latex"] and r"$\pm$ 12.3" in text["latex"]
    assert "<small>(0.0–6.0)</small>" in text["html"] and "<small>±&nbsp;12.3</small>" in text["html"]
    assert "± is half a 95 % interval." in text["markdown"] and "(low–high) are the ends" in text["markdown"]
