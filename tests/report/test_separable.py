"""Claims of papers: errors of differences by hand, claims and agreement as published, and the page in docs."""

from __future__ import annotations

import csv
import importlib.util
import math
from collections import Counter
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from goldieval.metrics.effective import Z95
from goldieval.report.built_table import sources_of
from goldieval.report.model_agreement import independent_discordance, read_agreement
from goldieval.report.separable import (
    VERDICTS,
    Claim,
    independent_error,
    paired_error,
    read_claims,
)
from goldieval.tasks.catalogue import packaged

ROOT = Path(__file__).parents[2]
ORACLES = ROOT.parent / "shared/data/oracles"
RATIOS = (0.45, 0.66)


@pytest.fixture(scope="module")
def claims() -> list[Claim]:
    return read_claims(sources_of([])[0], RATIOS)


@pytest.mark.parametrize(("first", "second"), [(0.5, 0.5), (0.3, 0.6), (0.95, 0.9)])
def test_models_that_err_independently_gain_nothing_by_pairing(first: float, second: float) -> None:
    n = 1_000
    assert paired_error(first, second, n, 1.0) == pytest.approx(independent_error(first, second, n))
    assert paired_error(first, second, n, 0.5) < independent_error(first, second, n)


def test_the_paired_error_is_that_of_drawn_answers() -> None:
    """Answers of two models that share part of what makes an item hard."""
    draws = np.random.default_rng(0)
    first, second, n, ratio = 0.7, 0.6, 400, 0.5
    only_a = (ratio * independent_discordance(first, second) + first - second) / 2
    only_b = only_a - (first - second)
    both = first - only_a
    counts = draws.multinomial(n, [both, only_a, only_b, 1 - both - only_a - only_b], size=40_000)
    spread = float(((counts[:, 1] - counts[:, 2]) / n).std())
    assert paired_error(first, second, n, ratio) == pytest.approx(spread, rel=0.02)


def test_a_difference_cannot_be_larger_than_the_disagreement() -> None:
    assert paired_error(0.1, 0.9, 100, 0.5) == pytest.approx(math.sqrt((0.8 - 0.8**2) / 100))


def test_a_claim_by_hand(claims: list[Claim]) -> None:
    """SuperCLIP on Flickr30k, image to text: 75.6 against 73.3 on 1,000 images."""
    names = ("SuperCLIP B-512M", "flickr30k-test", "i2t_r1")
    (claim,) = [each for each in claims if (each.method, each.task, each.metric) == names]
    assert claim.values == pytest.approx((0.733, 0.756)) and claim.n == 1_000 and claim.baseline.endswith("B-512M")
    error = math.sqrt((0.733 * 0.267 + 0.756 * 0.244) / 1_000)
    assert claim.independent == pytest.approx(error) and claim.difference == pytest.approx(0.023)
    assert Z95 * error > 0.023 and claim.verdict == "no"


def test_claims_are_there_once_and_have_a_verdict(claims: list[Claim]) -> None:
    assert {claim.paper for claim in claims} == {"SuperCLIP", "FLAIR", "COSMOS"} and len(claims) > 100
    assert len({(claim.paper, claim.task, claim.metric, claim.values) for claim in claims}) == len(claims)
    assert {claim.verdict for claim in claims} <= set(VERDICTS)
    untested = [claim for claim in claims if claim.verdict == "not testable"]
    assert all(claim.n is None for claim in untested) and any(claim.metric == "miou" for claim in untested)
    averages = [claim for claim in claims if claim.task == "datacomp-38"]
    assert len(averages) == 6 and all(claim.verdict == "independent" for claim in averages)


def test_both_models_of_a_claim_are_published() -> None:
    models = sources_of([])[0].published.models
    with (packaged("results/published") / "claims.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row for row in rows if row["method"] not in models or row["baseline"] not in models] == []


def test_agreement_has_the_accuracies_that_are_published() -> None:
    published = sources_of([])[0].published
    known = {"OpenAI CLIP B/32": 0, "CLIP fine-tuned on COCO (BiVLC) B/32": 1}
    for each in read_agreement():
        for model, side in known.items():
            for score in published.find(model, each.task, each.metric):
                assert score.value == pytest.approx(each.shares[side], abs=0.0011), (model, each.metric)
    assert all(0.4 < each.ratio < 0.7 for each in read_agreement())


@pytest.mark.skipif(not ORACLES.is_dir(), reason="outcomes of real models do not lie beside the checkout")
def test_agreement_is_that_of_the_published_outcomes() -> None:
    counted = {}
    sides = [list(csv.DictReader((ORACLES / f"sugarcrepe_{name}.csv").open())) for name in ("openai-b32", "clip-coco")]
    for split in {(row["type"], row["subtype"]) for row in sides[0]}:
        own = [(a["correct"], b["correct"]) for a, b in zip(*sides, strict=True) if (a["type"], a["subtype"]) == split]
        counted[f"accuracy_{split[0]}_{split[1]}"] = Counter(own)
    for each in read_agreement():
        if each.task == "sugarcrepe-2023":
            found = counted[each.metric]
            pairs = [("1", "1"), ("1", "0"), ("0", "1"), ("0", "0")]
            assert [each.both, each.only_a, each.only_b, each.neither] == [found[pair] for pair in pairs]


def command() -> ModuleType:
    found = importlib.util.spec_from_file_location("separable_page", ROOT / "benchmarks/separable.py")
    assert found is not None and found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def test_the_page_in_docs_is_what_the_command_writes() -> None:
    """If this fails: uv run python benchmarks/separable.py, and read what has changed."""
    assert (ROOT / "docs/separable.md").read_text(encoding="utf-8") == command().page()
