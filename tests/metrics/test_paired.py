"""Paired tests: against scipy, enumeration and simulation; what they can see, and that they never see too much."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import gamma
from scipy.stats import binomtest, false_discovery_control, nct, norm, permutation_test, t, wilcoxon

from goldieval.metrics.accuracy import mean_per_class
from goldieval.metrics.draws import drawn_sums, resampled, swapped_sums
from goldieval.metrics.intervals import Z80, Z95
from goldieval.metrics.minimum_detectable_difference import mdd_by_mcnemar, mdd_by_student
from goldieval.metrics.miou import mean_iou_of_sums
from goldieval.metrics.paired import mcnemar, paired_means, paired_sums
from goldieval.metrics.paired_classes import paired_mean_per_class
from goldieval.metrics.pvalues import bootstrap_p, exchange_null, exchange_p, holm, swap_p
from goldieval.metrics.query_values import QueryValues
from goldieval.metrics.registry import metric_of
from goldieval.metrics.seeds import seeded
from goldieval.metrics.tails import Tail, bootstrap_tail, exchange_tail, swap_tail

SHARES = st.lists(st.tuples(st.booleans(), st.booleans(), st.integers(0, 4)), min_size=1, max_size=60)


def by_enumeration(differences: np.ndarray) -> float:
    sums = [abs(np.dot(signs, differences)) for signs in product((1, -1), repeat=len(differences))]
    return float(np.mean(np.array(sums) >= abs(differences.sum())))


@given(SHARES)
@settings(deadline=None, max_examples=30)
def test_mcnemar_is_the_binomial_test_of_the_differing_queries(rows: list[tuple[bool, bool, int]]) -> None:
    a, b = np.array([row[:2] for row in rows], dtype=float).T
    found = mcnemar(a, b)
    gains, losses = int(((a == 0) & (b == 1)).sum()), int(((a == 1) & (b == 0)).sum())
    expected = binomtest(gains, gains + losses).pvalue if gains + losses else 1.0
    assert (found.gains, found.losses, found.n) == (gains, losses, len(rows))
    assert found.p == pytest.approx(expected, rel=1e-12)
    assert found.low <= found.difference <= found.high and found.high - found.low > 1e-6


@given(st.lists(st.integers(-4, 4), min_size=1, max_size=11))
@settings(deadline=None)
def test_exchange_p_is_what_enumeration_of_all_signs_gives(differences: list[int]) -> None:
    assert exchange_p(np.array(differences)) == pytest.approx(by_enumeration(np.array(differences)), rel=1e-9)


def test_exchange_p_agrees_with_scipys_permutation_test() -> None:
    a, b = np.random.default_rng(0).integers(0, 6, (2, 12))
    theirs = permutation_test((a, b), lambda x, y: np.sum(x - y), permutation_type="samples", n_resamples=np.inf)
    assert exchange_p(b - a) == pytest.approx(theirs.pvalue, rel=1e-9)


def test_exchange_p_of_ranks_is_scipys_exact_wilcoxon() -> None:
    """Signed ranks are integers too: the same null distribution by someone else's code."""
    generator = np.random.default_rng(1)
    values = generator.permutation(40)[:25] + 1.0
    signed = np.sign(generator.normal(0.4, 1, 25)) * values
    ranks = np.sign(signed) * (np.argsort(np.argsort(np.abs(signed))) + 1)
    assert exchange_p(ranks.astype(int)) == pytest.approx(wilcoxon(signed, method="exact").pvalue, rel=1e-9)


def test_drawn_swaps_approach_the_exact_p() -> None:
    differences = np.random.default_rng(2).integers(-2, 4, 60)
    drawn = swap_p(swapped_sums(differences[:, None].astype(float), 20_000)[:, 0], differences.sum())
    assert drawn == pytest.approx(exchange_p(differences), abs=0.01)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_by_its_definition(p: list[float]) -> None:
    """A test is rejected at a level if it and all with smaller p pass their steps."""
    adjusted = holm(p)
    order = np.argsort(p, kind="stable")
    for level in (0.01, 0.05, 0.3):
        rejected = np.zeros(len(p), dtype=bool)
        for step, place in enumerate(order):
            if p[place] * (len(p) - step) > level:
                break
            rejected[place] = True
        assert (np.array(adjusted) <= level).tolist() == rejected.tolist()
    assert all(
        one >= other for one, other in zip(adjusted, false_discovery_control(p), strict=True)
    )  # Hochberg's bound


