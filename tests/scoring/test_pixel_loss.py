"""The cross-entropy of upsampled logits equals torch's own, with its gradient, in bands and as a whole."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from goldieval.scoring import pixel_loss
from goldieval.scoring.pixel_loss import pixel_cross_entropy

SIZES = [
    ((4, 4), (32, 32), 5),
    ((3, 7), (48, 112), 2),
    ((1, 1), (9, 5), 3),
    ((14, 14), (14, 14), 4),
    ((5, 4), (3, 2), 3),
]


def by_definition(logits: torch.Tensor, labels: torch.Tensor) -> tuple[float, torch.Tensor]:
    logits = logits.double().requires_grad_()
    pixels = F.interpolate(logits[None], size=labels.shape, mode="bilinear", align_corners=False)
    loss = F.cross_entropy(pixels, labels[None], ignore_index=-1, reduction="sum")
    (gradient,) = torch.autograd.grad(loss, logits)
    return float(loss.detach()), gradient


@pytest.mark.parametrize(("cells", "pixels", "classes"), SIZES)
@pytest.mark.parametrize("tile", [10, 1 << 16])
def test_loss_and_gradient_are_those_of_bilinear_upsampling(
    cells: tuple[int, int], pixels: tuple[int, int], classes: int, tile: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pixel_loss, "TILE", tile)
    generator = torch.Generator().manual_seed(sum(pixels))
    logits = torch.randn(classes, *cells, generator=generator) * 3
    labels = torch.randint(-1, classes, pixels, generator=generator)
    expected, expected_gradient = by_definition(logits, labels)
    logits.requires_grad_()
    loss, weight = pixel_cross_entropy(logits, labels, -1)
    (gradient,) = torch.autograd.grad(loss, logits)
    assert float(weight) == int((labels >= 0).sum())
    assert float(loss.detach()) == pytest.approx(expected, rel=1e-5)
    torch.testing.assert_close(gradient.double(), expected_gradient, rtol=1e-4, atol=1e-5)


def test_a_window_without_a_label_has_no_loss_and_no_gradient() -> None:
    logits = torch.randn(3, 2, 2, requires_grad=True)
    loss, weight = pixel_cross_entropy(logits, torch.full((8, 8), -1), -1)
    (gradient,) = torch.autograd.grad(loss, logits)
    assert (float(loss.detach()), float(weight), float(gradient.abs().sum())) == (0.0, 0.0, 0.0)
