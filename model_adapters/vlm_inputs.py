"""Inputs of a model that answers questions: one row for each prompt with its picture, and batches of equal rows."""

from __future__ import annotations

import inspect
import threading
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from goldieval.core.declared_sizes import CONTEXT
from goldieval.core.errors import TaskError
from model_adapters.vlm_prompts import PromptForm, picture_marks

if TYPE_CHECKING:
    import torch

LETTERS = 100  # characters of a token, at most, in a text that could still fit
SHOWN = 60  # characters of a prompt in an error
NOT_FOR_GENERATION = frozenset({"labels"})  # PaliGemma's processor makes them


@dataclass(frozen=True)
class Row:
    """A prompt with its picture, as the processor passes it to the model.

    Attributes:
        number: Its place among the prompts.
        inputs: Arguments of the model by name, each with one prompt; ``input_ids`` has the shape (1, tokens).
    """

    number: int
    inputs: dict[str, torch.Tensor]

    @property
    def tokens(self) -> int:
        """Number of tokens with those that stand for the picture."""
        return int(self.inputs["input_ids"].shape[1])

    @property
    def layout(self) -> tuple[Any, ...]:
        """What rows must have in common to be one batch without any padding."""
        shapes = ((name, tuple(part.shape[1:]), part.dtype) for name, part in sorted(self.inputs.items()))
        return (self.tokens, *shapes)


class PromptInputs:
    """Calls a processor with one picture and one prompt at a time, so that it pads nothing.

    Attributes:
        form: The texts around a prompt.
        context: Maximum number of tokens of prompt, picture and answer.
    """

    def __init__(self, processor: Any, form: PromptForm, module: Any) -> None:
        """Set what decides the inputs.

        Args:
            processor: The model's processor.
            form: The texts around a prompt.
            module: The model.
        """
        self.form, self._processor = form, processor
        text_config = module.config.get_text_config()
        self.context = int(getattr(text_config, "max_position_embeddings", None) or CONTEXT)
        self._marks = picture_marks(processor)
        self._unused = NOT_FOR_GENERATION | (
            set() if "token_type_ids" in inspect.signature(module.forward).parameters else {"token_type_ids"}
        )
        bos = processor.tokenizer.bos_token
        self._settings = {"add_special_tokens": False} if bos and form.before.startswith(bos) else {}
        self._lock = threading.Lock()  # fast tokenizers change their padding in place

    def lengths(self, prompts: Sequence[str]) -> list[int]:
        """Return the number of tokens of each prompt with the texts around it, the picture as its mark."""
        return [len(self.tokenized(prompt)) for prompt in prompts]

    def tokenized(self, prompt: str) -> list[int]:
        """Return the ids of a prompt with the texts around it, the picture as its mark."""
        with self._lock:
            ids: list[int] = self._processor.tokenizer(self.form.text(prompt), **self._settings)["input_ids"]
        return ids

    def decoded(self, ids: torch.Tensor) -> str:
        """Return an answer without special tokens and surrounding white space, given its ids."""
        with self._lock:
            text: str = self._processor.tokenizer.decode(
                ids.tolist(), skip_special_tokens=True, clean_up_tokenization_spaces=False
            )
        return text.strip()

    def rows(self, pictures: Sequence[torch.Tensor], prompts: Sequence[str], longest: int) -> list[Row]:
        """Return one row for each prompt.

        Args:
            pictures: Colours, uint8, each of shape (3, height, width).
            prompts: One prompt about each picture.
            longest: Maximum number of tokens of an answer, which the context must hold as well.

        Raises:
            TaskError: A prompt contains a mark of a picture, or is too long; names it.
        """
        return [
            self._row(number, picture, prompt, longest)
            for number, (picture, prompt) in enumerate(zip(pictures, prompts, strict=True))
        ]

    def _row(self, number: int, picture: torch.Tensor, prompt: str, longest: int) -> Row:
        from PIL import Image

        if mark := next((mark for mark in self._marks if mark in prompt), None):
            raise TaskError(f"the prompt {prompt[:SHOWN]!r} contains {mark!r}, which stands for a picture.")
        if len(prompt) > LETTERS * self.context:
            raise TaskError(self._too_long(prompt, "more"))
        image = Image.fromarray(picture.permute(1, 2, 0).contiguous().numpy())
        text = self.form.text(prompt)
        with self._lock:
            made = self._processor(images=[image], text=[text], return_tensors="pt", **self._settings)
        row = Row(number, {name: part for name, part in made.items() if name not in self._unused})
        if row.tokens + longest > self.context:
            raise TaskError(self._too_long(prompt, f"{row.tokens + longest:,} tokens"))
        return row

    def _too_long(self, prompt: str, tokens: str) -> str:
        return (
            f"the prompt {prompt[:SHOWN]!r} is too long: with its picture and the answer it takes {tokens}, and the "
            f"model reads {self.context:,} tokens."
        )


def batches_of(rows: Sequence[Row]) -> list[list[Row]]:
    """Return rows in batches whose rows need no padding: all have the same number of tokens and the same shapes."""
    together: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for row in rows:
        together[row.layout].append(row)
    return list(together.values())


def joined(rows: Sequence[Row]) -> dict[str, torch.Tensor]:
    """Return the rows of a batch as arguments of the model: what belongs to each row follows that of the one before."""
    import torch

    return {name: torch.cat([row.inputs[name] for row in rows]) for name in rows[0].inputs}
