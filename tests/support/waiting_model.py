"""A model that waits at a stage of its work until it is told to go on, so that a signal can reach it there.

The stage is $WAIT_AT and the folder of the two marks is $PLACE. Nothing heavy is imported before ``load``.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

STAGES = ("load", "encode", "segment", "score", "answer")


def wait_at(stage: str, number: int = 0) -> None:
    """Wait at the call of this number at a stage; earlier calls pass."""
    if os.environ.get("WAIT_AT") != stage or number != int(os.environ.get("WAIT_NUMBER", "0")):
        return
    place = Path(os.environ["PLACE"])
    (place / "there").touch()
    end = time.monotonic() + 600
    while not (place / "go").exists() and time.monotonic() < end:
        time.sleep(0.01)


def load(spec: Any, options: Any) -> Any:
    """Return a model of pixels and letters that encodes, answers, segments and scores conditionally."""
    import numpy as np
    import torch

    from goldieval.goldiclip.pooling import KeysValues, TextConditionedPool
    from goldieval.models.adapter import ModelInfo

    wait_at("load")
    calls = dict.fromkeys(STAGES, 0)

    def called(stage: str) -> None:
        wait_at(stage, calls[stage])
        calls[stage] += 1

    class Pool(TextConditionedPool):
        def keys_values(self, patches: torch.Tensor) -> KeysValues:
            called("score")
            return super().keys_values(patches)

    torch.manual_seed(0)

    class Waiting:
        device, pool = "cpu", Pool(48, 2)

        def describe(self) -> ModelInfo:
            return ModelInfo("waiting", "file", "1" * 64, image_identity="waiting-i", text_identity="waiting-t")

        def preprocess(self, image: Any) -> torch.Tensor:
            return torch.from_numpy(np.array(image.resize((4, 4)), dtype=np.float32).transpose(2, 0, 1)) / 255

        def normalise(self, picture: torch.Tensor) -> torch.Tensor:
            return picture

        def tokenize(self, texts: Sequence[str]) -> torch.Tensor:
            return torch.tensor([[ord(letter) for letter in text[:24].ljust(24)] for text in texts])

        def encode_image(self, pixels: torch.Tensor) -> torch.Tensor:
            called("encode")
            return pixels.flatten(1) - 0.5

        def encode_text(self, tokens: torch.Tensor) -> torch.Tensor:
            return torch.sin(tokens.float() @ torch.arange(24 * 48).reshape(24, 48).float())

        def dense(self, pixels: torch.Tensor, attention: str) -> torch.Tensor:
            called("segment")
            patches = torch.nn.functional.unfold(pixels, 16, stride=16)[:, :48]
            side = pixels.shape[-1] // 16
            return patches.transpose(1, 2).reshape(len(pixels), -1, side, 48)

        def patch_tokens(self, pixels: torch.Tensor) -> torch.Tensor:
            return (pixels.flatten(1) - 0.5)[:, None].repeat(1, 2, 1)

        def generate(self, pixels: torch.Tensor, questions: Sequence[str]) -> list[str]:
            called("answer")
            return [question.split()[-1] for question in questions]

    return Waiting()
