"""The tiny recipe of every method on Shapes, three seeds each, which compares methods on one trainer.

    uv run python benchmarks/methods.py --measure                # images per second, and the total time
    uv run python benchmarks/methods.py --jobs 2                 # everything; may be interrupted and started again
    uv run python benchmarks/study_table.py methods              # the table

Images seen, towers, optimiser and scenes are equal; captions, crops and losses are those of the method, so times differ,
which the table shows. A run that has its file in results/methods is skipped.
"""

from __future__ import annotations

from pathlib import Path

from trainings import ROOT, Planned, Study, study_main, whole_run

from goldieval.goldiclip.recipe_files import load_recipe

STUDY = Study(ROOT / "results/methods", Path("runs/methods"))
METHODS = {
    method: f"{method}-tiny"
    for method in ("clip", "siglip", "dreamlip", "flair", "cosmos", "superclip", "superclip-dual")
} | {"goldiclip": "ablation/h_goldiclip"}  # the paper's three ideas; goldiclip-tiny has foils and token classes as well
SEEDS, STEPS = 3, 256


def planned() -> list[Planned]:
    """Return the runs, first one seed of everything, then the next."""
    return [run(method, seed) for seed in range(SEEDS) for method in METHODS]


def run(method: str, seed: int) -> Planned:
    base = load_recipe("clip-tiny")
    changes = {"seed": seed, "data.scenes": base.data.scenes, "optimiser.warm_up": base.optimiser.warm_up}
    return Planned(f"{method}-seed{seed}", METHODS[method], whole_run(changes, STEPS), {"row": method, "seed": seed})


if __name__ == "__main__":
    study_main(__doc__, STUDY, planned())
