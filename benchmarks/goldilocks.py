"""The study ``goldilocks``: which ideas help, on a bench on which methods can be told apart. Plan: goldilocks_study/plan.yaml.

    python benchmarks/goldilocks.py --stage start             # the checkpoint that all rows begin with, once
    python benchmarks/goldilocks.py --stage length --jobs 2   # how long a row has to be; on other scenes and seeds
    python benchmarks/goldilocks.py --stage choose --jobs 2   # which parts of the reconstruction are kept; the same
    python benchmarks/goldilocks.py --measure                 # processor seconds per step of each row: rates.json
    python benchmarks/goldilocks.py --stage final --jobs 2    # the tables at equal images and at equal processor time
    python benchmarks/goldilocks.py --stage batches --jobs 2  # SuperCLIP's claim
    python benchmarks/goldilocks.py --stage scenes --jobs 2   # data efficiency
    python benchmarks/goldilocks_table.py                     # tables and verdicts, from the run files alone

Everything may be cut at any time, by Ctrl-C, by SIGTERM or by --limit-hours, and goes on with the same command. A run that
has its file in results/goldilocks is skipped; one whose recipe or start is no longer that of the plan is refused.
Checkpoints are in runs/goldilocks, not in git. ``--out FOLDER`` does all this in another folder, ``--steps`` with fewer
steps.
"""

from __future__ import annotations

import argparse
import signal
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import get_args

from goldilocks_rates import rates_of
from goldilocks_study.folders import Folders
from goldilocks_study.plan import Plan, load_plan, rows_with_rates
from goldilocks_study.plan_types import Stage
from goldilocks_study.run_files import fault_of
from goldilocks_study.runs import Runner
from goldilocks_study.start import started
from metered import CutError, FailedError, Stop
from trainings import ROOT, Planned

from goldieval.core.errors import GoldievalError

STAGES: tuple[Stage, ...] = get_args(Stage)
NO_SUCH_RUN = "no such run: --only takes beginnings of names of runs of the stage, such as images-b."
BATCH = 64  # images per step at which rates are measured


def main() -> int:
    options = _options()
    plan, folders, stop = load_plan(), Folders(options.out), Stop(options.limit_hours)
    if options.stage != "start" and not all(plan.groups_of(options.stage, only) for only in options.only):
        raise SystemExit(NO_SUCH_RUN)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.request())
    try:
        start, fingerprint = started(plan, folders, options.threads, stop, options.steps)
        if options.measure:
            rates = rates_of(plan, folders, rows_with_rates(list(plan.groups.values())), options.threads, stop)
            print("\n".join(_costs(plan, rates, start)))
    except CutError:
        return _stopped(1)
    except FailedError as error:
        raise SystemExit(str(error)) from None
    if options.measure or options.stage == "start":
        return 0
    runner = Runner(folders, fingerprint, options.threads, stop)
    return _train(plan, runner, _chosen(plan, folders, options, start), options.jobs)


def _chosen(plan: Plan, folders: Folders, options: argparse.Namespace, start: Path) -> list[Planned]:
    """Return the runs that are wanted, with rates as they were measured before."""
    runs: dict[str, Planned] = {}
    for only in options.only:
        rates = rates_of(plan, folders, rows_with_rates(list(plan.groups_of(options.stage, only).values())))
        runs |= {run.name: run for run in plan.of_stage(options.stage, rates, start, options.steps, only)}
    return list(runs.values())


def _costs(plan: Plan, rates: dict[str, float], start: Path) -> list[str]:
    """Return the rates and the processor hours of each stage, without evaluations; other rows count as the slowest."""
    lines = [f"({row}) {1000 * each:.0f} ms of a processor per step" for row, each in rates.items()]
    for stage in STAGES:
        seconds = 0.0
        for run in plan.of_stage(stage, rates, start, None):
            optimiser, row = run.whole().optimiser, run.about["row"].split("-")[0]
            seconds += optimiser.steps * rates.get(row, max(rates.values())) * optimiser.batch_size / BATCH
        lines.append(f"stage {stage}: about {seconds / 3600:.1f} processor hours")
    return lines


def _train(plan: Plan, runner: Runner, planned: Sequence[Planned], jobs: int) -> int:
    """Do the runs without a file; return the exit code."""
    if not planned:
        raise SystemExit(NO_SUCH_RUN)
    written = [run for run in planned if runner.file(run).exists()]
    if faults := [fault for run in written if (fault := fault_of(runner.file(run), run, runner.start))]:
        raise SystemExit("\n".join([*faults, "Remove these files to train them again, or bring the former plan back."]))
    todo = [run for run in planned if run not in written]
    print(f"{len(written)} runs are done, {len(todo)} are to do", flush=True)
    with ThreadPoolExecutor(jobs) as pool:
        failures = list(pool.map(lambda run: _failure(plan, runner, run), todo))
    for failure in filter(None, failures):
        print(failure)
    if runner.stop.requested:
        return _stopped(sum(not runner.file(run).exists() for run in todo))
    return 1 if any(failures) else 0


def _failure(plan: Plan, runner: Runner, run: Planned) -> str:
    """Do a run; return why it failed, or an empty string."""
    try:
        runner.run(run, plan.groups[run.about["group"]].test)
    except CutError:
        return ""
    except (FailedError, GoldievalError, OSError, ValueError) as error:  # also what a damaged file of the run raises
        return f"{run.name}: {error}"
    return ""


def _stopped(left: int) -> int:
    print(f"stopped; {left} left, the same command goes on")
    return 1 if left else 0


def _positive(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of 1 or more")
    return int(text)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stage", choices=["start", *STAGES], default="start")
    parser.add_argument("--jobs", type=_positive, default=1, help="runs at the same time")
    parser.add_argument("--threads", type=_positive, default=1, help="threads of each run")
    parser.add_argument(
        "--only", nargs="+", default=[""], help="only runs whose names begin with one of these, in turn"
    )
    parser.add_argument("--measure", action="store_true", help="measure the rates, and stop; nothing else should run")
    parser.add_argument("--limit-hours", type=float, help="stop after so many hours")
    parser.add_argument("--out", type=Path, default=ROOT, help="folder of results/ and runs/; by default this checkout")
    parser.add_argument("--steps", type=_positive, help="limit the steps of each training, for a trial; needs --out")
    options = parser.parse_args()
    options.out = options.out.resolve()
    if options.steps and options.out == ROOT:
        parser.error("--steps is for a trial, whose files are no results: name another folder with --out")
    return options


if __name__ == "__main__":
    try:
        raise SystemExit(main())
    except (GoldievalError, OSError) as error:
        raise SystemExit(str(error)) from None