def test_rows_that_are_alike_are_drawn_with_the_same_distribution() -> None:
    rows = np.random.default_rng(3).integers(0, 2, (400, 3)).astype(float)
    quick, plain = drawn_sums(rows, 8000), resampled(rows, resamples=8000)
    assert quick.mean(axis=0) == pytest.approx(plain.mean(axis=0), rel=0.01)
    assert np.cov(quick.T) == pytest.approx(np.cov(plain.T), rel=0.15, abs=3)
    assert np.quantile(quick, [0.025, 0.975], axis=0) == pytest.approx(
        np.quantile(plain, [0.025, 0.975], axis=0), rel=0.02
    )


def test_the_bootstrap_has_the_width_of_the_normal_approximation() -> None:
    generator = np.random.default_rng(4)
    clusters = np.repeat(np.arange(1000), 5)
    common = np.repeat(generator.normal(0, 1, 1000), 5)
    a, b = ((common + generator.normal(0, 1, 5000) > shift) * 1.0 for shift in (0.3, 0.1))
    found = paired_means(a, b, clusters)
    left_over = np.bincount(clusters, b - a - (b - a).mean())
    error = np.sqrt((left_over**2).sum()) / 5000
    assert found.standard_error == pytest.approx(error, rel=0.04)
    assert (found.high - found.low) / 2 == pytest.approx(Z95 * error, rel=0.05)
    assert found.minimum_detectable_difference() == pytest.approx((Z95 + Z80) * error, rel=0.04)
    assert found.p < 0.01 and (found.n, found.clusters) == (5000, 1000)
    assert (found.a, found.b) == (a.mean(), b.mean())


def test_queries_of_one_cluster_are_not_independent_observations() -> None:
    """Five captions of an image that flip together are worth one."""
    a, b = np.zeros(500), np.repeat([1.0, 0.0], [25, 475])
    clusters = np.repeat(np.arange(100), 5)
    assert mcnemar(a, b).p < 1e-6
    assert mcnemar(a, b, clusters).p == pytest.approx(2 * 0.5**5)
    assert paired_means(a, b, clusters).p == pytest.approx(2 * 0.5**5, abs=0.01)


