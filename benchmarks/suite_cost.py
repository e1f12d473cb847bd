"""What a suite costs a ViT-B/16 on 1, 8 and 64 GPUs, and what bounds it: measured rates, assumed machines, plain arithmetic.

python benchmarks/suite_cost.py                                   # measure here (minutes), then estimate paper-goldiclip
python benchmarks/suite_cost.py --write rates.json                # keep the measured rates
python benchmarks/suite_cost.py --measured rates.json --gpus 1 4 32 --cores 8 --scoring global
python benchmarks/suite_cost.py --measured rates.json --device-tflops 19.5 --share 0.6     # encoders in float32

Measured on this machine, one core: decoding, hashing, tokenizing, reading annotations, metrics with their intervals, writing
records, the store, loading the model. Assumed: the rate of the GPU, cores for each GPU, storage, network, sizes of pictures.
Operations are counted from the layers. No GPU is used, and no data are needed: counts are those that the cards expect.

The run is cold: nothing is stored, and no file is in memory. Work is divided in units that are never split (chunks of 256
pictures or 1,024 texts, batches of 64 pictures), so that 1,000 pictures in batches occupy at most 16 ranks.
"""

from __future__ import annotations

import argparse
import sys
import textwrap
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

from suite_measurement import measure_rates
from suite_parts import Machine, Phase
from suite_phases import phases
from suite_rates import MEANING, Rates, read_rates
from suite_work import Work, suite_work

from goldieval.core.errors import GoldievalError
from goldieval.report.numbers import duration

NAME, WIDTH = 36, 100
OPTIONS = {
    "tflops": ("--device-tflops", 312.0, "peak TFLOP/s of a GPU at the encoders' precision"),
    "share": ("--share", 0.35, "share of it that encoding reaches"),
    "float32_tflops": ("--float32-tflops", 19.5, "peak TFLOP/s in float32 without TF32, in which scores are computed"),
    "float32_share": ("--float32-share", 0.35, "share of it that text-conditioned scoring reaches"),
    "memory_gb": ("--memory-gb", 1555.0, "GB/s of the memory of a GPU"),
    "cores": ("--cores", 16, "processor cores for each GPU"),
    "gpus_per_node": ("--gpus-per-node", 8, "GPUs of a node"),
    "storage_mb": ("--storage-mb", 2000.0, "MB/s that a node reads from storage"),
    "network_gb": ("--network-gb", 10.0, "GB/s that a rank receives"),
}


def print_rates(rates: Rates) -> None:
    print(f"measured ({rates.machine})")
    for name, (what, unit, factor) in MEANING.items():
        print(f"  {what:<68}{factor * getattr(rates, name):>12,.4g} {unit}")


def print_machine(machine: Machine) -> None:
    print("\nassumed (option)")
    for name, (option, _, what) in OPTIONS.items():
        print(f"  {what:<68}{getattr(machine, name):>12,.4g} {option}")


def print_tasks(suite: Sequence[Work], found: Sequence[Phase], gpus: Sequence[int]) -> None:
    """Print a row for each task and for what all tasks share: counts, seconds, and what bounds the first and the last."""
    print(f"\n{'task':<{NAME}}{'images':>8}{'texts':>7}{'M pairs':>8}{seconds_header(gpus)}  bound by")
    for work in suite:
        own = [phase for phase in found if phase.task == work.name]
        counts = f"{work.images:>8,}{work.texts:>7,}{work.pairs / 1e6:>8.1f}"
        print(f"{work.name:<{NAME}}{counts}{seconds_row(own, gpus)}  {bounds(own, gpus)}")
    for phase in (phase for phase in found if not phase.task):
        print(f"{f'all tasks: {phase.name}':<{NAME + 23}}{seconds_row([phase], gpus)}  {bounds([phase], gpus)}")
    print(f"{'total':<{NAME + 23}}{seconds_row(found, gpus)}  {bounds(found, gpus)}")
    for mode in dict.fromkeys(work.mode for work in suite):
        names = [work.name for work in suite if work.mode == mode]
        wrapped(f"scoring mode {mode}: {'all tasks' if len(names) == len(suite) else ', '.join(names)}")
    assumed = [f"{work.name} {work.assumed}" for work in suite if work.assumed]
    if assumed:
        wrapped(f"assumed counts: {'; '.join(assumed)}")


def seconds_header(gpus: Sequence[int]) -> str:
    return "".join(f"{f'{count} GPU' if count == 1 else f'{count} GPUs':>8}" for count in gpus)


def seconds_row(found: Sequence[Phase], gpus: Sequence[int]) -> str:
    return "".join(f"{sum(phase.on(count) for phase in found):>8,.1f}" for count in gpus)


def by_bound(found: Sequence[Phase], ranks: int) -> dict[str, float]:
    """Return the seconds that each resource bounds, the largest first."""
    sums: dict[str, float] = {}
    for phase in found:
        part = phase.slowest(ranks)
        sums[part.bound] = sums.get(part.bound, 0.0) + part.on(ranks)
    return dict(sorted(sums.items(), key=lambda item: -item[1]))


