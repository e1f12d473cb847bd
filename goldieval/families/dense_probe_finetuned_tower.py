"""The tower of a model as a backbone of mmsegmentation: a copy of its weights that can be trained.

The model itself is never changed. Each pass lends it the trained weights, by ``torch.func.functional_call``, so that
the adapter's own code computes the patch features, whatever objects it has kept for itself.
"""

from __future__ import annotations

import copy
import threading
from typing import Any, Protocol

import torch
from torch import nn

from goldieval.core.errors import NotApplicableError, TaskError
from goldieval.models.adapter import Dense
from goldieval.models.torch_adapter import exchanges

NO_MODULE = "fine-tuning needs the model as a torch module, which this adapter does not offer as `module`."
NO_GRADIENT = (
    "fine-tuning cannot train this model: no weight of its `module` has a gradient from its patch features. "
    "Its adapter computes them without gradients or with other weights."
)


class PatchFeatures(Protocol):
    """Computes patch features of normalised windows with the model of a run."""

    def __call__(self, windows: torch.Tensor) -> torch.Tensor:
        """Encode windows (n, 3, height, width); return features (n, rows, columns, width)."""


class _Encoder(nn.Module):
    """Calls the adapter; its parameters are those of the model, by which they can be replaced during a call."""

    def __init__(self, module: nn.Module, features: PatchFeatures) -> None:
        super().__init__()
        self.module, self.features = module, features

    def forward(self, windows: torch.Tensor) -> torch.Tensor:
        return self.features(windows)


class Tower(nn.Module):
    """Trainable copies of a model's weights, followed by a batch norm of the patch features.

    It stays in evaluation mode while it is trained: dropout and stochastic depth are off.

    Attributes:
        tower: the copy; only weights that the patch features depend on are trained.
        norm: batch norm of the features.
        width: length of a feature.
    """

    def __init__(self, module: nn.Module, features: PatchFeatures, crop: int) -> None:
        """Copy the weights of a model.

        Args:
            module: the model, which is not changed.
            features: computes patch features with that module.
            crop: side of a window in pixels.

        Raises:
            TaskError: no weight gets a gradient.
        """
        super().__init__()
        self.tower = copy.deepcopy(module).eval()
        self._encoder = (_Encoder(module, features),)  # in a tuple, so that the model is no part of this module
        self._lent = threading.Lock()  # one thread at a time: a call replaces the weights of the model
        self.width = self._keep_trainable(crop)
        self.norm = nn.BatchNorm2d(self.width).to(next(self.tower.parameters()).device)

    def forward(self, windows: torch.Tensor) -> list[torch.Tensor]:
        """Encode windows (n, 3, height, width); return one map of features (n, width, rows, columns), float32."""
        return [self.norm(self._patches(windows).permute(0, 3, 1, 2).float())]

    def train(self, mode: bool = True) -> Tower:
        super().train(mode)
        self.tower.eval()
        return self

    @property
    def trained(self) -> int:
        """Number of the trained weights of the tower."""
        return sum(parameter.numel() for parameter in self.tower.parameters() if parameter.requires_grad)

    def _patches(self, windows: torch.Tensor) -> torch.Tensor:
        weights = dict(self.tower.named_parameters()) | dict(self.tower.named_buffers())
        lent = {f"module.{name}": tensor for name, tensor in weights.items()}
        with self._lent:
            found: torch.Tensor = torch.func.functional_call(self._encoder[0], lent, (windows,))
        return found

    def _keep_trainable(self, crop: int) -> int:
        """Leave out the weights that a window does not depend on, such as those of the texts; return the width.

        Raises:
            TaskError: there are no others.
        """
        device = next(self.tower.parameters()).device
        for parameter in self.tower.parameters():
            parameter.requires_grad_(parameter.is_floating_point())
        found = self._patches(torch.zeros(1, 3, crop, crop, device=device))
        if found.requires_grad:
            torch.autograd.backward(found.float().sum())
        for parameter in self.tower.parameters():
            parameter.requires_grad_(parameter.grad is not None)
            parameter.grad = None
        if not self.trained:
            raise TaskError(NO_GRADIENT)
        return found.shape[-1]


def check_trainable(model: Any) -> None:
    """Check that a model can be fine-tuned.

    Raises:
        NotApplicableError: it is no torch module, it is divided among processes, or it uses float16.
    """
    module = getattr(model, "module", None)
    if not isinstance(module, nn.Module) or not isinstance(model, Dense):
        raise NotApplicableError(NO_MODULE)
    if any(exchanges(part) for part in module.modules()):
        raise NotApplicableError("fine-tuning needs a model that one process holds; this one is divided (FSDP, DDP).")
    kinds = {parameter.dtype for parameter in module.parameters() if parameter.is_floating_point()}
    if getattr(model, "precision", "fp32") == "fp16" or kinds != {torch.float32}:
        raise NotApplicableError("fine-tuning needs weights in float32, and --precision fp32 or bf16.")
