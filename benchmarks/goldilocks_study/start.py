"""The start of the study ``goldilocks``: an image tower that knows the shapes, by token classes alone.

All rows begin with it. What it is and what it cost is in ``results/goldilocks/start.json``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from metered import Stop, metered
from trainings import versions

from goldieval.core.files import atomic_write
from goldieval.data.shapes import draw, sample_scene
from goldieval.data.shapes.world import SHAPES
from goldieval.goldiclip.checkpoint import load_weights
from goldieval.goldiclip.checkpoint_folder import checkpoints
from goldieval.goldiclip.data.images import normalised
from goldieval.goldiclip.model import GoldiClip
from goldieval.goldiclip.recipe_files import load_recipe
from goldieval.goldiclip.tokenizer import Tokenizer
from goldieval.models.torch_adapter import module_fingerprint
from goldilocks_study.folders import Folders, read_own
from goldilocks_study.plan import Plan

IMAGES_AT_ONCE = 100


def started(plan: Plan, folders: Folders, threads: int, stop: Stop, steps: int | None) -> tuple[Path, str]:
    """Return the start's checkpoint and the fingerprint of its weights; it is trained if it is not there.

    Args:
        plan: the plan.
        folders: where results and checkpoints are.
        threads: threads of the training.
        stop: request to stop.
        steps: steps of a trial, in which the start need not know the shapes.

    Raises:
        CutError: the training was stopped; it goes on next time.
        SystemExit: the start does not know the shapes, or is another one than that of the run files.
    """
    recipe = load_recipe(plan.start.recipe)
    length = min(recipe.optimiser.steps, steps) if steps else recipe.optimiser.steps
    out, file = folders.runs / "start", folders.results / "start.json"
    checkpoint = out / f"step-{length:06d}"
    if not (folders.home / checkpoint).is_dir():
        log = folders.home / out / "output.txt"
        settings = ["--set", f"optimiser.steps={length}", "--out", str(out), "--resume"]
        metered(["-m", "goldieval", "train", plan.start.recipe, *settings], folders.home, log, threads, stop)
    if not file.is_file():
        _describe(plan, folders, checkpoint, file, checked=steps is None)
    about = read_own(file, "fingerprint")
    model, _ = load_weights(folders.home / checkpoint)
    if (found := module_fingerprint(model)) != about["fingerprint"]:
        raise SystemExit(
            f"{file} names the start {about['fingerprint'][:12]}, {folders.home / checkpoint} is {found[:12]}, trained "
            "elsewhere or with other versions. Its runs cannot be mixed: bring that checkpoint back, or name another --out."
        )
    return checkpoint, found


def _describe(plan: Plan, folders: Folders, checkpoint: Path, file: Path, checked: bool) -> None:
    """Measure the start's checkpoints and write what it is, or end the program if it does not know the shapes."""
    out = folders.home / checkpoint.parent
    log = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    shares = {folder.name: shape_words(load_weights(folder)[0], plan.start.pictures) for folder in checkpoints(out)}
    model, info = load_weights(folders.home / checkpoint)
    share = shares[checkpoint.name]["right"]
    if checked and share < plan.start.share:
        raise SystemExit(
            f"the start names a right shape in {share:.1%} of pictures, less than {plan.start.share:.0%}: raise "
            f"optimiser.steps of recipe {plan.start.recipe}, and remove {out}."
        )
    content: dict[str, Any] = {
        "recipe": load_recipe(plan.start.recipe, {"optimiser.steps": len(log)}).model_dump(mode="json"),
        "fingerprint": module_fingerprint(model),
        "images_seen": info.images_seen,
        "processor_seconds": round(sum(line["processor"] for line in log), 1),
        "shape_words": shares,
        "versions": versions(),
    }
    file.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(file, (json.dumps(content, indent=1) + "\n").encode())


@torch.no_grad()
def shape_words(model: GoldiClip, pictures: int) -> dict[str, float]:
    """Measure whether the shape word with the highest token class is right, on scenes of the validation split.

    Args:
        model: a model with token classes.
        pictures: number of pictures.

    Returns:
        ``right``: share of pictures in which the shape is there, and ``chance``, that of a word drawn at random;
        ``large``: share of pictures with one large object in which it is that object's, chance 1/8.
    """
    classes = _shape_classes(model)
    highest = {kind: _highest(model, kind, pictures, classes) for kind in ("scene", "dominant")}
    several = [sample_scene("validation", number, "scene") for number in range(pictures)]
    single = [sample_scene("validation", number, "dominant") for number in range(pictures)]
    shown = [{obj.shape for obj in scene.objects} for scene in several]
    large = [next(obj.shape for obj in scene.objects if obj.size == "large") for scene in single]
    return {
        "right": float(np.mean([word in own for word, own in zip(highest["scene"], shown, strict=True)])),
        "chance": float(np.mean([len(own) / len(SHAPES) for own in shown])),
        "large": float(np.mean([word == own for word, own in zip(highest["dominant"], large, strict=True)])),
    }


def _highest(model: GoldiClip, kind: Any, pictures: int, classes: list[torch.Tensor]) -> list[str]:
    """Return the shape word with the highest logit in each picture."""
    words: list[str] = []
    for first in range(0, pictures, IMAGES_AT_ONCE):
        numbers = range(first, min(first + IMAGES_AT_ONCE, pictures))
        scenes = [sample_scene("validation", number, kind) for number in numbers]
        drawn = np.stack([np.asarray(draw(scene, model.config.image_size)) for scene in scenes])
        logits = model.token_head(model.image_features(normalised(torch.from_numpy(drawn))).raw)
        of_words = torch.stack([logits[:, own].mean(1) for own in classes], dim=1)
        words += [SHAPES[place] for place in of_words.argmax(1).tolist()]
    return words


def _shape_classes(model: GoldiClip) -> list[torch.Tensor]:
    """Return the token classes of each shape word, several where the tokenizer splits it."""
    tokenizer = Tokenizer(model.config.merges, model.config.context_length)
    return [torch.tensor(tokenizer.ids(word)) for word in SHAPES]
