"""The check of whatever gives every pixel of a picture a value: masks and depth maps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from goldieval.data.depth_check import check_depths
from goldieval.data.mask_check import check_masks, without_pixels
from goldieval.data.samples import Dataset


@dataclass(frozen=True)
class CheckedMaps:
    """What is known of the maps of a dataset after all were read.

    Attributes:
        masks: Key of each mask; empty if there are none.
        depths: Key of each depth map; empty if there are none.
        notes: What a reader of the results must know of the masks, a line each.
        facts: What was seen of the depth maps, a line each.
    """

    masks: list[str]
    depths: list[str]
    notes: list[str]
    facts: list[str]


def check_maps(dataset: Dataset, seen: Mapping[str, int], names: list[str] | None, workers: int) -> CheckedMaps:
    """Read all masks and depth maps of a dataset.

    Args:
        dataset: The samples.
        seen: Number of classes, by that word, if there are masks.
        names: Names of the classes.
        workers: Number of threads that read.

    Raises:
        TaskError: A map cannot be read or does not fit.
    """
    masks = depths = None
    if dataset.masks is not None:
        masks = check_masks(dataset.images, dataset.masks, seen["classes"], workers)
    if dataset.depths is not None:
        depths = check_depths(dataset.images, dataset.depths, workers)
    return CheckedMaps(
        masks=masks.keys if masks else [],
        depths=depths.keys if depths else [],
        notes=without_pixels(masks.pixels, names or ()) if masks else [],
        facts=[depths.summary] if depths else [],
    )
