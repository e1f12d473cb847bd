"""Evaluates the checkpoints of a run of the study ``goldilocks``; a run calls it as a program of its own.

    python benchmarks/goldilocks_evaluation.py RUN_FOLDER [--test]

With ``--test``: the last checkpoint on the test split, by every way of scoring that the row has, records in
``RUN_FOLDER/test``; and all checkpoints on scenes of the validation split, by the row's own, in ``RUN_FOLDER/validation``.
Without it: the last checkpoint on more scenes of the validation split, by every way. What its features encode is in
``RUN_FOLDER/shares.json``. What has been done already is not done again.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from goldilocks_study.folders import SHARES, VALIDATION
from goldilocks_study.plan import load_plan

from goldieval import evaluate, load_model, load_task
from goldieval.core.files import atomic_write
from goldieval.core.packaged import packaged
from goldieval.doctor.shortcuts.measure import background_share
from goldieval.goldiclip.checkpoint import load_weights
from goldieval.goldiclip.checkpoint_folder import checkpoints


def evaluate_run(run: Path, test: bool) -> None:
    """Evaluate what has not been evaluated.

    Args:
        run: folder of the run.
        test: whether the last checkpoint is evaluated on the test split.

    Raises:
        SystemExit: a task failed.
    """
    plan, steps = load_plan(), checkpoints(run)
    os.environ["GOLDIEVAL_STORE"] = str(run / "embeddings")  # both ways of scoring encode once
    last, info = load_weights(steps[-1])
    own, *others = ways(info.scoring)
    if test:
        cards = validation_cards(plan.validation.tasks, plan.validation.on_the_way, run / "cards")
        decoder_tasks = plan.at_the_end.decoder_tasks if last.decoder is not None else []
        _evaluate(steps, cards, run / "validation" / own, own, plan.pools)
        _evaluate(steps[-1:], [*plan.at_the_end.tasks, *decoder_tasks], run / "test" / own, own, plan.pools)
        for way in others:
            _evaluate(steps[-1:], plan.validation.tasks, run / "test" / way, way, plan.pools)
    else:
        cards = validation_cards(plan.validation.tasks, plan.validation.at_the_end, run / "cards")
        for way in (own, *others):
            _evaluate(steps[-1:], cards, run / "validation" / way, way, plan.pools)
    if not (run / SHARES).is_file():
        atomic_write(run / SHARES, json.dumps(_shares(steps[-1])).encode())
    shutil.rmtree(run / "embeddings", ignore_errors=True)


def ways(own: str) -> list[str]:
    """Return the ways of scoring of a row, first its own."""
    return ["global"] if own == "global" else [own, "global"]


def _evaluate(models: Sequence[Path], tasks: Sequence[str], out: Path, way: str, pools: Mapping[str, int]) -> None:
    """Evaluate models on tasks; those in equally many pools at once, as an override is for all tasks of a call."""
    specs = [f"goldiclip@{model}" for model in models]
    by_folds: dict[int, list[str]] = {}
    for task in tasks:
        card = load_task(task).card
        pool = pools.get(card.name.removesuffix(VALIDATION))
        by_folds.setdefault(card.source.scenes // pool if pool else 1, []).append(task)
    for folds, names in by_folds.items():
        overrides = {"folds": folds} if folds > 1 else {}
        records = evaluate(specs, names, out=out, scoring=way, overrides=overrides)
        failed = [record for record in records if record.status != "ok"]
        if failed or records.models_failed:
            reasons = [f"{record.task.name}: {record.reason}" for record in failed]
            raise SystemExit([*map(str, records.models_failed.values()), *reasons][0])


def _shares(checkpoint: Path) -> dict[str, float]:
    """Return the share of the variance of the global image feature that each attribute of drawn scenes explains."""
    found = background_share(load_model(f"goldiclip@{checkpoint}"))
    if found.shares is None:
        raise SystemExit(f"{checkpoint}: all images have the same feature.")
    return {name: round(share.value, 5) for name, share in found.shares.items()}


def validation_cards(tasks: Sequence[str], scenes: int, folder: Path) -> list[str]:
    """Write the cards of tasks on the validation split.

    Args:
        tasks: names of shipped cards.
        scenes: number of scenes.
        folder: where the cards are written.

    Returns:
        The paths of the cards.
    """
    folder.mkdir(exist_ok=True)
    paths = []
    for task in tasks:
        content: dict[str, Any] = yaml.safe_load((packaged("tasks") / f"{task}.yaml").read_text())
        content["name"] = f"{task}{VALIDATION}"
        content["source"] |= {"split": "validation", "scenes": scenes}
        content["protocol"] = f"{scenes:,} validation scenes, {content['protocol'].partition(', ')[2]}"
        del content["expect"]  # counts of the test split
        paths.append(folder / f"{content['name']}.yaml")
        atomic_write(paths[-1], yaml.safe_dump(content, sort_keys=False).encode())
    return [str(path) for path in paths]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="folder of the run")
    parser.add_argument("--test", action="store_true", help="evaluate the last checkpoint on the test split, too")
    options = parser.parse_args()
    evaluate_run(options.run, options.test)
