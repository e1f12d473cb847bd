"""Peak memory of a training step: simulated for GPUs that are not here, and simulated against measured on this CPU.

python benchmarks/memory.py              # both tables; about five minutes on two quiet cores
python benchmarks/memory.py --only gpus  # one of them: gpus, cpu

Claims (exit status 1 if one fails): goldiclip-b16 at 512 images a GPU and 4,096 in all stays below 70 GiB with half of
the blocks checkpointed; a simulated peak lies within 5 % of what the allocator of this CPU gave out in a step of the same recipe. Resident
memory of a fresh process is shown beside it: it also has what the allocator keeps and what kernels use while they run.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
from collections.abc import Sequence

GIB, MIB = 2**30, 2**20
MOST_GIB = 70
TOLERANCE = 0.05
B16 = "goldiclip-b16"
# The same figures at commit ff2f424, simulated by these functions with every caption padded to 32 tokens; there was no setting.
BEFORE = "before (ff2f424): 40.6 GiB at 128 images a GPU and 4,096 in all; 142.3 GiB at 512 and 4,096"
GPUS: tuple[tuple[int, int, tuple[str, ...]], ...] = (  # processes, batch, settings
    (32, 4096, ("execution.checkpointing=0",)),
    (8, 4096, ("execution.checkpointing=0",)),
    (8, 4096, ("execution.checkpointing=1.0",)),
    (8, 4096, ("execution.checkpointing=0.75",)),
    (8, 4096, ("execution.checkpointing=0", "execution.micro_batches=2")),
    (1, 512, ("execution.checkpointing=0.5",)),
    (32, 16384, ("execution.checkpointing=0.5",)),
    (64, 32768, ("execution.checkpointing=0.5",)),
    (8, 4096, ("execution.checkpointing=0.5",)),
)
CPU: tuple[tuple[str, int, tuple[str, ...]], ...] = (  # recipe, batch, settings
    ("goldiclip-tiny", 16, ()),
    ("goldiclip-tiny", 16, ("execution.micro_batches=4",)),
    ("goldiclip-tiny", 16, ("execution.checkpointing=1.0",)),
    ("cosmos-tiny", 16, ()),
    ("superclip-dual-tiny", 16, ()),
    ("dreamlip-tiny", 8, ()),
    ("clip-b16", 2, ()),
    ("goldiclip-b16", 2, ()),
    ("goldiclip-b16", 2, ("execution.checkpointing=1.0",)),
)


def recipe_of(name: str, batch: int, settings: Sequence[str]):  # type: ignore[no-untyped-def]
    from goldieval.cli.overrides import parse_overrides
    from goldieval.goldiclip.recipe_files import load_recipe

    return load_recipe(name, parse_overrides([f"optimiser.batch_size={batch}", *settings]))


def gpus() -> bool:
    """Print the table of GPUs; return whether the last row is below the claim."""
    from goldieval.goldiclip.memory.simulation import simulated

    print(f"{B16}, simulated for CUDA in bf16; by process\n{BEFORE}\n")
    print(f"{'GPUs':>4}{'batch':>8}{'a GPU':>7}{'GiB':>8}{'TFLOP':>8}{'GB sent':>9}{'waits':>7}  settings")
    peak = 0.0
    for processes, batch, settings in GPUS:
        cost = simulated(recipe_of(B16, batch, settings), processes)
        peak = cost.bytes / GIB
        print(
            f"{processes:4}{batch:8,}{batch // processes:7}{peak:8.1f}{cost.flops / 1e12:8.1f}{cost.sent / 1e9:9.2f}"
            f"{cost.reads:7}  {' '.join(settings)}",
            flush=True,
        )
    return peak < MOST_GIB


def cpu() -> bool:
    """Print the table of this CPU; return whether all rows are within the tolerance."""
    from goldieval.goldiclip.memory.simulation import simulated

    print("on this CPU in float32, MiB\n")
    print(f"{'recipe':22}{'batch':>6}{'simulated':>11}{'allocated':>11}{'ratio':>7}{'resident':>10}  settings")
    worst = 0.0
    for name, batch, settings in CPU:
        recipe = recipe_of(name, batch, [*settings, "optimiser.precision='no'"])
        expected = simulated(recipe, device="cpu").bytes
        allocated, resident = (_in_fresh_process(kind, name, batch, settings) for kind in ("allocated", "resident"))
        ratio = expected / allocated
        worst = max(worst, abs(ratio - 1))
        print(
            f"{name:22}{batch:6}{expected / MIB:11.1f}{allocated / MIB:11.1f}{ratio:7.3f}{resident / MIB:10.1f}"
            f"  {' '.join(settings)}",
            flush=True,
        )
    return worst <= TOLERANCE


def _in_fresh_process(kind: str, name: str, batch: int, settings: Sequence[str]) -> int:
    command = [sys.executable, __file__, "--measure", kind, name, str(batch), *settings]
    quiet = {**os.environ, "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=quiet)
    return int(done.stdout.splitlines()[-1])


def measure(kind: str, name: str, batch: str, *settings: str) -> int:
    """Return the bytes that a step takes: as allocated, or by what the resident memory of this process grows."""
    import torch

    from goldieval.goldiclip.memory.measured import measured
    from goldieval.goldiclip.memory.simulation import simple
    from goldieval.goldiclip.memory.step import step_of
    from goldieval.goldiclip.memory.typical import typical_batch

    recipe = recipe_of(name, int(batch), [*settings, "optimiser.precision='no'"])
    if kind == "allocated":
        return measured(recipe)
    recipe = simple(recipe)
    host_batch = typical_batch(recipe, processes=1)
    before = _most_resident()
    first = recipe.warm_start.steps if recipe.warm_start else 0
    step_of(recipe, torch.device("cpu"))(lambda _: host_batch, first, 0)
    return _most_resident() - before


def _most_resident() -> int:
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=("gpus", "cpu"), help="print one table")
    parser.add_argument("--measure", nargs="+", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        print(measure(*arguments.measure))
        return 0
    tables = {"gpus": gpus, "cpu": cpu}
    held = [table() for name, table in tables.items() if arguments.only in (None, name)]
    return int(not all(held))


if __name__ == "__main__":
    sys.exit(main())