def bounds(found: Sequence[Phase], gpus: Sequence[int]) -> str:
    first, last = (next(iter(by_bound(found, count))) for count in (gpus[0], gpus[-1]))
    return first if first == last else f"{first}, {last}"


def print_bounds(found: Sequence[Phase], gpus: Sequence[int]) -> None:
    """Print the seconds that each resource bounds, over all phases."""
    print(f"\n{'bound by, seconds':<{NAME}}{seconds_header(gpus)}")
    sums = {count: by_bound(found, count) for count in gpus}
    names = dict.fromkeys(name for count in gpus for name in sums[count])
    for name in names:
        print(f"{name:<{NAME}}" + "".join(f"{sums[count].get(name, 0.0):>8,.1f}" for count in gpus))


def print_arithmetic(found: Sequence[Phase], gpus: Sequence[int], most: int) -> None:
    """Print how the longest phases on one GPU come about, and what the last number of GPUs makes of the sum."""
    last = gpus[-1]
    print(f"\nthe {most} longest phases on one GPU")
    for phase in sorted(found, key=lambda phase: -phase.on(1))[:most]:
        part = phase.slowest(1)
        wrapped(f"  {phase.task or 'all tasks'}, {phase.name} ({part.bound}): {part.how} = {part.on(1):,.1f} s", 4)
        if part.units:
            shares = -(-last // part.node) if part.node else last
            where = "nodes" if part.node else "ranks"
            now = phase.slowest(last)
            other = "" if now.bound == part.bound else f"; there {now.bound} bounds, {now.how}"
            most_units = f"{part.units:,} units on {shares:,} {where}: at most {-(-part.units // shares):,} each"
            wrapped(f"    {most_units}, {phase.on(last):,.2f} s{other}", 4)
    alone = sum(phase.on(1) for phase in found if not phase.slowest(1).units)
    total, reached = sum(phase.on(1) for phase in found), sum(phase.on(last) for phase in found)
    divided, best = total - alone, (total - alone) / last + alone
    print()
    wrapped(f"{total:,.1f} s on one GPU = {divided:,.1f} s that are divided + {alone:,.1f} s that are not")
    wrapped(
        f"{last} GPUs: at best {divided:,.1f} / {last} + {alone:,.1f} = {best:,.1f} s (Amdahl); with whole units, storage of "
        f"nodes and gathers {reached:,.1f} s"
    )
    wrapped(
        f"one GPU {duration(total)}, {last} GPUs {duration(reached)}: {total / reached:,.1f} times; no number of GPUs gives more "
        f"than {total / alone:,.1f} times"
    )


def wrapped(line: str, indent: int = 2) -> None:
    """Print a line within the width, and what does not fit below it, indented."""
    print(textwrap.fill(line, WIDTH, subsequent_indent=" " * indent, break_on_hyphens=False))


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", default="paper-goldiclip", help="suites and tasks, separated by commas")
    parser.add_argument("--scoring", choices=("auto", "global", "conditioned"), default="auto",
                        help="auto is the cards' mode, and GoldiCLIP's own, conditioned, where they name none")  # fmt: skip
    parser.add_argument("--gpus", type=_count, nargs="+", default=[1, 8, 64])
    parser.add_argument("--measured", type=Path, help="file of rates that --write wrote; without it they are measured")
    parser.add_argument("--pictures", type=Path, help="folder of *.jpg whose decoding is timed, of several sizes")
    parser.add_argument("--write", type=Path, help="file to keep the measured rates in")
    parser.add_argument("--longest", type=_count, default=8, help="number of phases whose arithmetic is printed")
    for name, (option, usual, what) in OPTIONS.items():
        kind = _count if isinstance(usual, int) else _rate
        parser.add_argument(option, dest=name, type=kind, default=usual, help=f"{what}; assumed {usual:g}")
    found = parser.parse_args(arguments)
    found.gpus = sorted(set(found.gpus))
    return found


def _count(text: str) -> int:
    number = int(text)
    if not 1 <= number <= 1_000_000:
        raise argparse.ArgumentTypeError(f"{text} is not between 1 and 1,000,000")
    return number


def _rate(text: str) -> float:
    number = float(text)
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not a positive number")
    return number


def main(arguments: Sequence[str] | None = None) -> int:
    options = parsed(arguments)
    try:
        suite = suite_work(
            options.tasks.split(","), "conditioned", None if options.scoring == "auto" else options.scoring
        )
        rates = read_rates(options.measured) if options.measured else measure_rates(options.pictures)
        if options.write:
            rates.write(options.write)
    except (GoldievalError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    machine = Machine(**{field.name: getattr(options, field.name) for field in fields(Machine)})
    found = list(phases(suite, rates, machine))
    print_rates(rates)
    print_machine(machine)
    print_tasks(suite, found, options.gpus)
    print_bounds(found, options.gpus)
    print_arithmetic(found, options.gpus, options.longest)
    return 0


if __name__ == "__main__":
    sys.exit(main())
