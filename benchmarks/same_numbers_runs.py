"""One side of ``same_numbers.py``: every run of it, in one process, with the checkout that PYTHONPATH puts first.

    PYTHONPATH=CHECKOUT python same_numbers_runs.py WORLD OUT

OUT gets a folder of records for each run, ``screens.json`` (what the commands print), ``cards.json`` (hashes of the shipped
cards) and, in ``cache``, the store of embeddings.
"""

from __future__ import annotations

import io
import json
import os
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from unittest import mock

ARCHITECTURE = "same-numbers-tiny"
SHAPES = "shapes-retrieval,shapes-finegrained,shapes-composition,shapes-zeroshot"
MADE = "made-*"
# Folder of the records, and the arguments of `goldieval run`; {world} is the folder of the made files.
RUNS: dict[str, str] = {
    "built-in": "--model goldiclip --tasks shapes-* --limit 40 --save-images 2",
    "built-in-global": f"--model goldiclip --tasks {SHAPES} --limit 32 --scoring global",
    "built-in-conditioned": f"--model goldiclip --tasks {SHAPES} --limit 32 --scoring conditioned",
    "built-in-shortlist": "--model goldiclip --tasks shapes-retrieval,shapes-question --limit 32 --scoring shortlist:6",
    "built-in-csa": "--model goldiclip --tasks shapes-segmentation --limit 6 --set attention=csa --set reading=projection",
    "built-in-map": "--model goldiclip --tasks shapes-segmentation --limit 6 --set reading=attention-map",
    "built-in-probe": "--model goldiclip --tasks shapes-probe",
    "built-in-made": f"--model goldiclip --tasks {MADE} --allow-bad 1",
    "built-in-suites": "--model goldiclip --tasks retrieval,zeroshot --limit 16",
    "open-clip": f"--model open_clip:{ARCHITECTURE}@{{world}}/models/clip_1.pt --tasks {MADE} --allow-bad 1",
    "two-checkpoints": f"--model open_clip:{ARCHITECTURE}@{{world}}/models/clip_*.pt --tasks {SHAPES} --limit 30",
    "bf16": f"--model open_clip:{ARCHITECTURE}@{{world}}/models/clip_1.pt --tasks shapes-zeroshot --limit 20 --precision bf16",
    "no-cache": f"--model open_clip:{ARCHITECTURE}@{{world}}/models/clip_1.pt --tasks made-coco,made-folder --no-cache",
    "flair": f"--model flair@{{world}}/models/flair.pt --tasks {MADE} --allow-bad 1",
    "flair-shortlist": "--model flair@{world}/models/flair.pt --tasks made-coco,made-captions --scoring shortlist:3",
    "cosmos": "--model cosmos@{world}/models/cosmos.pt --tasks made-coco,made-contrast,made-hub,made-masks",
    "superclip": "--model superclip@{world}/models/superclip.pt --tasks made-coco,made-contrast,made-hub,made-probe",
    "random": f"--model random --tasks {MADE}",
    "subset": "--model random --tasks made-table,made-coco --limit 5 --subset present",
    "embeddings": "--model embeddings:{world}/embeddings --tasks made-relevance",
    "own-model": "--model {world}/models/toy.py:load --tasks made-coco,made-hub,made-crossed,shapes-retrieval --limit 20",
    "trained": "--model goldiclip@{out}/training/step-000006 --tasks shapes-retrieval,shapes-vqa --limit 16",
}
# What is printed from these records.
SCREENS: dict[str, str] = {
    "show": "show {out}/records --json",
    "ls": "ls results --out {out}/records --json",
    "compare": "compare {out}/records/built-in-global {out}/records/built-in-conditioned --json",
    "compare-models": "compare {out}/records/open-clip {out}/records/flair --json",
    "leaderboard": "table leaderboard --out {out}/records --format csv",
    "shapes": "table shapes --out {out}/records --format csv",
    **{name: f"table {name} --format csv" for name in ("goldiclip-retrieval", "goldiclip-segmentation", "ablation",
                                                       "methods", "superclip-zeroshot", "superclip-batches")},
}  # fmt: skip


def command(line: str) -> tuple[int, str, str]:
    """Run the command line in this process; return the exit code and what it printed on both streams."""
    from goldieval.cli import main

    out, err = io.StringIO(), io.StringIO()
    with mock.patch.object(sys, "argv", ["goldieval", *line.split()]), redirect_stdout(out), redirect_stderr(err):
        try:
            main()
        except SystemExit as stop:
            return int(stop.code or 0), out.getvalue(), err.getvalue()
    return 0, out.getvalue(), err.getvalue()


def run_all(world: Path, out: Path) -> None:
    import open_clip

    open_clip.add_model_config(world / f"models/{ARCHITECTURE}.json")
    screens = {}
    places = {"world": str(world), "out": str(out)}
    for name, line in {"training": f"train {world}/recipe.yaml --out {out}/training", **RUNS, **SCREENS}.items():
        if name in RUNS:
            line = f"run {line} --tasks-dir {world}/cards --out {out}/records/{name} --device cpu --offline"
        code, printed, said = command(line.format(**places))
        screens[name] = {"code": code, "out": printed, "err": said}
        print(f"{name}: exit code {code}", flush=True)
    (out / "screens.json").write_text(json.dumps(screens, indent=1))


def card_hashes(checkout: Path) -> dict[str, str]:
    """Return the hash of every shipped card by its name."""
    import goldieval

    return {file.stem: goldieval.load_task(file.stem).hash for file in sorted(checkout.glob("tasks/*.yaml"))}


if __name__ == "__main__":
    import torch

    import goldieval

    torch.set_num_threads(1)
    here, there = Path(goldieval.__file__).parents[1], Path(os.environ["PYTHONPATH"].split(os.pathsep)[0])
    if here.resolve() != there.resolve():
        raise SystemExit(f"goldieval comes from {here}, not from {there}")
    target = Path(sys.argv[2])
    target.mkdir(parents=True)
    (target / "cards.json").write_text(json.dumps(card_hashes(here), indent=1))
    run_all(Path(sys.argv[1]), target)
