"""The adapter of models that answer prompts about pictures."""

from __future__ import annotations

import copy
import threading
from collections.abc import Sequence
from contextlib import AbstractContextManager
from itertools import chain
from typing import TYPE_CHECKING, Any

import torch

from goldieval.core.errors import TaskError, first_line
from goldieval.core.transfers import upload
from goldieval.models.adapter import ModelInfo
from goldieval.models.torch_adapter import evaluating
from model_adapters.vlm_generation import AreNumbers
from model_adapters.vlm_identity import Identity
from model_adapters.vlm_inputs import SHOWN, PromptInputs, Row, batches_of, joined

if TYPE_CHECKING:
    from PIL import Image

# What transformers raises where config, processor, generation config and weights are not those of one model.
MISFITS = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)


class PromptedModel:
    """A language model that sees: it answers prompts greedily, and has no embeddings.

    Rows are generated together only if they have the same number of tokens, so that there is no padding that an answer
    could depend on.

    Attributes:
        concurrent: True: every thread uses modules of its own, which share their weights, since some architectures
            keep the state of a generation in a module.
        module: The model.
        inputs: Its inputs.
    """

    concurrent = True

    def __init__(self, module: torch.nn.Module, inputs: PromptInputs, identity: Identity, precision: str) -> None:
        """Wrap a loaded model.

        Args:
            module: The model, whose generation config is greedy.
            inputs: Makes its inputs.
            identity: Describes it.
            precision: ``fp32``, ``bf16`` or ``fp16``: that of its weights.
        """
        self.module, self.inputs = module, inputs
        self._identity, self._precision = identity, precision
        self._own, self._lock = threading.local(), threading.Lock()

    @property
    def device(self) -> torch.device:
        return next(self.module.parameters()).device

    def describe(self) -> ModelInfo:
        return self._identity.describe(self.module, self.inputs)

    def preprocess(self, image: Image.Image) -> torch.Tensor:
        """Return the colours of an image, uint8, shape (3, height, width); the processor is called in ``respond``."""
        import numpy as np

        return torch.from_numpy(np.array(image.convert("RGB"))).permute(2, 0, 1)

    def prompt_lengths(self, prompts: Sequence[str]) -> list[int]:
        return self.inputs.lengths(prompts)

    def respond(self, pictures: Sequence[torch.Tensor], prompts: Sequence[str], longest: int) -> list[str]:
        """Answer prompts; see ``goldieval.models.adapter.Instructed``.

        Raises:
            TaskError: A prompt is too long for the model, or has tokens that it does not know; the model computes NaN;
                or its parts do not fit.
        """
        answers = [""] * len(prompts)
        try:
            for batch in batches_of(self.inputs.rows(pictures, prompts, longest)):
                for row, ids in zip(batch, self._generated(batch, longest), strict=True):
                    answers[row.number] = self.inputs.decoded(ids)
        except MISFITS as error:
            said = f"{type(error).__name__}: {first_line(error)}"
            raise TaskError(f"the model cannot answer ({said}): config, processor and weights do not fit.") from error
        return answers

    def _generated(self, batch: Sequence[Row], longest: int) -> torch.Tensor:
        """Return the ids of the answers, shape (rows, up to ``longest`` tokens), on the host."""
        dtype = next(self.module.parameters()).dtype
        inputs = {
            name: upload(part.to(dtype) if part.is_floating_point() else part, self.device)
            for name, part in joined(batch).items()
        }
        numbers = AreNumbers()
        made: torch.Tensor = self._twin().generate(
            **inputs, do_sample=False, num_beams=1, max_new_tokens=longest, logits_processor=[numbers]
        )
        if (wrong := numbers.first_wrong()) is not None:
            raise TaskError(self._no_number(batch[wrong]))
        made, prompt = made.cpu(), batch[0].tokens
        starts = torch.cat([row.inputs["input_ids"] for row in batch])
        repeats = made.shape[1] >= prompt and torch.equal(made[:, :prompt], starts)  # decoders repeat the prompt
        return made[:, prompt:] if repeats else made

    def _no_number(self, row: Row) -> str:
        advice = (
            "use --precision bf16 or fp32" if self._precision == "fp16" else "its config or its processor is damaged"
        )
        return f"the model computes NaN in {self._precision} for the prompt {row.prompt[:SHOWN]!r}: {advice}."

    def _twin(self) -> Any:
        """Return this thread's modules, which share all tensors with those of the model."""
        if not hasattr(self._own, "module"):
            tensors = chain(self.module.parameters(), self.module.buffers())
            with self._lock:
                self._own.module = copy.deepcopy(self.module, {id(tensor): tensor for tensor in tensors}).eval()
        return self._own.module

    def inference(self) -> AbstractContextManager[None]:
        return evaluating(self.module, self._precision)
