"""COSMOS's released weights: ``cosmos:cosmos_vitb16_merged30m``, ``cosmos@FILE``, ``cosmos:teacher@FILE``.

At inference it is an ordinary CLIP. Student and teacher are two models; the student is the default.
"""

from __future__ import annotations

from typing import Any

from goldieval.core.reads import notes_reads
from goldieval.core.transfers import upload
from goldieval.models.adapter import LoadOptions, Model
from goldieval.models.spec import ModelSpec
from goldieval.models.spec_options import accepts_options
from model_adapters.layout import adapter, clip_of, only_model
from model_adapters.locate import locate
from model_adapters.tensors import read
from model_adapters.with_options import OPTIONS

WHO = ("student", "teacher")


@notes_reads
@accepts_options(*OPTIONS, "drop")
def load(spec: ModelSpec, options: LoadOptions) -> Model:
    """Load the student or the teacher of a checkpoint in the layout of COSMOS's released code.

    Raises:
        GoldievalError: The file or name does not exist, there is no such model in it, or its layout differs.
    """
    import torch

    from goldieval.models.torch_adapter import TorchAdapter

    class Cosmos(TorchAdapter):
        """Accepts images of any size that is a multiple of the patch size, like COSMOS's local crops."""

        def encode_image(self, pixels: torch.Tensor) -> torch.Tensor:
            visual: Any = self.module.visual
            if tuple(pixels.shape[-2:]) == tuple(visual.image_size):
                return super().encode_image(pixels)
            positions = {"positional_embedding": positions_at(visual, *pixels.shape[-2:])}
            with self._autocast():
                features: torch.Tensor = torch.func.functional_call(visual, positions, (upload(pixels, self.device),))
            return features

    first, _, rest = spec.name.partition("/")
    who, name = (first, rest) if first in WHO else ("", spec.name)
    stored = read(locate(spec, name, options))
    state, source = only_model(stored, spec, "teacher" if who == "teacher" else "")
    return adapter(clip_of(state, stored, source), spec, options, kind=Cosmos)


def positions_at(visual: Any, height: int, width: int) -> Any:
    """Interpolate position embeddings as in DINO, where the scale includes an offset of a tenth of a patch."""
    import torch
    import torch.nn.functional as F

    rows, columns = height // visual.patch_size[0], width // visual.patch_size[1]
    table = visual.positional_embedding
    grid = table[1:].T.reshape(1, -1, *visual.grid_size)
    scale = ((rows + 0.1) / visual.grid_size[0], (columns + 0.1) / visual.grid_size[1])
    grid = F.interpolate(grid, scale_factor=scale, mode="bicubic")
    return torch.cat([table[:1], grid[0].flatten(1).T])
