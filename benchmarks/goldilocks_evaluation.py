"""Evaluates the checkpoints of a run of the study ``goldilocks``; a run calls it as a program of its own.

    python benchmarks/goldilocks_evaluation.py RUN_FOLDER [--test]

On the way: all checkpoints on scenes of the validation split, by every way of scoring that the row has; records in
``RUN_FOLDER/validation``. With ``--test`` the last checkpoint is also evaluated on the test split; records in
``RUN_FOLDER/test``. What the features of the last checkpoint encode is in ``RUN_FOLDER/shares.json``. What has been done
already is not done again.
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

from goldieval import evaluate, load_model
from goldieval.core.files import atomic_write
from goldieval.core.packaged import packaged
from goldieval.doctor.shortcuts.measure import background_share
from goldieval.goldiclip.checkpoint import load_weights
from goldieval.goldiclip.checkpoint_folder import checkpoints

Params = Mapping[str, Mapping[str, Any]]  # task to parameters that replace those of its card


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
    cards = validation_cards(plan.on_the_way.tasks, plan.on_the_way.scenes, run / "cards")
    last, info = load_weights(steps[-1])
    own, *others = ways(info.scoring)
    for way in (own, *others):
        _evaluate(steps, cards, run / "validation" / way, way, plan.params)
    if test:
        decoder_tasks = plan.at_the_end.decoder_tasks if last.decoder is not None else []
        _evaluate(steps[-1:], [*plan.at_the_end.tasks, *decoder_tasks], run / "test" / own, own, plan.params)
        for way in others:
            _evaluate(steps[-1:], plan.on_the_way.tasks, run / "test" / way, way, plan.params)
    if not (run / SHARES).is_file():
        atomic_write(run / SHARES, json.dumps(_shares(steps[-1])).encode())
    shutil.rmtree(run / "embeddings", ignore_errors=True)


def ways(own: str) -> list[str]:
    """Return the ways of scoring of a row, first its own."""
    return ["global"] if own == "global" else [own, "global"]


def _evaluate(models: Sequence[Path], tasks: Sequence[str], out: Path, way: str, params: Params) -> None:
    """Evaluate models on tasks, those with parameters of their own one by one, as an override is for all of a call."""
    special = {task: params[name] for task in tasks if (name := Path(task).stem.removesuffix(VALIDATION)) in params}
    calls: list[tuple[list[str], Mapping[str, Any]]] = [([task], own) for task, own in special.items()]
    for names, overrides in [([task for task in tasks if task not in special], {}), *calls]:
        specs = [f"goldiclip@{model}" for model in models]
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
