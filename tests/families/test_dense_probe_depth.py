"""Depth as the target of a dense probe: which pixels count, what is counted, what is recorded and drawn."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers import one_line
from PIL import Image
from pydantic import ValidationError

from goldieval.core.errors import TaskError
from goldieval.data.depth import DepthScale, FileDepth
from goldieval.families.dense_probe_depth import DepthTarget
from goldieval.families.depth_sheet import depth_sheet
from goldieval.families.side_by_side import DrawnPicture
from goldieval.metrics.depth import ERRORS, depth_errors
from goldieval.scoring.depth_bins import resized
from goldieval.tasks.dense_probe_params import DenseProbeParams, DepthParams


def target(folder: Path, *maps: np.ndarray, **params: Any) -> DepthTarget:
    """Return the target of pictures with these maps, in metres."""
    sources = []
    for number, metres in enumerate(maps):
        np.save(folder / f"{number}.npy", metres)
        sources.append(FileDepth(folder / f"{number}.npy", DepthScale(1.0)))
    names: Any = [f"{number}.jpg" for number in range(len(maps))]
    return DepthTarget(None, names, sources, DepthParams(**params), {})  # type: ignore[arg-type]


def test_truth_is_unknown_outside_range_and_crop(tmp_path: Path) -> None:
    metres = np.array([[0.5, 1.0, 2.0], [3.0, 4.0, 0.0]])
    kept = target(tmp_path, metres, nearest=0.5, farthest=4.0, crop=[0, 2, 1, 3]).truth(0)
    assert kept.dtype == np.float32 and kept.tolist() == [[0, 1, 2], [0, 0, 0]]


def test_a_crop_that_does_not_fit_names_the_picture(tmp_path: Path) -> None:
    with pytest.raises(TaskError) as caught:
        target(tmp_path, np.ones((6, 8)), crop="eigen").truth(0)
    assert "params.depth.crop of 0.jpg: the Eigen crop is of maps of 640 x 480" in one_line(str(caught.value))


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"nearest": 5.0, "farthest": 5.0}, "not below"),
        ({"nearest": 0}, "greater than 0"),
        ({"farthest": float("inf")}, "finite"),
        ({"crop": [4, 4, 0, 9]}, "is empty"),
        ({"crop": [0, 9, -1, 9]}, "greater than or equal to 0"),
        ({"crop": "centre"}, "crop"),
        ({"bins": 1}, "greater than or equal to 2"),
        ({"bin": 3}, "bin"),
    ],
)
def test_parameters_are_checked(params: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        DenseProbeParams.model_validate({"target": "depth", "depth": params})


def test_parameters_of_depth_are_for_depth() -> None:
    with pytest.raises(ValidationError, match="depth is for target: depth"):
        DenseProbeParams.model_validate({"depth": {"bins": 9}})


def test_a_picture_counts_its_own_errors(tmp_path: Path) -> None:
    truth = np.array([[1.0, 2.0], [0.0, 4.0]], dtype=np.float32)
    predicted = np.array([[1.5, 2.0], [9.0, 3.0]], dtype=np.float32)
    found = target(tmp_path).counted(predicted, truth)
    expected = depth_errors(np.array([1.5, 2.0, 3.0]), np.array([1.0, 2.0, 4.0]))
    assert found[:3].tolist() == [3, 7 / 3, 7] and found[3:].tolist() == [expected[name] for name in ERRORS]
    assert not target(tmp_path).counted(predicted, np.zeros((2, 2), dtype=np.float32)).any()


def test_held_out_score_is_higher_for_smaller_errors(tmp_path: Path) -> None:
    about = target(tmp_path)
    truth = np.full((3, 3), 2.0, dtype=np.float32)
    good, bad, empty = (
        about.counted(predicted, kept)
        for predicted, kept in ((truth + 0.1, truth), (truth + 0.3, truth), (truth, 0 * truth))
    )
    assert about.heldout(np.stack([good, empty])) == pytest.approx(-0.1, abs=1e-6)
    assert about.heldout(np.stack([good, bad])) == pytest.approx(-0.2, abs=1e-6)
    with pytest.raises(TaskError, match="metres_per_unit"):
        about.heldout(empty[None])


def test_training_needs_a_depth_in_range(tmp_path: Path) -> None:
    about = target(tmp_path, np.full((3, 3), 2_000.0))  # millimetres read as metres
    content = about.content(about.truth(0))
    assert content.tolist() == [0, 0]
    with pytest.raises(TaskError, match=r"between 0.001 and 10 m .*metres_per_unit"):
        about.check_train(content)
    near = target(tmp_path, np.array([[0.5, 1.25]]))
    assert near.content(near.truth(0)).tolist() == [2, 1750]


def test_a_head_learns_depths_by_the_loss(tmp_path: Path) -> None:
    about = target(tmp_path, bins=32, finer=2)
    torch.manual_seed(0)
    tokens, direction, head = torch.randn(24, 6, 4, 5), torch.randn(6), torch.nn.Conv2d(6, about.outputs, 1)
    truths = resized(3 + torch.tanh(torch.einsum("nchw,c->nhw", tokens, direction)), 16, 20)
    truths[:, :3] = 0
    optimiser = torch.optim.AdamW(head.parameters(), lr=0.05)

    def rmse() -> float:
        with torch.no_grad():
            error = resized(about.maps(head(tokens))[:, 0], 16, 20) - truths
        return float(error[truths > 0].square().mean().sqrt())

    before = rmse()
    for _ in range(60):
        found = [about.loss(logits, truth) for logits, truth in zip(head(tokens), truths, strict=True)]
        assert all(weight == 13 * 20 for _, weight in found)
        loss = torch.stack([each for each, _ in found]).sum() / torch.stack([weight for _, weight in found]).sum()
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
    assert rmse() < 0.4 * before, (before, rmse())


def test_a_window_without_a_known_pixel_has_no_loss(tmp_path: Path) -> None:
    logits = torch.randn(256, 3, 3, requires_grad=True)
    loss, weight = target(tmp_path).loss(logits, torch.zeros(12, 12))
    torch.autograd.backward(loss)
    assert loss == 0 and weight == 0 and logits.grad is not None and not logits.grad.any()


# Drawings


def sheet(truth: np.ndarray, prediction: np.ndarray) -> Image.Image:
    picture = np.zeros((*truth.shape, 3), dtype=np.uint8)
    return Image.open(io.BytesIO(depth_sheet(DrawnPicture("a/b.jpg", 3, picture, truth, prediction))))


def test_equal_depths_have_equal_colours_in_truth_and_prediction() -> None:
    truth = np.linspace(1, 5, 240 * 320, dtype=np.float32).reshape(240, 320)
    drawn = np.asarray(sheet(truth, truth))
    width = (drawn.shape[1] - 4 * 8) // 3
    truths, predictions = (drawn[30:200, 8 + n * (width + 8) : 8 + n * (width + 8) + width] for n in (1, 2))
    assert np.array_equal(truths, predictions) and len(np.unique(truths.reshape(-1, 3), axis=0)) > 50


@pytest.mark.parametrize("truth", [np.zeros((20, 30)), np.full((20, 30), 2.0), np.eye(20, 30)])
def test_flat_and_empty_maps_are_drawn(truth: np.ndarray) -> None:
    assert sheet(truth.astype(np.float32), np.full((20, 30), 2.0, dtype=np.float32)).width > 200
