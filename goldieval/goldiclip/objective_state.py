"""What the objectives remember from step to step; it is part of the training state, not of the model."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import nn

from goldieval.goldiclip.config import ModelConfig
from goldieval.goldiclip.objectives.distillation import DinoLoss
from goldieval.goldiclip.objectives.token_classes import InverseDocumentFrequency


class ObjectiveState(nn.Module):
    """State of the objectives that have some; the names of the attributes are keys of checkpoints.

    Attributes:
        agnostic: DINO loss of text-agnostic features, with its centre; exists where the model has prototypes.
        conditioned: The same for text-conditioned features.
        documents: Document frequencies of tokens; exists where the model has a head of token classes.
        scales: Logarithm of the learned logit scale of each objective that has one; exists where there are some.
    """

    def __init__(self, config: ModelConfig, learned_scales: Sequence[str] = (), scale: float = 1.0) -> None:
        """Make the state before the first step.

        Args:
            config: Sizes and parts of the model.
            learned_scales: Objectives that learn a logit scale.
            scale: Where these start.
        """
        super().__init__()
        if config.prototypes:
            self.agnostic, self.conditioned = DinoLoss(config.prototypes), DinoLoss(config.prototypes)
        if config.token_classes:
            self.documents = InverseDocumentFrequency(config.vocab_size)
        if learned_scales:
            starts = {name: nn.Parameter(torch.tensor(math.log(scale))) for name in learned_scales}
            self.scales = nn.ParameterDict(starts)
