"""The linear head against mmsegmentation's own ``FCNHead`` without convolutions, behind torch's batch normalisation."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers import card

from goldieval import evaluate, load_model
from goldieval.core.units import unit_pool
from goldieval.data.masks import IGNORED
from goldieval.data.samples import Dataset
from goldieval.families.dense_probe_fit import rate_of, shuffled
from goldieval.families.dense_probe_head import WEIGHTS, Head, WindowData, new_head, set_gradients
from goldieval.families.dense_probe_state import BETAS
from goldieval.families.dense_probe_windows import Window
from goldieval.families.mmseg_parts import quiet_import, resized
from goldieval.models.adapter import Dense
from goldieval.tasks.card import Task, load_card

UNLABELLED = 255  # mmsegmentation's default
DIM, CLASSES, GRID, SIDE = 12, 5, 6, 40


class Reference(torch.nn.Module):
    """Batch normalisation and mmsegmentation's head, with its loss and its resizing."""

    def __init__(self, dim: int, classes: int) -> None:
        super().__init__()
        self.bn = torch.nn.BatchNorm2d(dim)
        self.head = quiet_import("mmseg.models.decode_heads.fcn_head").FCNHead(
            in_channels=dim,
            channels=dim,
            in_index=0,
            num_convs=0,
            concat_input=False,
            dropout_ratio=0,
            num_classes=classes,
            norm_cfg=None,
            align_corners=False,
            loss_decode={"type": "CrossEntropyLoss", "avg_non_ignore": True},
        )

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return logits (n, classes, rows, columns) of features (n, rows, columns, dim)."""
        logits: torch.Tensor = self.head([self.bn(features.permute(0, 3, 1, 2))])
        return logits

    def loss(self, features: torch.Tensor, truths: torch.Tensor) -> torch.Tensor:
        samples = [_sample(truth) for truth in truths]
        found: torch.Tensor = self.head.loss_by_feat(self(features), samples)["loss_ce"]
        return found

    def counted(self, features: torch.Tensor, side: int, truth: np.ndarray, classes: int) -> list[torch.Tensor]:
        """Return the areas of one picture that is one window of ``side`` pixels, by its own resizing and metric."""
        resize = quiet_import("mmseg.models.utils").resize
        logits = resize(self(features), size=(side, side), mode="bilinear", align_corners=False)
        logits = resize(logits, size=truth.shape, mode="bilinear", align_corners=False)
        metric = quiet_import("mmseg.evaluation.metrics.iou_metric").IoUMetric
        true = torch.from_numpy(np.where(truth == IGNORED, UNLABELLED, truth).astype(np.int64))
        found: list[torch.Tensor] = metric.intersect_and_union(logits[0].argmax(0), true, classes, UNLABELLED)
        return found

    def take(self, head: Head) -> None:
        """Take the weights and the running statistics of our head."""
        with torch.no_grad():
            for mine, yours in zip(self.weights, head.weights, strict=True):
                mine.copy_(yours.view_as(mine))
            self.bn.running_mean.copy_(head.mean)  # type: ignore[union-attr]
            self.bn.running_var.copy_(head.variance)  # type: ignore[union-attr]

    @property
    def weights(self) -> list[torch.nn.Parameter]:
        """In the order of ``WEIGHTS``."""
        return [self.bn.weight, self.bn.bias, self.head.conv_seg.weight, self.head.conv_seg.bias]


def _sample(truth: torch.Tensor) -> Any:
    sample = quiet_import("mmseg.structures").SegDataSample()
    label = torch.where(truth == IGNORED, UNLABELLED, truth.long())
    sample.gt_sem_seg = quiet_import("mmengine.structures").PixelData(data=label[None])
    return sample


def random_head(dim: int = DIM, classes: int = CLASSES) -> Head:
    generator = torch.Generator().manual_seed(1)
    head = new_head(dim, classes, 0, "cpu")
    for name in (*WEIGHTS, "mean"):
        getattr(head, name).normal_(generator=generator)
    head.variance.uniform_(0.2, 3, generator=generator)
    return head


def random_batch(count: int = 4) -> list[WindowData]:
    generator = torch.Generator().manual_seed(2)
    features = (3 * torch.randn(count, GRID, GRID, DIM, generator=generator) + 1).half()
    truths = torch.randint(IGNORED, CLASSES, (count, SIDE, SIDE), generator=generator).to(torch.int16)
    truths[0, :20] = IGNORED
    return [WindowData(*pair) for pair in zip(features, truths, strict=True)]


class ClassesOnly:
    """The loss of ``ClassTarget``, without a task."""

    def loss(self, logits: torch.Tensor, truth: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        from goldieval.families.dense_probe_classes import ClassTarget

        return ClassTarget.loss(self, logits, truth)  # type: ignore[arg-type]


def test_same_weights_give_the_same_logits() -> None:
    head, reference = random_head(), Reference(DIM, CLASSES)
    reference.take(head)
    features = torch.stack([data.features for data in random_batch()]).float()
    with torch.no_grad():
        ours, theirs = head.logits(features), reference.eval()(features)
    assert ours.shape == theirs.shape and (ours - theirs).abs().max() < 1e-5 * theirs.abs().max()


def test_loss_gradients_and_running_statistics_are_those_of_a_step_of_theirs() -> None:
    head, reference = random_head(), Reference(DIM, CLASSES)
    reference.take(head)
    batch = random_batch()
    features = torch.stack([data.features for data in batch]).float()
    loss = reference.train().loss(features, torch.stack([data.truth for data in batch]))
    loss.backward()
    with unit_pool("cpu", 1) as run:
        set_gradients(head, batch, ClassesOnly(), 100, run)  # type: ignore[arg-type]
    for name, mine, yours in zip(WEIGHTS, head.weights, reference.weights, strict=True):
        assert mine.grad is not None and yours.grad is not None
        assert torch.allclose(mine.grad, yours.grad.view_as(mine), rtol=1e-4, atol=1e-7), name
    assert torch.allclose(head.mean, reference.bn.running_mean, atol=1e-6)  # type: ignore[arg-type]
    assert torch.allclose(head.variance, reference.bn.running_var, rtol=1e-5)  # type: ignore[arg-type]


def test_the_loss_of_windows_is_theirs() -> None:
    """Their reduction over labelled pixels; mmsegmentation's default divides by all pixels instead."""
    head, reference = random_head(), Reference(DIM, CLASSES)
    reference.take(head)
    batch = random_batch()
    features = torch.stack([data.features for data in batch]).float()
    with torch.no_grad():
        theirs = reference.eval().loss(features, torch.stack([data.truth for data in batch]))
        logits = head.logits(features)
        parts = [ClassesOnly().loss(each, data.truth) for each, data in zip(logits, batch, strict=True)]
    loss, weight = (sum(float(part[place]) for part in parts) for place in (0, 1))
    assert loss / weight == pytest.approx(float(theirs), rel=1e-5)


