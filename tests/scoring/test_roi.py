"""RoIAlign with one bin against its definition, written out sample by sample."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from roi_by_definition import by_definition

from goldieval.scoring.roi import roi_vectors


def test_boxes_of_several_pictures_are_the_means_of_their_samples() -> None:
    draw = np.random.default_rng(0)
    maps = draw.normal(size=(3, 5, 7, 4))
    boxes = []
    for count in (4, 1, 6):
        ends = np.sort(draw.uniform(0, 1, (count, 2, 2)), axis=1)
        boxes.append(torch.from_numpy(ends.reshape(count, 4)))
    found = roi_vectors(torch.from_numpy(maps), boxes)
    wanted = [by_definition(grid, tuple(box)) for grid, own in zip(maps, boxes, strict=True) for box in own.tolist()]
    assert found.dtype == torch.float32 and found.numpy() == pytest.approx(np.array(wanted), abs=1e-5)


@pytest.mark.parametrize(
    "box", [(0.0, 0.0, 1.0, 1.0), (0.0, 0.0, 1e-4, 1e-4), (0.9999, 0.5, 1.0, 0.6), (0.2, 0.4, 0.2 + 1 / 7, 0.6)]
)
def test_the_whole_picture_a_point_and_a_cell(box: tuple[float, float, float, float]) -> None:
    grid = np.random.default_rng(1).normal(size=(5, 7, 3))
    (found,) = roi_vectors(torch.from_numpy(grid)[None], [torch.tensor([box], dtype=torch.float64)])
    assert found.numpy() == pytest.approx(by_definition(grid, box), abs=1e-5)


def test_a_box_of_one_cell_is_its_vector_and_that_of_the_whole_map_is_the_mean() -> None:
    grid = torch.randn(1, 4, 4, 3, generator=torch.Generator().manual_seed(0))
    boxes = torch.tensor([[0.25, 0.5, 0.5, 0.75], [0.0, 0.0, 1.0, 1.0]], dtype=torch.float64)
    cell, whole = roi_vectors(grid, [boxes])
    assert torch.allclose(cell, grid[0, 2, 1], atol=1e-6) and torch.allclose(whole, grid[0].mean((0, 1)), atol=1e-6)
