"""One checkpoint on five local data sets of real images: one command of goldieval against one of clip-benchmark per data set.

python benchmarks/run_vs_clip_benchmark.py --oracle-python .venv-oracle/bin/python

Both in float32, batches of 64, the same tars and the same checkpoint file. Claims: metrics equal to 1e-4 (exit status 1 if
not); in total at least 1.5 times less wall time without stored embeddings, and 10 times less with them. README.md describes how
to create the environment for clip-benchmark.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import local_webdatasets as local

from goldieval.records.files import find_records, read_record
from goldieval.records.schema import Record

PEER_NAMES = {
    f"{ours}_r{k}": f"{theirs}_retrieval_recall@{k}"
    for ours, theirs in (("t2i", "image"), ("i2t", "text"))
    for k in (1, 5, 10)
}
PEER_NAMES |= {name: name for name in ("acc1", "acc5", "mean_per_class_recall")}
MOST_DIFFERENCE, LEAST_COLD, LEAST_WARM = 1e-4, 1.5, 10.0


class Seconds(NamedTuple):
    """Of one process and its children. On a busy machine the processor's seconds say more than the wall's."""

    wall: float
    processor: float

    def __str__(self) -> str:
        return f"{self.wall:.1f} s ({self.processor:.0f} s of processor)"


def timed(command: list[str], log: Path, **environment: str) -> Seconds:
    """Run a command; its output goes to ``log``, shown if it fails."""
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    with log.open("w") as stream:
        done = subprocess.run(command, stdout=stream, stderr=subprocess.STDOUT, env=os.environ | environment)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{log.read_text()[-3000:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Seconds(time.perf_counter() - start, processor)


def import_seconds(python: str, module: str, work: Path) -> Seconds:
    """Seconds to start Python and import; the second of two runs, so that all files are in the system's cache."""
    return [timed([python, "-c", f"import {module}"], work / "import.log") for _ in range(2)][1]


def run_peer(
    python: str, checkpoint: Path, exported: local.Exported, work: Path, architecture: str
) -> tuple[Seconds, dict]:
    """clip-benchmark's command line on one set; (seconds, metrics)."""
    output = work / f"peer-{exported.name}.json"
    task = "zeroshot_retrieval" if exported.retrieval else "zeroshot_classification"
    command = [
        python, "-m", "clip_benchmark.cli", "eval", "--dataset", f"wds/{exported.name}", "--dataset_root",
        str(exported.folder), "--task", task, "--no_amp", "--num_workers", "1", "--recall_k", "1", "5", "10", "--pretrained",
        str(checkpoint), "--model", architecture, "--output", str(output),
    ]  # fmt: skip
    seconds = timed(command, work / f"peer-{exported.name}.log", HF_HUB_OFFLINE="1")
    return seconds, json.loads(output.read_text())["metrics"]


def run_ours(
    checkpoint: Path, sets: list[local.Exported], work: Path, architecture: str
) -> tuple[Seconds, dict[str, Record]]:
    """Our one command on all sets; (seconds, records by set). Reuses the store in ``work`` if there is one."""
    out = work / "ours"
    shutil.rmtree(out, ignore_errors=True)
    command = [
        sys.executable, "-m", "goldieval", "run", "--model", f"open_clip:{architecture}@{checkpoint}", "--tasks",
        ",".join(str(exported.card) for exported in sets), "--out", str(out), "--offline", "--device", "cpu",
    ]  # fmt: skip
    # The data root is not used: every card names its folder. It keeps a real $GOLDIEVAL_DATA out of the run.
    seconds = timed(command, work / "ours.log", GOLDIEVAL_STORE=str(work / "store"), GOLDIEVAL_DATA=str(work))
    found = {(record := read_record(file)).task.name: record for file in find_records(out)}
    return seconds, {exported.name: found[exported.task] for exported in sets}


def phases(wall: float, runs: dict[str, Record]) -> str:
    """What the records say of a run's wall time; scoring is per task, the other phases are shared by all."""
    parts = [run.run.seconds for run in runs.values()]
    shared = {name: value for name, value in parts[0].items() if name != "score"}
    shared["score, all tasks"] = sum(part.get("score", 0.0) for part in parts)
    shared["start, imports, records"] = wall - sum(shared.values())
    return ", ".join(f"{name} {value:.1f}" for name, value in shared.items())


def score_seconds(runs: dict[str, Record]) -> str:
    return ", ".join(f"{name} {run.run.seconds.get('score', 0.0):.2f}" for name, run in runs.items())


