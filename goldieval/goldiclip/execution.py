"""Applies a recipe's ``execution`` to the blocks of student and teacher."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from goldieval.goldiclip.blocks import as_written, set_blocks
from goldieval.goldiclip.compilation import CompiledStep, check_compiler
from goldieval.goldiclip.model import GoldiClip
from goldieval.goldiclip.recipe_parts import Execution


def stacks_of(model: GoldiClip) -> dict[str, nn.ModuleList]:
    """Return the stacks of transformer blocks of a model, by name."""
    stacks = {"image tower": model.vision.transformer.resblocks, "text tower": model.text.blocks}
    decoder = getattr(model.decoder, "blocks", None)
    return stacks if decoder is None else {**stacks, "decoder": decoder}


def apply_execution(
    models: tuple[GoldiClip, ...], execution: Execution, device: torch.device, note: Callable[[str], None]
) -> None:
    """Set how the blocks of models of one kind are computed; state, names and description of the models stay.

    Args:
        models: Student and teacher.
        execution: The settings.
        device: Where the models are.
        note: Called with a line that the user should read.

    Raises:
        GoldievalError: They shall be compiled, and cannot be here.
    """
    if execution.compile:
        check_compiler(device)
    for name in stacks_of(models[0]):
        step = CompiledStep(name, note) if execution.compile else as_written
        for model in models:
            set_blocks(stacks_of(model)[name], execution.checkpointing, step)
