"""A rehearsal of a large training: goldiclip-b16 but for its sizes, on several processes that are signalled and killed.

Trains once undisturbed and once with signals and kills at random moments, each time resumed by the same command, and
once more with another number of processes at the end. Exits with 1 unless the weights are equal (bit for bit for the
same number of processes), every step is in the log once, every evaluation has its records, and nothing is left over.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import statistics
import sys
import tempfile
import time
from pathlib import Path

import torch
from rehearsal_job import Disturbance, Job, drawn_disturbances, marked, start_server
from rehearsal_world import TASKS, TINY, WHOLE, Scale, write_recipe, write_shards
from safetensors.torch import load_file

from goldieval.core.temporary import SUFFIX
from goldieval.goldiclip.checkpoint_folder import latest, step_of
from goldieval.records.results import load_results

# Largest difference of the weights after another number of processes, as a share of their norm: sums in another order.
CLOSE = 1e-3
ORPHANS_END_S = 15.0  # data workers look for their parent every few seconds


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tiny", action="store_true", help="A few steps of 16 images on 2 processes.")
    parser.add_argument("--ranks", type=int, help="Number of processes; by default 4, with --tiny 2.")
    parser.add_argument("--disturbances", type=int, help="By default 6, with --tiny 3.")
    parser.add_argument("--seed", type=int, default=0, help="Seed of the moments and of the ranks that are hit.")
    parser.add_argument("--folder", type=Path, help="Empty folder to keep everything; by default a temporary one.")
    options = parser.parse_args()
    scale = TINY if options.tiny else WHOLE
    ranks = options.ranks or (2 if options.tiny else 4)
    count = options.disturbances if options.disturbances is not None else (3 if options.tiny else 6)
    with tempfile.TemporaryDirectory() as temporary:
        return rehearse(options.folder or Path(temporary), scale, ranks, count, options.seed)


def rehearse(folder: Path, scale: Scale, ranks: int, count: int, seed: int) -> int:
    """Run everything, print the figures, and return the exit code."""
    begun, mark = time.monotonic(), f"{os.getpid()}-{seed}"
    shards, recipe = folder / "shards", folder / "rehearsal.yaml"
    write_shards(shards, scale)
    write_recipe(recipe, shards, scale)
    print(
        f"{scale.shards:,} shards with {scale.shards * scale.samples:,} samples; {scale.steps} steps of {scale.batch:,} "
        f"images x {scale.captions} captions on {ranks} processes",
        flush=True,
    )
    servers = start_server(mark)
    whole, disturbed, fewer = (Job(recipe, folder / name) for name in ("whole", "disturbed", "fewer"))
    print_undisturbed(whole, whole.run(ranks))
    dice = random.Random(seed)
    restarts, repeated = disturb(disturbed, ranks, drawn_disturbances(count, ranks, whole.starts[0], dice))
    print_lost(disturbed, restarts, repeated, scale)
    stop = Disturbance(signal.SIGTERM, (dice.randrange(ranks),), after_steps=scale.steps // 2)
    print(f"{stop}: exit codes {fewer.run(ranks, stop)}; resumed on {ranks // 2} processes: {fewer.run(ranks // 2)}")
    faults = [*differences(whole, disturbed, scale), *unlike(whole, fewer, scale), *left_over(folder, mark, servers)]
    for fault in faults:
        print(f"FAULT: {fault}")
    print(f"{'failed' if faults else 'passed'} in {time.monotonic() - begun:,.0f} s")
    return 1 if faults else 0


def disturb(job: Job, ranks: int, disturbances: list[Disturbance]) -> tuple[int, int]:
    """Train to the end through disturbances; return the number of starts after the first, and of steps done twice."""
    repeated = 0
    for number, disturbance in enumerate(disturbances):
        codes = job.run(ranks, disturbance)
        print(f"{disturbance}: exit codes {codes}, {len(job.log())} steps in the log", flush=True)
        if set(codes) == {0}:  # it was done before
            return number, repeated
        if not set(codes) <= disturbance.codes:
            raise RuntimeError(f"exit codes {codes} after {disturbance}: {job.output()}")
        newest = latest(job.out)
        repeated += len(job.log()) - (step_of(newest) or 0 if newest else 0)
    if set(codes := job.run(ranks)) != {0}:
        raise RuntimeError(f"exit codes {codes}: {job.output()}")
    return len(disturbances), repeated


def print_undisturbed(job: Job, codes: list[int]) -> None:
    """Print the speed of a training that nothing has disturbed."""
    if set(codes) != {0}:
        raise RuntimeError(f"exit codes {codes}: {job.output()}")
    rates = [row["rate"] for row in job.log()[1:]]
    waits = [row["waited"] for row in job.log()[1:]]
    memory = max(row["memory"] for row in job.log()) / 2**30
    print(
        f"undisturbed: {job.seconds:,.0f} s, first step after {job.starts[0]:,.0f} s, then "
        f"{statistics.median(rates):,.1f} images/s (median), {statistics.median(waits):.2f} s a step waiting for data, "
        f"{memory:.2f} GiB in rank 0",
        flush=True,
    )


def print_lost(job: Job, restarts: int, repeated: int, scale: Scale) -> None:
    """Print what the disturbances have cost: the time of each start, and of the steps that are done twice."""
    start = statistics.median(job.starts[1:] or [0.0])
    step = scale.batch / statistics.median(row["rate"] for row in job.log())
    print(
        f"disturbed: {job.seconds:,.0f} s, {restarts} restarts, {repeated} steps done twice; lost per restart "
        f"{start + repeated * step / max(1, restarts):,.0f} s, of which {start:,.0f} s until the first step",
        flush=True,
    )


def differences(whole: Job, other: Job, scale: Scale) -> list[str]:
    """Return in what two trainings with the same number of processes differ; neither weights nor losses may."""
    faults = []
    for name in ("model.safetensors", "teacher.safetensors"):
        ours, theirs = (tensors_of(job, name) for job in (whole, other))
        bad = [key for key in ours if not torch.equal(ours[key], theirs[key])]
        faults += (
            [f"{name}: {len(bad)} of {len(ours)} tensors differ after disturbances, such as {bad[0]}"] if bad else []
        )
    rows = [[(row["step"], row["total"], row["gradient_norm"]) for row in job.log()] for job in (whole, other)]
    if rows[0] != rows[1]:
        faults.append("the logs differ")
    return faults + incomplete(whole, scale) + incomplete(other, scale)


def unlike(whole: Job, other: Job, scale: Scale) -> list[str]:
    """Return whether a training that went on with another number of processes has other weights than it may."""
    ours, theirs = (tensors_of(job, "model.safetensors") for job in (whole, other))
    apart = sum(float((ours[key] - theirs[key]).float().square().sum()) for key in ours) ** 0.5
    size = sum(float(ours[key].float().square().sum()) for key in ours) ** 0.5
    print(f"weights after another number of processes differ by {apart / size:.1e} of their norm (at most {CLOSE:g})")
    return ([] if apart / size <= CLOSE else ["that is too much"]) + incomplete(other, scale)


def incomplete(job: Job, scale: Scale) -> list[str]:
    """Return which steps are not in the log once, and which evaluations have no records."""
    steps = [row["step"] for row in job.log()]
    faults = [] if steps == list(range(1, scale.steps + 1)) else [f"{job.out.name}: steps in the log: {steps}"]
    found = {(r.task.name, r.model.images_seen) for r in load_results(job.out / "results") if r.status == "ok"}
    evaluated = range(scale.evaluate_every, scale.steps + 1, scale.evaluate_every)
    wanted = {(task, step * scale.batch) for task in TASKS for step in evaluated}
    return faults + ([f"{job.out.name}: no record of {sorted(wanted - found)}"] if wanted - found else [])


def tensors_of(job: Job, name: str) -> dict[str, torch.Tensor]:
    """Return the tensors of a job's newest checkpoint."""
    newest = latest(job.out)
    return load_file(newest / name) if newest else {}


def left_over(folder: Path, mark: str, servers: set[int]) -> list[str]:
    """Return processes and temporary files that are still there.

    Args:
        folder: where everything was written.
        mark: mark of all processes.
        servers: those from which the others were forked.
    """
    end = time.monotonic() + ORPHANS_END_S
    while (found := marked(mark) - servers) and time.monotonic() < end:
        time.sleep(0.5)
    faults = [f"processes {found} are left"] if found else []
    files = [str(file) for file in folder.rglob(f"*{SUFFIX}")]
    return faults + ([f"temporary files are left: {files}"] if files else [])


if __name__ == "__main__":
    sys.exit(main())
