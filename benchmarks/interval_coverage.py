"""The coverage of 95 % intervals on simulated samples whose true score is known.

Tested is every kind of interval in records and comparisons, with many samples and with few, for scores in the middle and near
0 and 1. Rows that are not marked unreliable (in most of their samples) must have a coverage of 92 to 97 % at true scores from
0.1 to 0.9, within three Monte Carlo standard errors; if a few hits decide, the coverage is discrete and may be higher. Exits
with status 1 if a row fails.

    python benchmarks/interval_coverage.py [--only NAME] [--samples 2000]
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import segmentation_worlds as worlds
from scipy.stats import binom

from goldieval.metrics import miou
from goldieval.metrics.clustered_intervals import clustered_mean_of_groups, clustered_means, clustered_median
from goldieval.metrics.intervals import DIFFERENCE, SHARE, Interval, mean_per_class, share
from goldieval.metrics.paired import mcnemar, paired_means, paired_sums
from goldieval.metrics.paired_classes import paired_mean_per_class
from goldieval.metrics.paired_result import Paired

LEAST, MOST = 0.92, 0.97
SCORES = (0.01, 0.1, 0.3, 0.5, 0.9, 0.99)
RESAMPLES = 200  # of the tests by drawing: intervals need none
CLASS_SIZES = {
    "100 classes of 30 to 800": np.linspace(30, 800, 100).astype(int),
    "20 of 5, 20 of 50, 5 of 500": np.repeat([5, 50, 500], [20, 20, 5]),
    "102 classes of 1 to 800": np.geomspace(1, 800, 102).astype(int),  # as uneven as Caltech-101
    "20 of 2, 20 of 10": np.repeat([2, 10], [20, 20]),
    "50 of 1, 50 of 2": np.repeat([1, 2], [50, 50]),
}
SUGARCREPE = (692, 2062, 788, 1652, 1406, 666, 245)


@dataclass(frozen=True)
class Row:
    """Coverage of one simulated setting.

    Attributes:
        name: name of the setting.
        score: true score.
        covered: share of the intervals that contain it.
        unreliable: share of samples whose interval is marked unreliable.
        none: share of samples without an interval.
        samples: number of samples.
        steps: whether a few hits decide, so that the coverage is discrete.
    """

    name: str
    score: float
    covered: float
    unreliable: float
    none: float
    samples: int
    steps: bool = False

    @property
    def judged(self) -> bool:
        return self.unreliable + self.none < 0.5 and 0.1 <= self.score <= 0.9

    @property
    def right(self) -> bool:
        room = 3 * np.sqrt(0.95 * 0.05 / self.samples)
        return LEAST - room <= self.covered <= (1.0 if self.steps else MOST + room)


def counted(
    name: str, score: float, truth: float, found: Iterator[Interval] | Iterator[Paired], steps: bool = False
) -> Row:
    """Count the intervals that contain the true score, among samples with an interval."""
    intervals = list(found)
    there = [each for each in intervals if each.low is not None and each.high is not None]
    held = sum(each.low <= truth + 1e-12 and truth <= each.high + 1e-12 for each in there)  # type: ignore[operator]
    marked = sum(bool(getattr(each, "unreliable", "")) for each in there)
    count = len(intervals)
    return Row(name, score, held / max(len(there), 1), marked / count, 1 - len(there) / count, count, steps)


def accuracies(samples: int) -> Iterator[Row]:
    """Accuracy, computed exactly: every count of hits is weighted by its probability."""
    for units in (5, 10, 20, 50, 100, 500, 5000):
        ends = [share(np.arange(units) < hits) for hits in range(units + 1)]
        for score in SCORES:
            held = np.array([each.low <= score <= each.high for each in ends])  # type: ignore[operator]
            covered = float(binom.pmf(np.arange(units + 1), units, score)[held].sum())
            marked = float(bool(ends[0].unreliable))
            yield Row(f"accuracy, {units:,} images", score, covered, marked, 0.0, 10**9, units <= 50)


def recalls(samples: int) -> Iterator[Row]:
    """Images with five captions, or with 1 to 11, whose hits are correlated (intraclass correlation 1/3)."""
    for units in (10, 20, 50, 100, 500):
        for captions, sizes in {"5": np.full(units, 5), "1 to 11": np.arange(units) % 11 + 1}.items():
            for score in SCORES:
                found = _recalls(sizes, score, max(samples // (1 + units // 200), 100))
                yield counted(f"recall, {units:,} images of {captions} captions", score, score, found)


def _recalls(sizes: np.ndarray, score: float, samples: int) -> Iterator[Interval]:
    generator, clusters = np.random.default_rng(0), np.repeat(np.arange(len(sizes)), sizes)
    easy = np.repeat(generator.beta(2 * score, 2 * (1 - score), (len(sizes), samples)), sizes, axis=0)
    return iter(clustered_means((generator.random(easy.shape) < easy).astype(float), clusters, [SHARE] * samples))


def ranks(samples: int) -> Iterator[Row]:
    """Mean and median of lognormal ranks, as in a large gallery."""
    generator, ends = np.random.default_rng(1), (0.0, 1e9)
    for units in (10, 20, 50, 100, 500):
        for spread in (0.5, 1.5):
            drawn = np.exp(spread * generator.standard_normal((max(samples // 4, 100), units)))
            name, which = f"{units:,} images, spread {spread}", np.arange(units)
            means = (clustered_means(each[:, None], which, [ends])[0] for each in drawn)
            yield counted(f"mean rank, {name}", 0.5, float(np.exp(spread**2 / 2)), means)
            medians = (clustered_median(each, which, ends) for each in drawn[:400])
            yield counted(f"median rank, {name}", 0.5, 1.0, medians)


def class_scores(classes: int) -> dict[str, np.ndarray]:
    """Return true scores of classes of several shapes; in the last, small classes are hard."""
    generator, half = np.random.default_rng(5), np.arange(classes) < classes / 2
    return {
        "all 0.5": np.full(classes, 0.5),
        "all 0.9": np.full(classes, 0.9),
        "all 0.1": np.full(classes, 0.1),
        "all 0.98": np.full(classes, 0.98),
        "Beta(2, 2)": generator.beta(2, 2, classes),
        "Beta(0.5, 0.5)": generator.beta(0.5, 0.5, classes),
        "Beta(9, 1)": generator.beta(9, 1, classes),
        "0.2 and 0.95": np.where(np.arange(classes) % 2, 0.95, 0.2),
        "0.3 small, 0.95 large": np.where(half, 0.3, 0.95),
    }


def classes(samples: int) -> Iterator[Row]:
    for kind, sizes in CLASS_SIZES.items():
        labels = np.repeat(np.arange(len(sizes)), sizes)
        for shape, scores in class_scores(len(sizes)).items():
            generator = np.random.default_rng(2)
            found = (mean_per_class(generator.random(len(labels)) < scores[labels], labels) for _ in range(samples))
            yield counted(f"mean per class, {kind}, {shape}", float(scores.mean()), float(scores.mean()), found)


def paired_classes(samples: int) -> Iterator[Row]:
    for kind, sizes in CLASS_SIZES.items():
        labels = np.repeat(np.arange(len(sizes)), sizes)
        for shape, scores in class_scores(len(sizes)).items():
            other = 0.85 * scores + 0.05
            found = _paired_classes(labels, scores, other, samples // 2)
            yield counted(f"difference per class, {kind}, {shape}", 0.5, float((other - scores).mean()), found)


def _paired_classes(labels: np.ndarray, a: np.ndarray, b: np.ndarray, samples: int) -> Iterator[Paired]:
    generator = np.random.default_rng(3)
    for _ in range(samples):
        common = generator.random(len(labels))  # the same images are hard for both
        own = np.where(generator.random((2, len(labels))) < 0.7, common, generator.random((2, len(labels))))
        yield paired_mean_per_class((own[0] < a[labels]) * 1.0, (own[1] < b[labels]) * 1.0, labels, RESAMPLES)


def groups(samples: int) -> Iterator[Row]:
    """The mean of SugarCrepe's seven splits, whose items share images, whole and as a subset."""
    for part in (1, 4, 20):
        sizes = np.array(SUGARCREPE) // part
        group = np.repeat(np.arange(len(sizes)), sizes)
        image = np.random.default_rng(4).integers(0, 1560 // part, len(group))
        for middle in (0.5, 0.75, 0.93):
            scores = middle + min(middle, 1 - middle) * np.linspace(-0.6, 0.6, len(sizes))
            found = _groups(group, image, scores, samples // 2)
            yield counted(f"mean of 7 splits, {len(group):,} items", middle, float(scores.mean()), found)


def _groups(group: np.ndarray, image: np.ndarray, scores: np.ndarray, samples: int) -> Iterator[Interval]:
    generator = np.random.default_rng(5)
    for _ in range(samples):
        common = generator.random(image.max() + 1)[image]
        easy = np.where(generator.random(len(image)) < 0.3, common, generator.random(len(image)))
        yield clustered_mean_of_groups((easy < scores[group]) * 1.0, group, image)


def differences(samples: int) -> Iterator[Row]:
    """Paired differences of accuracy and of recall with five captions, and the loss of a shortlist."""
    for units in (20, 50, 100, 500):
        for differing in (0.05, 0.2):
            for lead in (0.5, 0.9):
                truth, name = differing * (2 * lead - 1), f"{units:,} images, {differing:.0%} differ, {lead:.0%} for B"
                found, few = _mcnemars(units, differing, lead, samples), units * differing <= 10
                yield counted(f"accuracy difference, {name}", 0.5, truth, found, few)
                count = max(samples // 8, 100)
                yield counted(
                    f"recall difference, {name}", 0.5, truth, _recall_pairs(units, differing, lead, count), few
                )
    for units in (50, 500):
        lost = np.random.default_rng(8).random((samples, units)) < 0.03
        losses = (clustered_means(each[:, None] * 1.0, np.arange(units), [DIFFERENCE])[0] for each in lost)
        yield counted(f"loss of a shortlist, {units:,} queries", 0.03, 0.03, losses)


def _moves(generator: np.random.Generator, shape: tuple[int, ...], differing: float, lead: float) -> np.ndarray:
    away = generator.random(shape) < differing
    return np.where(away, np.where(generator.random(shape) < lead, 1.0, -1.0), 0.0)


def _mcnemars(units: int, differing: float, lead: float, samples: int) -> Iterator[Paired]:
    generator = np.random.default_rng(6)
    for _ in range(samples):
        moved = _moves(generator, (units,), differing, lead)
        yield mcnemar((moved < 0) * 1.0, (moved > 0) * 1.0)


def _recall_pairs(units: int, differing: float, lead: float, samples: int) -> Iterator[Paired]:
    generator, images = np.random.default_rng(7), np.repeat(np.arange(units), 5)
    for _ in range(samples):
        common = np.repeat(_moves(generator, (units,), differing, lead), 5)
        own = _moves(generator, (5 * units,), differing, lead)
        moved = np.where(generator.random(5 * units) < 0.5, common, own)
        yield paired_means((moved < 0) * 1.0, (moved > 0) * 1.0, images, RESAMPLES)


def segmentation(samples: int) -> Iterator[Row]:
    """Mean IoU of simulated data; nothing is known about a class that is in no image of the sample."""
    for world in worlds.WORLDS:
        truth = worlds.truth(world)
        for images in (50, 100, 200, 400, 800, 1600):
            count = samples // 5 if images <= 400 else samples // 10
            generator = np.random.default_rng(9)
            made = (miou.scores(worlds.areas(world, images, generator))["miou"] for _ in range(count))
            yield counted(f"mIoU, {world.name}, {images:,} images", truth, truth, made)


def paired_segmentation(samples: int) -> Iterator[Row]:
    for world in worlds.WORLDS[1:2]:
        truth = worlds.truth(world, worse=0.1) - worlds.truth(world)
        for images in (100, 400):
            found = _paired_segmentation(world, images, max(samples // 20, 60))
            yield counted(f"mIoU difference, {world.name}, {images:,} images", 0.5, truth, found)


def _paired_segmentation(world: worlds.World, images: int, samples: int) -> Iterator[Paired]:
    generator = np.random.default_rng(10)
    for _ in range(samples):
        seed = int(generator.integers(1 << 40))
        a, b = (worlds.areas(world, images, np.random.default_rng(seed), worse) for worse in (0.0, 0.1))
        sides = [np.hstack([each[:, miou.INTERSECTION], each[:, miou.UNION]]) for each in (a, b)]
        shown = (a[:, miou.LABELLED] > 0).sum(axis=0)
        yield paired_sums(sides[0], sides[1], miou.mean_iou_of_sums, RESAMPLES, miou.unsure(shown))


KINDS: dict[str, Callable[[int], Iterator[Row]]] = {
    "accuracies": accuracies,
    "recalls": recalls,
    "ranks": ranks,
    "classes": classes,
    "paired_classes": paired_classes,
    "groups": groups,
    "differences": differences,
    "segmentation": segmentation,
    "paired_segmentation": paired_segmentation,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=2000)
    parser.add_argument("--only", choices=KINDS, action="append")
    arguments = parser.parse_args()
    start, failed = time.perf_counter(), []
    print("| interval | true score | covered | unreliable | none |\n|---|---|---|---|---|")
    for kind in arguments.only or KINDS:
        for row in KINDS[kind](arguments.samples):
            mark = "" if not row.judged or row.right else " (!)"
            covered = f"{100 * row.covered:.1f}{mark}" if row.none < 0.5 else "–"
            print(
                f"| {row.name} | {row.score:.2f} | {covered} | {row.unreliable:.0%} | {row.none:.0%} |",
                flush=True,
            )
            failed += [row.name] if mark else []
    print(f"\n{time.perf_counter() - start:.0f} s; judged rows outside 92 to 97 %: {'; '.join(failed) or 'none'}")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
