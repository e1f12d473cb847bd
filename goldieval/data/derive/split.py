"""Random subsets as drawn by ``torch.utils.data.random_split``."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from goldieval.core.errors import TaskError


def random_split(total: int, sizes: Sequence[int], seed: int) -> list[np.ndarray]:
    """Return the row indices of each part, in the order drawn, from one permutation with the given seed.

    COSMOS's Caltech101 has 8,677 images in torchvision's file order, seed 3072, parts of 3,000 and 5,677.

    Raises:
        TaskError: The sizes do not add up to ``total``.
    """
    import torch

    if sum(sizes) != total:
        raise TaskError(
            f"a random split into {' + '.join(f'{size:,}' for size in sizes)} needs {sum(sizes):,} images, "
            f"but there are {total:,}. Get the complete data set."
        )
    order = torch.randperm(total, generator=torch.Generator().manual_seed(seed)).numpy()
    return np.split(order, np.cumsum(sizes)[:-1])
