"""Speed of the statistics: the cluster bootstrap against a numpy loop and pure Python, and a list of 1,000 records.

10,000 resamples x 12 metrics x 5,000 clusters of five. All three draw clusters with replacement and add up the same
sums; their standard errors must agree, or the script exits with status 1. Pure Python is timed on a fraction.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

# The folder of a script stands first on its path: without this, `import statistics` in any script here, or in what it
# imports, would find this file in place of the standard library's.
_path, _here = sys.path[:], Path(__file__).resolve().parent
sys.path[:] = [place for place in _path if Path(place or ".").resolve() != _here]
sys.modules.pop("statistics", None)
sys.modules["statistics"] = importlib.import_module("statistics")
sys.path[:] = _path

import argparse  # noqa: E402
import io  # noqa: E402
import random  # noqa: E402
import tempfile  # noqa: E402
import time  # noqa: E402
from collections.abc import Callable  # noqa: E402

import numpy as np  # noqa: E402

METRICS, CLUSTERS, CAPTIONS, RESAMPLES = 12, 5000, 5, 10_000
PYTHON_RESAMPLES = 20
MOST_S, LEAST_OVER_NUMPY, LEAST_OVER_PYTHON, MOST_LIST_S = 5.0, 2.0, 20.0, 3.0
AGREE = 0.08  # standard errors from 10,000 and from 10,000 draws; pure Python's few draws are not judged


def sums_of_clusters(seed: int) -> np.ndarray:
    """Hits of each metric and sizes, by cluster, (clusters, metrics + 1); clusters of four to six captions."""
    generator = np.random.default_rng(seed)
    sizes = generator.integers(CAPTIONS - 1, CAPTIONS + 2, CLUSTERS)
    easy = generator.beta(1, 1, (CLUSTERS, METRICS))
    return np.column_stack([generator.binomial(sizes[:, None], easy), sizes]).astype(float)


def ours(sums: np.ndarray, resamples: int) -> np.ndarray:
    from goldieval.metrics.draws import resampled

    drawn = resampled(sums, resamples=resamples)
    return drawn[:, :-1] / drawn[:, -1:]


def numpy_loop(sums: np.ndarray, resamples: int) -> np.ndarray:
    generator = np.random.default_rng(1)
    means = np.empty((resamples, METRICS))
    for number in range(resamples):
        total = sums[generator.integers(0, CLUSTERS, CLUSTERS)].sum(axis=0)
        means[number] = total[:-1] / total[-1]
    return means


def pure_python(sums: np.ndarray, resamples: int) -> np.ndarray:
    rows, drawn = sums.tolist(), random.Random(1)
    means = []
    for _ in range(resamples):
        chosen = drawn.choices(rows, k=len(rows))
        totals = [sum(column) for column in zip(*chosen, strict=True)]
        means.append([total / totals[-1] for total in totals[:-1]])
    return np.array(means)


def timed(work: Callable[[], np.ndarray], repeats: int) -> tuple[float, float, np.ndarray]:
    """Return the least wall seconds and the least processor seconds of several runs, and what was made."""
    wall, processor = [], []
    for _ in range(repeats):
        start, busy = time.perf_counter(), time.process_time()
        made = work()
        wall.append(time.perf_counter() - start)
        processor.append(time.process_time() - busy)
    return min(wall), min(processor), made


def bootstrap(resamples: int, repeats: int) -> bool:
    """Print seconds and ratios; return whether the standard errors agree."""
    sums = sums_of_clusters(0)
    *us, mine = timed(lambda: ours(sums, resamples), repeats)
    *loop, theirs = timed(lambda: numpy_loop(sums, resamples), 1)
    *few, _ = timed(lambda: pure_python(sums, PYTHON_RESAMPLES), 1)
    python = [seconds * resamples / PYTHON_RESAMPLES for seconds in few]
    print(f"{resamples:,} resamples x {METRICS} metrics x {CLUSTERS:,} clusters (ours: the best of {repeats})")
    print(f"{'':14}{'wall, s':>9}{'processor, s':>14}   times ours by both")
    rows = {
        "goldieval": (us, f"aim: at most {MOST_S:g} s"),
        "numpy loop": (loop, f"aim: at least {LEAST_OVER_NUMPY:g}"),
        "pure Python": (python, f"aim: at least {LEAST_OVER_PYTHON:g}; {PYTHON_RESAMPLES} resamples timed"),
    }
    for name, ((wall, processor), aim) in rows.items():
        print(f"  {name:12}{wall:9.2f}{processor:14.2f}   {wall / us[0]:.1f} and {processor / us[1]:.1f} ({aim})")
    ratio = mine.std(axis=0) / theirs.std(axis=0)
    print(f"  standard errors, ours over numpy's: {ratio.min():.3f} to {ratio.max():.3f}")
    return bool(np.abs(ratio - 1).max() <= AGREE)


def list_of_records(count: int) -> int:
    """Write records, then time reading them all and printing every score; return how many lines were printed."""
    from goldieval.metrics.intervals import share
    from goldieval.records.parts import MeasuredMetric
    from goldieval.records.schema import DataPart, ModelPart, Record, RunPart, TaskPart
    from goldieval.records.writing import write_record

    metric = MeasuredMetric(**vars(share(np.arange(100) < 37)), separable=0.05, chance=0.1)
    run = RunPart(command="", started="", device="cpu", batch={}, seconds={}, encoded={}, reused={})
    with tempfile.TemporaryDirectory() as place:
        for number in range(count):
            model, task = divmod(number, 20)
            mark = f"{model:08d}" + "0" * 56
            who = ModelPart(
                spec=f"toy:{model}", family="toy", fingerprint=mark, parameters=1, resolution=1, context_length=1,
                precision="fp32", home="", notice="",
            )  # fmt: skip
            what = TaskPart(
                name=f"task-{task}", family="retrieval", version=1, protocol="all", title="", licence="",
                card_sha256="", scoring="global", headline="t2i_r1",
            )  # fmt: skip
            metrics = {f"{side}_r{k}": metric for side in ("t2i", "i2t") for k in (1, 5, 10)}
            record = Record(
                setting=mark, key=mark, status="ok", model=who, task=what, data=DataPart(source="toy"),
                metrics=metrics, environment={}, run=run,
            )  # fmt: skip
            write_record(Path(place), record, None)
        start, busy = time.perf_counter(), time.process_time()
        printed = _listed(Path(place))
        wall, processor = time.perf_counter() - start, time.process_time() - busy
    print(
        f"{count:,} records read and listed: {wall:.2f} s, processor {processor:.2f} s (aim: under {MOST_LIST_S:g} s)"
    )
    return printed


def _listed(place: Path) -> int:
    """Print a list of headlines as ``goldieval ls results`` does."""
    import contextlib

    from goldieval.cli.ls import What, ls

    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        ls(What.results, "*", None, None, place, False)
    return len(said.getvalue().splitlines())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--resamples", type=int, default=RESAMPLES)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--records", type=int, default=1000)
    arguments = parser.parse_args()
    agree = bootstrap(arguments.resamples, arguments.repeats)
    printed = list_of_records(arguments.records)
    return int(not agree or printed < arguments.records)


if __name__ == "__main__":
    sys.exit(main())
