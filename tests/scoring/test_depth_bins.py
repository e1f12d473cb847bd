"""Depth of bins and its losses, against the published steps one by one and mmsegmentation's own loss."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from goldieval.scoring.depth_bins import depth_of_bins, gradient_loss, resized, sigma_loss


def drawn(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_resizing_is_bilinear_interpolation() -> None:
    maps = drawn(0, 2, 3, 5, 7)
    theirs = F.interpolate(maps, size=(31, 20), mode="bilinear", align_corners=False)
    assert torch.allclose(resized(maps, 31, 20), theirs, atol=1e-5)


def test_upsampled_features_give_the_same_depths_as_upsampled_scores() -> None:
    """The published order: tokens are upsampled, a 1x1 convolution scores bins, their weighted mean is the depth."""
    tokens, head = drawn(1, 2, 12, 5, 6), torch.nn.Conv2d(12, 256, 1)
    with torch.no_grad():
        scores = head(F.interpolate(tokens, scale_factor=4, mode="bilinear", align_corners=False))
        weights = (scores.relu() + 0.1) / (scores.relu() + 0.1).sum(1, keepdim=True)
        theirs = torch.einsum("nkhw,k->nhw", weights, torch.linspace(1e-3, 10, 256))
        ours = depth_of_bins(head(tokens), 1e-3, 10.0, 4)
    assert ours.shape == (2, 1, 20, 24) and torch.allclose(ours[:, 0], theirs, rtol=1e-4)


def test_depths_lie_within_the_range_and_equal_scores_give_its_middle() -> None:
    scores = torch.zeros(1, 9, 3, 3)
    assert torch.allclose(depth_of_bins(scores, 2.0, 4.0, 1), torch.full((1, 1, 3, 3), 3.0))
    wild = depth_of_bins(1e6 * drawn(2, 1, 9, 4, 4), 2.0, 4.0, 2)
    assert wild.min() >= 2 - 1e-5 and wild.max() <= 4 + 1e-5


def pair(seed: int, gaps: float = 0.3) -> tuple[torch.Tensor, torch.Tensor]:
    """Return a prediction, and a truth of which a part is unknown, (13, 17)."""
    generator = np.random.default_rng(seed)
    truth = generator.uniform(0.5, 9.0, (13, 17))
    predicted = truth * generator.lognormal(0.2, 0.3, truth.shape)
    truth[generator.random(truth.shape) < gaps] = 0
    return torch.tensor(predicted, dtype=torch.float32), torch.tensor(truth, dtype=torch.float32)


@pytest.mark.parametrize("mean_weight", [0.15, 0.5, 1.0])
def test_sigma_loss_by_its_formula(mean_weight: float) -> None:
    predicted, truth = pair(3)
    known = truth.numpy() > 0
    error = np.log(predicted.numpy()[known] + 1e-3) - np.log(truth.numpy()[known] + 1e-3)
    expected = np.sqrt(error.var(ddof=1) + mean_weight * error.mean() ** 2)
    assert float(sigma_loss(predicted, truth, mean_weight)) == pytest.approx(expected, rel=1e-5)


def test_mmsegmentation_has_the_same_loss_for_half_the_mean() -> None:
    from mmseg.models.losses import SiLogLoss

    predicted, truth = pair(4)
    theirs = SiLogLoss()(predicted[None, None], truth[None, None])
    assert float(sigma_loss(predicted, truth, 0.5)) == pytest.approx(float(theirs), rel=5e-3)  # n for n - 1, no epsilon


def test_gradient_loss_pixel_by_pixel() -> None:
    predicted, truth = pair(5)
    expected = 0.0
    for stride in (1, 2, 4, 6):
        error = (np.log(predicted.numpy() + 1e-3) - np.log(truth.numpy() + 1e-3))[::stride, ::stride]
        known = (truth.numpy() > 0)[::stride, ::stride]
        height, width = known.shape
        total = 0.0
        for row in range(height):
            for column in range(width):
                if row + 2 < height and known[row, column] and known[row + 2, column]:
                    total += abs(error[row + 2, column] - error[row, column])
                if column + 2 < width and known[row, column] and known[row, column + 2]:
                    total += abs(error[row, column + 2] - error[row, column])
        expected += total / known.sum()
    assert float(gradient_loss(predicted, truth)) == pytest.approx(expected, rel=1e-5)


def test_losses_of_a_perfect_prediction_have_a_finite_gradient() -> None:
    _, truth = pair(6, gaps=0.0)
    predicted = truth.clone().requires_grad_()
    torch.autograd.backward(sigma_loss(predicted, truth, 0.15) + gradient_loss(predicted, truth))
    assert predicted.grad is not None and torch.isfinite(predicted.grad).all()


def test_unknown_pixels_have_no_gradient() -> None:
    predicted, truth = pair(7)
    predicted.requires_grad_()
    torch.autograd.backward(sigma_loss(predicted, truth, 0.15) + gradient_loss(predicted, truth))
    assert predicted.grad is not None and not predicted.grad[truth == 0].any() and predicted.grad[truth > 0].any()
