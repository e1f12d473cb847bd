"""The effect of rounding on a linear probe: embeddings of shapes-probe are perturbed repeatedly, with 1 and 2 threads.

    python benchmarks/probe_stability.py --model goldiclip --times 100

Another processor or number of threads changes embeddings by about 1e-6. Prints how often each penalty was chosen, and by how
many test images the score changed.
"""

from __future__ import annotations

import argparse
from collections import Counter
from typing import Any

import torch

from goldieval import evaluate
from goldieval.families import probe


def embeddings(model: str, task: str) -> tuple[Any, torch.Tensor]:
    """Return the prepared task and the unit vectors that the model gives for it."""
    taken: list[Any] = []
    score = probe.score
    probe.score = lambda prepared, features: taken.append((prepared, features)) or score(prepared, features)  # type: ignore[func-returns-value]
    try:
        evaluate(model, task, out=None, cache=False)
    finally:
        probe.score = score
    return taken[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="goldiclip")
    parser.add_argument("--task", default="shapes-probe")
    parser.add_argument("--times", type=int, default=100)
    parser.add_argument("--noise", type=float, default=1e-6)
    options = parser.parse_args()
    prepared, features = embeddings(options.model, options.task)
    plain = probe.score(prepared, features).metrics["acc1"]
    penalties: Counter[float] = Counter()
    moved: Counter[int] = Counter()
    for trial in range(options.times):
        torch.set_num_threads(1 + trial % 2)
        noise = torch.randn(features.shape, generator=torch.Generator().manual_seed(trial))
        found = probe.score(prepared, features + options.noise * noise)
        assert found.probe is not None
        penalties[found.probe.penalty] += 1
        moved[round((found.metrics["acc1"].value - plain.value) * plain.n)] += 1
    print(f"{options.task}, {plain.n} test images, acc1 {plain.value:.4f}; {options.times} times {options.noise:g}")
    print(f"penalties chosen: {dict(penalties)}")
    print(f"test images more or less right: {dict(sorted(moved.items()))}")


if __name__ == "__main__":
    main()
