"""SuperCLIP's small-batch claim on Shapes: clip against superclip at batch 32, 128 and 512, three seeds each.

    uv run python benchmarks/superclip_batches.py --measure      # images per second, and the total time
    uv run python benchmarks/superclip_batches.py --jobs 2       # everything; may be interrupted and started again
    uv run python benchmarks/study_table.py superclip-batches    # the table

Images seen are equal at every batch size; learning rates scale with the square root of the batch,
warm-up lasts equally many images, and both methods have one caption per image and everything else in common. A run that
has its file in results/superclip-batches is skipped, an interrupted one is resumed from its last checkpoint.
"""

from __future__ import annotations

from pathlib import Path

from trainings import ROOT, Planned, Study, study_main, whole_run

from goldieval.goldiclip.recipe_files import load_recipe

STUDY = Study(ROOT / "results/superclip-batches", Path("runs/superclip-batches"))
METHODS, BATCHES, SEEDS = ("clip", "superclip"), (32, 128, 512), 3
IMAGES = 16_384  # seen by every run


def planned() -> list[Planned]:
    """Return the runs, first one seed of everything, then the next."""
    return [run(method, batch, seed) for seed in range(SEEDS) for batch in BATCHES for method in METHODS]


def run(method: str, batch: int, seed: int) -> Planned:
    recipe = f"{method}-tiny"
    base = load_recipe(recipe).optimiser
    ratio, muon = batch / base.batch_size, base.muon_lr or 0.0
    changes = {
        "seed": seed,
        "data.captions": 1,
        "optimiser.batch_size": batch,
        "optimiser.lr": base.lr * ratio**0.5,
        "optimiser.muon_lr": muon * ratio**0.5,
        "optimiser.warm_up": max(1, round(base.warm_up / ratio)),
    }
    about = {"row": f"{method}, batch {batch}", "seed": seed, "method": method, "batch": batch}
    return Planned(f"{method}-{batch}-seed{seed}", recipe, whole_run(changes, IMAGES // batch), about)


if __name__ == "__main__":
    study_main(__doc__, STUDY, planned())