def test_equal_models_are_never_told_apart_and_never_have_width_0() -> None:
    hits = (np.arange(300) % 3 == 0) * 1.0
    labels, areas = np.arange(300) % 7, np.random.default_rng(0).integers(1, 9, (300, 4))
    found = [
        mcnemar(hits, hits),
        paired_means(hits, hits, np.arange(300) // 2),
        paired_mean_per_class(hits, hits, labels),
        paired_sums(areas, areas, mean_iou_of_sums),
    ]
    for each in found:
        assert (each.p, each.difference, each.gains, each.losses) == (1.0, 0.0, 0, 0)
        assert each.low < 0 < each.high and each.minimum_detectable_difference() > 0


def test_a_difference_in_everything_keeps_a_width_inside_what_is_possible() -> None:
    found = mcnemar(np.zeros(40), np.ones(40))
    assert 0 < found.low < found.high == found.difference == 1.0


@given(SHARES)
@settings(deadline=None, max_examples=25)
def test_mean_per_class_is_the_plain_one_and_its_interval_contains_it(rows: list[tuple[bool, bool, int]]) -> None:
    a, b, labels = np.array(rows, dtype=float).T
    found = paired_mean_per_class(a, b, labels, resamples=200)
    assert (found.a, found.b) == pytest.approx((mean_per_class(a, labels), mean_per_class(b, labels)))
    assert found.low <= found.difference <= found.high


def test_mean_per_class_has_the_standard_error_by_hand() -> None:
    generator = np.random.default_rng(5)
    labels = np.repeat(np.arange(3), [50, 150, 600])
    a, b = ((generator.random(800) < share) * 1.0 for share in (0.4, 0.5))
    difference = b - a
    error = np.sqrt(sum(difference[labels == c].var() / (labels == c).sum() for c in range(3))) / 3
    assert paired_mean_per_class(a, b, labels).standard_error == pytest.approx(error, rel=0.03)


def test_sums_resample_and_exchange_images_as_wholes() -> None:
    generator = np.random.default_rng(6)
    union = generator.integers(50, 100, (600, 3))
    worse, better = (np.minimum(union, generator.integers(low, 90, (600, 3))) for low in (10, 30))
    a, b = np.hstack([worse, union]), np.hstack([better, union])
    found = paired_sums(a, b, mean_iou_of_sums)
    iou = [float(np.mean(side[:, :3].sum(0) / side[:, 3:].sum(0))) for side in (a, b)]
    assert [found.a, found.b] == pytest.approx(iou) and found.p < 0.001 and found.low > 0
    assert paired_sums(b, a, mean_iou_of_sums).difference == pytest.approx(-found.difference)


def test_few_differing_queries_never_prove_anything_by_bootstrap_alone() -> None:
    a, b = np.zeros(1000), np.repeat([1.0, 0.0], [5, 995])
    found = paired_means(a, b, np.arange(1000))
    assert found.p > 0.05 and found.low <= 0 < found.high


def test_the_smallest_difference_of_mcnemar_is_seen_in_80_of_100_comparisons() -> None:
    generator = np.random.default_rng(7)
    n, discordant = 2000, 200
    smallest = mdd_by_mcnemar(discordant, n)
    gains = generator.binomial(discordant, (1 + smallest * n / discordant) / 2, 2000)
    p = {each: binomtest(each, discordant).pvalue for each in set(gains.tolist())}
    seen = np.mean([p[each] <= 0.05 for each in gains.tolist()])
    assert seen == pytest.approx(0.8, abs=3 * np.sqrt(0.16 / 2000))


def test_tails_give_the_p_of_their_tests_at_the_observed_difference() -> None:
    moved = np.random.default_rng(10).integers(-3, 4, 60)
    exact = exchange_tail(*exchange_null(moved), 240)
    drawn, observed = swapped_sums(moved[:, None] / 240.0, 4000)[:, 0], moved.sum() / 240
    resampled_ = np.random.default_rng(11).normal(observed, 0.02, 4000).round(3)
    swap, bootstrap = swap_tail(drawn), bootstrap_tail(resampled_, observed)
    assert p_of(exact, observed) == pytest.approx(exchange_p(moved), rel=1e-9)
    assert p_of(swap, observed) == pytest.approx(swap_p(drawn, observed))
    assert p_of(bootstrap, observed) == pytest.approx(bootstrap_p(resampled_))
    for tail in (exact, swap, bootstrap):
        for level in (0.3, 0.05, 0.01):
            edge = tail.critical(level)
            assert p_of(tail, edge + 1e-6) <= level < p_of(tail, edge - 1 / 240)
    assert np.sqrt(exact.mean_square) == pytest.approx(np.sqrt((moved**2).sum()) / 240)


def p_of(tail: Tail, difference: float) -> float:
    """Return the p of the smallest size that is at least as large."""
    return float(tail.p[np.searchsorted(tail.sizes, abs(difference) - 1e-7)])


def test_the_smallest_difference_of_whole_images_is_seen_in_80_of_100_comparisons() -> None:
    """2.8 standard errors are seen in 75 only: swapped images scatter by the difference too, and hits come in steps."""
    generator = np.random.default_rng(12)
    images, found = np.repeat(np.arange(60), 4), []
    for _ in range(600):
        easy = generator.beta(0.7, 0.7, (60, 1))
        a, b = (generator.random((60, 4)) < 0.1 + 0.7 * easy + shift for shift in (0.0, 0.118))
        found.append(mcnemar(a.ravel() * 1.0, b.ravel() * 1.0, images))
    differences, seen = np.array([each.difference for each in found]), np.mean([each.p <= 0.05 for each in found])
    smallest = np.mean([each.minimum_detectable_difference() for each in found])
    assert differences.mean() == pytest.approx(smallest, rel=0.05)
    there = norm.cdf(norm.ppf(seen) + (smallest - differences.mean()) / differences.std())
    assert there == pytest.approx(0.8, abs=1.5 * np.sqrt(0.16 / 600))


def test_a_difference_far_above_the_smallest_does_not_widen_it() -> None:
    generator = np.random.default_rng(13)
    images, a = np.repeat(np.arange(400), 2), (generator.random(800) < 0.3) * 1.0
    near, far = (paired_means(a, (generator.random(800) < share) * 1.0, images) for share in (0.35, 0.95))
    assert far.minimum_detectable_difference() < near.minimum_detectable_difference()


@pytest.mark.parametrize("level", [0.05, 0.005])
def test_the_smallest_difference_of_a_t_test_is_scipys_noncentral_t(level: float) -> None:
    for freedom in (2, 4, 30):
        critical = t.isf(level / 2, freedom)
        unbiased = np.sqrt(2 / freedom) * gamma((freedom + 1) / 2) / gamma(freedom / 2)
        smallest = mdd_by_student(1.0, freedom, level)
        assert nct.sf(critical, freedom, smallest * unbiased) == pytest.approx(0.8, abs=2e-3)


@pytest.mark.parametrize("seeds", [(3, 3), (1, 3)])
def test_equal_recipes_are_told_apart_in_at_most_5_of_100_comparisons_by_seeds(seeds: tuple[int, int]) -> None:
    """A side of one seed borrows the other's scatter: that is one estimate, not two."""
    generator = np.random.default_rng(14)
    moved = [generator.normal(0, 1e-4, (50, count)) for count in seeds]
    p = [seeded(*(generator.normal(0.5, 0.02, count) for count in seeds), *moved).p for _ in range(1500)]
    assert np.mean(np.array(p) <= 0.05) <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 1500)


