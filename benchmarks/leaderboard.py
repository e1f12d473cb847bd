"""Loading 1,000 records and printing the leaderboard. Claim: under 3 s, including the start of the program.

    uv run python benchmarks/leaderboard.py

50 models x 20 tasks with six metrics each, in records as written by ``run``. Every model has its own scores; the records have no
per-sample outcomes, so that marks depend on intervals. Exits with status 1 if a number of the table differs from the record.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests/support"))
from synthetic_records import made, share, write

from goldieval.tasks.catalogue import Catalogue

MODELS, TASKS, ROUNDS = 50, 20, 5


def records(folder: Path) -> None:
    names = [name for name, task in Catalogue().tasks.items() if task.card.source.on_disk]
    for number in range(TASKS):
        task = names[number % len(names)]
        card = Catalogue().tasks[task].card
        for model in range(MODELS):
            metrics = {name: share(score(model, number), 5000) for name in [card.headline, *card.metrics()[:6]]}
            write(
                folder,
                made(task, f"open_clip:ViT-B-16@runs/epoch_{model}.pt", name=f"{task}-{number}", metrics=metrics),
            )


def score(model: int, task: int) -> float:
    return round(0.2 + model / 100 + task / 1000, 4)


def main() -> int:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "results"
        folder.mkdir()
        records(folder)
        command = [
            sys.executable,
            "-m",
            "goldieval",
            "table",
            "leaderboard",
            "--out",
            str(folder),
            "--format",
            "csv",
        ]
        seconds, out = [], ""
        for _ in range(ROUNDS):
            start = time.perf_counter()
            out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            seconds.append(time.perf_counter() - start)
    shown = [float(line.split(",")[7]) for line in out.splitlines() if ",ours," in line]
    expected = sorted(score(model, task) for model in range(MODELS) for task in range(TASKS))
    print(
        f"{len(shown):,} numbers in {median(seconds):.2f} s (median of {ROUNDS}, {min(seconds):.2f} to {max(seconds):.2f})"
    )
    return 0 if sorted(shown) == expected else 1


if __name__ == "__main__":
    sys.exit(main())
