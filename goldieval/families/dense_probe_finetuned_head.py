"""The linear head of mmsegmentation with the loss of a target, for values that are no classes."""

from __future__ import annotations

from typing import Any

import torch

from goldieval.families.dense_probe_target import Target
from goldieval.families.mmseg_parts import quiet_import


class TargetHead(quiet_import("mmseg.models").FCNHead):  # type: ignore[misc]
    """A 1x1 convolution, whose loss is the target's mean over all pixels of a batch that have a value."""

    def __init__(self, target: Target, **settings: Any) -> None:
        """Make a head.

        Args:
            target: gives the loss of a window.
            settings: of ``FCNHead``.
        """
        super().__init__(**settings)
        self._target = target

    def loss_by_feat(self, seg_logits: torch.Tensor, batch_data_samples: list[Any]) -> dict[str, torch.Tensor]:
        """Return the loss of windows.

        Args:
            seg_logits: outputs for the patches, shape (windows, outputs, rows, columns).
            batch_data_samples: have the truth of each window.
        """
        truths = [sample.gt_depth_map.data[0] for sample in batch_data_samples]
        parts = [self._target.loss(each, truth) for each, truth in zip(seg_logits.float(), truths, strict=True)]
        losses, weights = (torch.stack(each).sum() for each in zip(*parts, strict=True))
        return {"loss_target": losses / weights.clamp(min=1)}