def disagreements(runs: dict[str, Record], theirs: dict[str, dict[str, float]]) -> list[str]:
    """Print the metrics side by side; return those where the peer's number is not ours."""
    wrong = []
    print(f"\n{'metric':36}{'goldieval':>12}{'clip-benchmark':>16}{'difference':>12}")
    for name, run in runs.items():
        for metric, ours in run.values().items():
            if (peer_name := PEER_NAMES.get(metric)) is None:
                continue  # mean and median rank: the peer has none
            their = theirs[name][peer_name]
            print(f"{name + ' ' + metric:36}{ours:12.6f}{their:16.6f}{abs(ours - their):12.1e}")
            if not abs(ours - their) <= MOST_DIFFERENCE:
                wrong.append(f"{name} {metric}")
    return wrong


def total_of(runs: list[Seconds]) -> Seconds:
    return Seconds(*(sum(column) for column in zip(*runs, strict=True)))


def median_of(runs: list[Seconds]) -> Seconds:
    return Seconds(*(statistics.median(column) for column in zip(*runs, strict=True)))


def print_ratio(name: str, theirs: Seconds, ours: Seconds, aim: float) -> None:
    wall, processor = theirs.wall / ours.wall, theirs.processor / ours.processor
    print(f"{name}: {wall:.1f} times less wall time (aim: at least {aim:g}), {processor:.1f} times less processor time")


def export(work: Path, names: list[str], limit: int | None) -> list[local.Exported]:
    return [
        local.export_retrieval(name, work / "data")
        if name in local.RETRIEVAL
        else local.export_classification(name, work / "data", limit)
        for name in names
    ]


def compare(arguments: argparse.Namespace, work: Path) -> int:
    sets = export(work, arguments.sets, arguments.limit_classification)
    checkpoint = local.make_checkpoint(arguments.architecture, work / "epoch_1.pt")
    for exported in sets:
        print(
            f"{exported.name}: {len(exported.keys):,} images, {exported.texts:,} {'captions' if exported.retrieval else 'prompts'}"
        )
    ours_imports = import_seconds(sys.executable, "goldieval.engine.run, open_clip", work)
    their_imports = import_seconds(arguments.oracle_python, "clip_benchmark.cli", work)
    print(f"python and imports alone: ours {ours_imports}, clip-benchmark {their_imports}", flush=True)

    shutil.rmtree(work / "store", ignore_errors=True)
    cold, records = run_ours(checkpoint, sets, work, arguments.architecture)
    print(f"ours, cold: {cold} = {phases(cold.wall, records)}\n  scoring: {score_seconds(records)}", flush=True)
    warm = []
    for _ in range(arguments.warm_repeats):
        seconds, warm_records = run_ours(checkpoint, sets, work, arguments.architecture)
        warm.append(seconds)
        print(f"ours, warm: {seconds} = {phases(seconds.wall, warm_records)}", flush=True)

    peer, theirs = [], {}
    for exported in sets:
        seconds, theirs[exported.name] = run_peer(
            arguments.oracle_python, checkpoint, exported, work, arguments.architecture
        )
        peer.append(seconds)
        print(f"clip-benchmark, {exported.name}: {seconds}", flush=True)
    total = total_of(peer)
    print(f"clip-benchmark, all sets: {total}")
    print_ratio("cold", total, cold, LEAST_COLD)
    print_ratio("warm", total, median_of(warm), LEAST_WARM)
    wrong = [name for runs in (records, warm_records) for name in disagreements(runs, theirs)]
    print(f"metrics that differ by more than {MOST_DIFFERENCE:g}: {', '.join(wrong) or 'none'}")
    return int(bool(wrong))


def main() -> int:
    every = [*local.RETRIEVAL, *local.CLASSIFICATION]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--oracle-python", default=str(local.CHECKOUT / ".venv-oracle/bin/python"))
    parser.add_argument("--limit-classification", type=int, metavar="N", help="N pictures of each classification set")
    parser.add_argument("--sets", nargs="+", choices=every, default=every)
    parser.add_argument("--architecture", default="ViT-B-32")
    parser.add_argument("--warm-repeats", type=int, default=3)
    parser.add_argument("--work", type=Path, help="folder for tars, checkpoint, store and logs; else a temporary one")
    arguments = parser.parse_args()
    if not Path(arguments.oracle_python).exists():
        sys.exit(
            f"no {arguments.oracle_python}: make the environment as benchmarks/README.md says, or --oracle-python PATH"
        )
    if not local.SHARED_DATA.is_dir():
        sys.exit(f"no {local.SHARED_DATA}: this benchmark needs the pictures beside the checkout")
    if arguments.work:
        arguments.work.mkdir(parents=True, exist_ok=True)
        return compare(arguments, arguments.work.resolve())
    with tempfile.TemporaryDirectory(prefix="goldieval-bench-") as folder:
        return compare(arguments, Path(folder))


if __name__ == "__main__":
    sys.exit(main())