def test_a_stricter_level_needs_a_larger_difference() -> None:
    generator = np.random.default_rng(8)
    a, b = (generator.random((2, 700)) < 0.5) * 1.0
    for found in (mcnemar(a, b), paired_means(a, b, np.arange(700))):
        assert found.minimum_detectable_difference(0.05) < found.minimum_detectable_difference(0.005)


@pytest.mark.parametrize("test", ["mcnemar", "means", "per class"])
def test_equal_models_are_told_apart_in_at_most_5_of_100_comparisons(test: str) -> None:
    generator = np.random.default_rng(9)
    rejected = 0
    for _ in range(200):
        difficulty = np.repeat(generator.beta(0.5, 0.5, 100), 2)
        a, b = (generator.random((2, 200)) < difficulty) * 1.0
        ways = {
            "mcnemar": lambda a=a, b=b: mcnemar(a, b, np.arange(200) // 2),
            "means": lambda a=a, b=b: paired_means(a, b, np.arange(200) // 2, resamples=500),
            "per class": lambda a=a, b=b: paired_mean_per_class(a, b, np.arange(200) % 5, resamples=500),
        }
        rejected += ways[test]().p <= 0.05
    assert rejected / 200 <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 200)


def test_the_standard_error_and_the_smallest_difference_hold_where_classes_are_small() -> None:
    """Drawing within classes of two gives half their variance."""
    generator, labels = np.random.default_rng(15), np.repeat(np.arange(40), np.repeat([2, 10], 20))
    scores = np.tile([0.2, 0.6], 20)[labels]
    found = []
    for _ in range(250):
        common = generator.random(len(labels))
        mixed = np.where(generator.random((2, len(labels))) < 0.5, common, generator.random((2, len(labels))))
        found.append(paired_mean_per_class((mixed[0] < scores) * 1.0, (mixed[1] < scores + 0.2) * 1.0, labels, 400))
    differences = np.array([each.difference for each in found])
    errors = np.array([each.standard_error for each in found])
    assert np.sqrt((errors**2).mean()) == pytest.approx(differences.std(), rel=0.13)
    smallest, seen = (
        np.mean([each.minimum_detectable_difference() for each in found]),
        np.mean([each.p <= 0.05 for each in found]),
    )
    there = norm.cdf(norm.ppf(seen) + (smallest - differences.mean()) / differences.std())
    assert there == pytest.approx(0.8, abs=0.08)


def test_what_seeds_take_for_the_variance_of_samples_is_that_of_the_classes() -> None:
    labels = np.repeat([0, 1, 2, 3], [2, 3, 50, 1])
    hits = (np.arange(len(labels)) % 3 == 0) * 1.0
    rows = np.arange(len(labels))
    values = QueryValues(rows, hits, labels, rows)
    shares = [hits[labels == label].mean() for label in range(4)]
    own = [hits[labels == label].var(ddof=1) / (labels == label).sum() for label in range(3)]
    single = (hits[-1] - np.mean(shares)) ** 2
    assert (metric_of("mean_per_class_recall").influence(values) ** 2).sum() == pytest.approx((sum(own) + single) / 16)
