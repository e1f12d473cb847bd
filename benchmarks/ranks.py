"""The time of one run with 1, 2 and more ranks, started by torchrun on this machine, and whether their results are the same bytes.

    uv run python benchmarks/ranks.py                                            # goldiclip on its built-in tasks
    uv run python benchmarks/ranks.py --ranks 1 2 3 4 --rounds 3
    uv run python benchmarks/ranks.py --random-weights ViT-B-32 --tasks my-camvid.yaml,my-cifar10.yaml --data-dir DIR

Every run is cold: it has a store and a results folder of its own. One round runs every number of ranks once, in turn, so that
other programs on the machine disturb all of them alike. Claim (exit status 1 if it fails): outcome files are equal byte for byte,
and metrics digit for digit, whatever the number of ranks. Times are printed; on one machine, ranks share its cores, so that
they show the cost of several processes and not the gain of several machines.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

SAME = (
    "status",
    "reason",
    "key",
    "setting",
    "metrics",
    "classes",
    "approximation",
    "probe",
    "pixels",
    "ties",
    "outcomes",
)


@dataclass(frozen=True)
class Run:
    """One run.

    Attributes:
        wall: seconds from start to end.
        processor: processor seconds of all its processes.
        results: content by file: outcomes as bytes, and the fields of a record that hold results.
    """

    wall: float
    processor: float
    results: dict[str, object]


def measured(ranks: int, arguments: Sequence[str], place: Path) -> Run:
    """Run once in a folder of its own. Ends the program if the run fails, with what it printed."""
    environment = os.environ | {"GOLDIEVAL_STORE": str(place / "store"), "PYTHONWARNINGS": "ignore"}
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(ranks)] if ranks > 1 else []
    command = [sys.executable, *launch, "-m", "goldieval", "run", *arguments, "--out", str(place / "out")]
    place.mkdir(parents=True)
    with open(place / "printed.txt", "w") as printed:
        start = time.perf_counter()
        process = subprocess.Popen(command, env=environment, stdout=printed, stderr=subprocess.STDOUT)
        _, status, used = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}:\n{(place / 'printed.txt').read_text()}")
    return Run(wall, used.ru_utime + used.ru_stime, results(place / "out"))


def results(out: Path) -> dict[str, object]:
    """Return what a run has written, without dates, seconds and the environment."""
    found: dict[str, object] = {str(file.relative_to(out)): file.read_bytes() for file in out.rglob("*.parquet")}
    for file in out.rglob("*.json"):
        record = json.loads(file.read_text())
        found[str(file.relative_to(out))] = {name: record.get(name) for name in SAME}
    return found


def differences(first: dict[str, object], other: dict[str, object]) -> list[str]:
    """Return the files that differ, those that only one run has included.

    >>> differences({"a": 1, "b": 2}, {"a": 1, "b": 3, "c": 4})
    ['b', 'c']
    """
    return sorted(name for name in first.keys() | other.keys() if first.get(name) != other.get(name))


def random_weights(name: str, place: Path) -> str:
    """Write an open_clip model with random weights, the same for all ranks, and return its spec."""
    import open_clip
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(0)
    file = place / f"{name}.safetensors"
    save_file(open_clip.create_model(name).state_dict(), file)
    return f"open_clip:{name}@{file}"


def table(runs: dict[int, list[Run]]) -> None:
    """Print times and ratios to the smallest number of ranks, whose median of rounds is paired."""
    first = runs[min(runs)]
    print(f"{'ranks':>5}{'wall s':>9}{'ratio':>7}{'processor s':>13}{'ratio':>7}   wall s of each round")
    for ranks, own in runs.items():
        walls = statistics.median(b.wall / a.wall for a, b in zip(first, own, strict=True))
        processors = statistics.median(b.processor / a.processor for a, b in zip(first, own, strict=True))
        wall, processor = (statistics.median(getattr(run, name) for run in own) for name in ("wall", "processor"))
        each = ", ".join(f"{run.wall:.1f}" for run in own)
        print(f"{ranks:>5}{wall:>9.1f}{walls:>7.2f}{processor:>13.1f}{processors:>7.2f}   {each}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ranks", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--model", default="goldiclip")
    parser.add_argument("--random-weights", metavar="NAME", help="an open_clip model with random weights, for --model")
    parser.add_argument("--tasks", default="shapes")
    parser.add_argument("--data-dir")
    parser.add_argument("--limit", type=int)
    parser.add_argument("--scoring")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        model = random_weights(options.random_weights, Path(place)) if options.random_weights else options.model
        given = {"--data-dir": options.data_dir, "--limit": options.limit, "--scoring": options.scoring}
        chosen = [str(part) for name, value in given.items() if value is not None for part in (name, value)]
        arguments = ["--model", model, "--tasks", options.tasks, "--offline", "--device", "cpu", *chosen]
        runs: dict[int, list[Run]] = {ranks: [] for ranks in sorted(set(options.ranks))}
        for number in range(options.rounds):
            for ranks in runs:
                runs[ranks].append(measured(ranks, arguments, Path(place) / f"{number}-{ranks}"))
                print(f"round {number + 1}, {ranks} ranks: {runs[ranks][-1].wall:.1f} s", file=sys.stderr, flush=True)
    what = f"{options.random_weights or options.model} on {options.tasks}" + (
        f", {options.limit} images each" * bool(options.limit)
    )
    print(f"{what}; {os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f}")
    table(runs)
    first = runs[min(runs)][0].results
    unequal = {name for own in runs.values() for run in own for name in differences(first, run.results)}
    files = sum(name.endswith(".parquet") for name in first)
    print(f"{files} outcome files and {len(first) - files} records: " + (f"DIFFERENT: {', '.join(sorted(unequal))}" if unequal else "the same bytes for every number of ranks"))  # fmt: skip
    return int(bool(unequal) or not files)


if __name__ == "__main__":
    sys.exit(main())
