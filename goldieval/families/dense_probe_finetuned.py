"""Dense probes whose tower is trained as well, by mmsegmentation's runner; all else is as for a frozen tower.

Every seed is one training. They are shared among ranks; every rank has all trained towers afterwards.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

import numpy as np
import torch

from goldieval.core.containment import contained
from goldieval.core.group import share
from goldieval.core.transfers import upload
from goldieval.families.dense_probe_check import Checked
from goldieval.families.dense_probe_features import OF_MODEL, Run
from goldieval.families.dense_probe_finetuned_config import SCHEDULE, summary
from goldieval.families.dense_probe_finetuned_pictures import Sample
from goldieval.families.dense_probe_finetuned_training import FineTuned, FineTuning
from goldieval.families.dense_probe_heads import HEAD, Fitted
from goldieval.families.dense_probe_predict import Predict
from goldieval.families.dense_probe_windows import Resized, window_pixels
from goldieval.metrics.crossed_sums import ONE_SEED
from goldieval.models.adapter import Dense
from goldieval.records.parts import Probe
from goldieval.scoring.windows import corners, placed

MOST_READERS = 8  # processes that read training pictures, beside an accelerator
DESCRIPTIONS = {
    "projected": "patch features in the space of the texts, of a tower that was trained as well",
    "tokens": "patch tokens before the projection, of a tower that was trained as well",
}


def finetuned(run: Run, checked: Checked) -> Fitted:
    """Train tower and head with every seed. The model of the run is not changed.

    Args:
        run: the task and the model.
        checked: its pictures.

    Raises:
        TaskError: the model cannot be trained, a loss is not finite, or there is not enough memory.
    """
    prepared, params = run.prepared, run.prepared.params
    tuning = _tuning(run)
    run.note(f"{prepared.task.name}: fine-tuning the whole tower: {summary(params)}")
    mine = [tuning.trained(run, seed) for _, seed in share(range(params.seeds), run.group)]
    towers: list[FineTuned] = [trained for part in run.group.all_gather(mine) for trained in part]
    towers.sort(key=lambda trained: trained.seed)
    probe = Probe(
        method="finetuned",
        features=DESCRIPTIONS[params.features],
        solver=f"{HEAD}; {summary(params)}, {SCHEDULE.format(params.warmup)}",
        train=len(prepared.train),
        heads=params.seeds,
        steps=params.iterations,
        settings={
            "target": params.target,
            **prepared.target.settings,
            "trained_weights": tuning.tower().trained,
            "first_losses": [trained.mean_losses()[0] for trained in towers],
            "last_losses": [trained.mean_losses()[1] for trained in towers],
            "config": towers[0].config,
        },
    )
    return Fitted(_predictor(run, tuning, towers), probe, [ONE_SEED] if len(towers) == 1 else [])


def _tuning(run: Run) -> FineTuning:
    prepared = run.prepared
    images, target, params = prepared.dataset.images, prepared.target, prepared.params
    features: Callable[..., torch.Tensor] = OF_MODEL[params.features]
    device = torch.device(getattr(run.model, "device", "cpu")).type

    def read(row: int) -> Sample:
        with contained(f"reading {images[row].shown_name} again"):
            return np.asarray(images[row].source.open()), target.truth(row)

    return FineTuning(
        model=run.model,
        features=lambda windows: features(run.model, windows),
        params=params,
        target=target,
        classes=prepared.class_labels or [],
        rows=prepared.train.tolist(),
        ids=[images[row].id for row in prepared.train],
        read=read,
        workers=min(run.batching.workers, MOST_READERS) if device == "cuda" and hasattr(os, "fork") else 0,
        folder=run.parts.folder,
    )


def _predictor(run: Run, tuning: FineTuning, towers: Sequence[FineTuned]) -> Predict:
    """Return a function that predicts a picture with every tower."""
    model, params, target = run.model, run.prepared.params, run.prepared.target
    assert isinstance(model, Dense)
    modules = [tuning.module_of(trained) for trained in towers]

    def predict(_: int, picture: Resized) -> list[np.ndarray]:
        count = len(corners(*picture.size, params.crop, params.stride))
        windows = torch.cat([window_pixels(model, picture, params, number) for number in range(count)])
        found = []
        for module in modules:
            seen = (upload(part, tuning.device) for part in torch.split(windows, params.batch))
            maps = torch.cat([target.maps(module.decode_head(module.backbone(part)).float()) for part in seen])
            averaged = placed(maps, picture.size, picture.original, params.crop, params.stride)
            found.append(target.decided(averaged).cpu().numpy())
        return found

    return predict