SIDE_SHAPES, EPOCHS, BATCH, RATE = 64, 3, 8, 0.02


def shapes_task(folder: Path) -> Task:
    source = {"content": "dense-probe", "split": "test", "scenes": 40, "train_scenes": 48}
    params = {"short_side": SIDE_SHAPES, "crop": SIDE_SHAPES, "stride": SIDE_SHAPES, "epochs": EPOCHS, "batch": BATCH}
    params |= {"learning_rates": [RATE], "weight_decay": 0.001, "seeds": 1}
    return load_card(card(folder, "shapes", "dense-probe", source=source, params=params, headline="miou"))


def test_trained_alike_both_have_the_same_miou(tmp_path: Path) -> None:
    """The task as a user runs it, and a loop with their head on the same features: within 0.1 points of mIoU.

    The running statistics of theirs get the same momentum, since torch's keep a part of their initial 0 and 1.
    """
    task = shapes_task(tmp_path)
    (record,) = evaluate("goldiclip", str(task.file), out=None, cache=False)
    assert record.status == "ok", record.reason
    data = task.card.source.read(tmp_path)
    model = load_model("goldiclip")
    assert isinstance(model, Dense) and data.train is not None and data.masks is not None
    features = _features(model, data)
    dim, classes = features.shape[-1], len(data.class_names or ())
    head, reference = new_head(dim, classes, 0, "cpu"), Reference(dim, classes)
    reference.take(head)
    _train(reference, features, data, np.flatnonzero(data.train))
    reference.eval()
    with torch.no_grad():
        counted = [
            reference.counted(features[row][None].float(), SIDE_SHAPES, data.masks[row].read(), classes)
            for row in np.flatnonzero(~data.train)
        ]
    inside, union = (sum(area[place] for area in counted) for place in (0, 1))
    theirs = float((inside / union).nanmean())
    assert 0.2 < theirs < 0.98, "the comparison says little at the ends"
    assert record.metrics["miou"].value == pytest.approx(theirs, abs=0.001)


def _features(model: Any, data: Dataset) -> torch.Tensor:
    """Return the features of the only window of each picture, float16, shape (images, rows, columns, dim)."""
    found = []
    for image in data.images:
        small = torch.from_numpy(resized(np.asarray(image.source.open()), SIDE_SHAPES, 2048))
        pixels = model.normalise(small.permute(2, 0, 1).float() / 255)[None]
        with torch.inference_mode():
            found.append(model.dense(pixels, "plain").half())
    return torch.cat(found).clone()


def _train(reference: Reference, features: torch.Tensor, data: Dataset, rows: Sequence[int]) -> None:
    """Train with torch's optimiser and their loss, on the same batches."""
    windows = [Window(int(row), 0) for row in rows]
    per_epoch = len(windows) // BATCH
    steps = EPOCHS * per_epoch
    optimiser = torch.optim.AdamW(reference.weights, betas=BETAS, weight_decay=0.001)
    step = 0
    truths = {int(row): _small(data.masks[row].read()) for row in rows}  # type: ignore[index]
    for epoch in range(EPOCHS):
        order = shuffled(windows, 0, epoch)
        for first in range(0, per_epoch * BATCH, BATCH):
            batch = [window.row for window in order[first : first + BATCH]]
            reference.bn.momentum = max(0.1, 1 / (step + 1))
            optimiser.zero_grad()
            reference.loss(features[batch].float(), torch.stack([truths[row] for row in batch])).backward()
            for group in optimiser.param_groups:
                group["lr"] = rate_of(step, steps, RATE)
            optimiser.step()
            step += 1


def _small(mask: np.ndarray) -> torch.Tensor:
    """Return a mask at the size of the window, by mmsegmentation's own resizing of labels."""
    resize = quiet_import("mmcv.image").imresize
    small = resize(mask.astype(np.int16), (SIDE_SHAPES, SIDE_SHAPES), interpolation="nearest", backend="cv2")
    return torch.from_numpy(small)
