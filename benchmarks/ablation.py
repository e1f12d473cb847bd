"""The ablation and the data-efficiency curve: trains every row on Shapes at equal images seen, one record file per run.

    uv run python benchmarks/ablation.py --measure          # images per second of every row, and the total time
    uv run python benchmarks/ablation.py --jobs 2           # everything; may be interrupted and started again
    uv run python benchmarks/ablation_table.py              # the tables

All rows of a corpus start with the same image tower, trained on token classes alone (recipe ablation/start): the effect
of a row is visible once the tower separates shapes, which takes thousands of steps from random weights.

A run that has its file in results/ablation is skipped, an interrupted one is resumed from its last checkpoint.
Checkpoints are in runs/ablation, not in git. Row (j) has as many steps of (b) as take the time of (h), by the measured
rates; row (i) waits for (h), whose learned weights it uses.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainings import ROOT, python, rate_of, trained

from goldieval.goldiclip.recipe_files import load_recipe

RESULTS = ROOT / "results/ablation"
RUNS = Path("runs/ablation")  # relative, as it stands in the records; trainings run in ROOT
RATES = RESULTS / "rates.json"
SCENES, OTHER_SCENES = 20_000, (5_000, 80_000)
CURVE_ROWS, CURVE_SEEDS = ("b", "h"), 2
START = "ablation/start"
STEPS = 200  # of a row, after the start


@dataclass(frozen=True)
class Row:
    """One line of the table. compute_of: another row whose training time this one gets."""

    recipe: str
    seeds: int = 3
    compute_of: str = ""


ROWS = {
    "a": Row("ablation/a_clip_one_caption"),
    "b": Row("ablation/b_clip", seeds=5),
    "c": Row("ablation/c_flair"),
    "d": Row("ablation/d_questions_as_captions"),
    "e": Row("ablation/e_distillation"),
    "f": Row("ablation/f_vqa"),
    "g": Row("ablation/g_vqa_in_encoder"),
    "h": Row("ablation/h_goldiclip", seeds=5),
    "i": Row("ablation/i_final_weights"),
    "j": Row("ablation/b_clip", compute_of="h"),
    "k": Row("ablation/k_token_classes"),
    "l": Row("ablation/l_question_beside_captions"),
    "m": Row("ablation/m_little_distillation"),
    "n": Row("ablation/n_distillation_dino"),
    "o": Row("ablation/o_distillation_cosine"),
    "p": Row("ablation/p_uncertain_dino"),
    "q": Row("ablation/q_uncertain_cosine"),
}


@dataclass(frozen=True)
class Run:
    """One training."""

    row: str
    seed: int
    scenes: int = SCENES

    @property
    def name(self) -> str:
        return f"{self.row}-{self.scenes}-seed{self.seed}"

    @property
    def file(self) -> Path:
        return RESULTS / f"{self.name}.json"


def runs(rows: list[str]) -> Iterator[Run]:
    """Yield first one seed of everything, then the next, so that a cut ablation is a whole one with fewer seeds."""
    for seed in range(max(row.seeds for row in ROWS.values())):
        yield from (Run(name, seed) for name in rows if seed < ROWS[name].seeds)
        curve = [name for name in CURVE_ROWS if name in rows and seed < CURVE_SEEDS]
        yield from (Run(name, seed, scenes) for name in curve for scenes in OTHER_SCENES)


def measured(rows: list[str], threads: int) -> dict[str, float]:
    """Return the images per second of each row, measured once in a process of its own and kept."""
    rates: dict[str, float] = json.loads(RATES.read_text()) if RATES.exists() else {}
    for name in rows:
        if name not in rates:
            rates[name] = rate_of(ROWS[name].recipe, {"data.scenes": 1000}, threads)
            RATES.write_text(json.dumps(rates, indent=1) + "\n")
    return rates


def changes_of(run: Run, rates: dict[str, float], steps: int | None) -> dict[str, Any]:
    """Return what this run replaces in its row's recipe."""
    row = ROWS[run.row]
    whole = steps or STEPS
    if row.compute_of:
        whole = round(whole * rates[run.row] / rates[row.compute_of])
    changes: dict[str, Any] = {"seed": run.seed, "data.scenes": run.scenes, "optimiser.steps": whole}
    changes["init"] = str(start_of(run.scenes))
    changes |= {"save_every": max(1, whole // 4), "keep": 1, "evaluation.every": whole}
    if run.row == "i":
        changes["objectives"] = learned_weights()
    return changes


def start_of(scenes: int) -> Path:
    """Return the checkpoint that all rows of this many scenes begin with."""
    return RUNS / f"start-{scenes}" / f"step-{load_recipe(START).optimiser.steps:06d}"


def train_start(scenes: int, threads: int) -> None:
    """Train that checkpoint, unless it is there."""
    folder = start_of(scenes)
    if not (ROOT / folder).is_dir():
        settings = ["--set", f"data.scenes={scenes}", "--out", str(folder.parent), "--resume"]
        python(["-m", "goldieval", "train", START, *settings], threads)


def learned_weights() -> dict[str, float]:
    """Return the mean over (h)'s finished seeds of the weights it ended with."""
    ended = [
        json.loads(run.file.read_text())["weights"] for run in runs(["h"]) if run.scenes == SCENES and run.file.exists()
    ]
    if not ended:
        raise SystemExit("row i takes the weights of row h: run row h first.")
    return {name: statistics.mean(weights[name] for weights in ended) for name in ended[0]}


def train(run: Run, changes: dict[str, Any], threads: int) -> None:
    """Train, evaluate and write the run's file; a cut run goes on."""
    about = {"row": run.row, "seed": run.seed, "scenes": run.scenes}
    trained(run.file, RUNS / run.name, ROWS[run.row].recipe, changes, about, threads)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", default=",".join(ROWS), help="letters, separated by commas")
    parser.add_argument("--jobs", type=int, default=1, help="trainings at a time")
    parser.add_argument("--threads", type=int, default=1, help="of each training")
    parser.add_argument("--steps", type=int, help=f"of every row but (j), instead of {STEPS}")
    parser.add_argument("--measure", action="store_true", help="measure, print the cost of everything, and stop")
    options = parser.parse_args()
    rows = options.rows.split(",")
    if unknown := set(rows) - set(ROWS):
        parser.error(f"no rows {', '.join(sorted(unknown))}; there are {', '.join(ROWS)}")
    RESULTS.mkdir(parents=True, exist_ok=True)
    rates = measured(sorted({*rows, *(ROWS[row].compute_of for row in rows)} - {""}), options.threads)
    todo = [run for run in runs(rows) if not run.file.exists()]
    seconds = 0.0
    for run in todo:
        steps = options.steps or STEPS
        seconds += (
            steps * load_recipe(ROWS[run.row].recipe).optimiser.batch_size / rates[ROWS[run.row].compute_of or run.row]
        )
    for row in rows:
        print(f"({row}) {ROWS[row].recipe}: {rates[row]:.0f} images/s")
    print(f"{len(todo)} runs to do, {seconds / 3600:.1f} hours of {options.threads} thread(s)", flush=True)
    if options.measure:
        return
    with ThreadPoolExecutor(options.jobs) as pool:
        list(pool.map(lambda scenes: train_start(scenes, options.threads), sorted({run.scenes for run in todo})))
        first = [run for run in todo if run.row != "i"]
        list(pool.map(lambda run: train(run, changes_of(run, rates, options.steps), options.threads), first))
        last = [run for run in todo if run.row == "i"]
        list(pool.map(lambda run: train(run, changes_of(run, rates, options.steps), options.threads), last))


if __name__ == "__main__":
    main()
