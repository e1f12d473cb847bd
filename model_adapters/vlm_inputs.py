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
from model_adapters.vlm_plain_text import PlainText
from model_adapters.vlm_prompts import PromptForm

if TYPE_CHECKING:
    import torch

LETTERS = 100  # characters of a token, at most, in a text that could still fit
SHOWN = 60  # characters of a prompt in an error
PICTURE_IDS = ("image_token_id", "image_token_index")  # in configs; some models have no embedding for it
NOT_FOR_GENERATION = frozenset({"labels"})  # PaliGemma's processor makes them


@dataclass(frozen=True)
class Row:
    """A prompt with its picture, as the processor passes it to the model.

    Attributes:
        number: Its place among the prompts.
        prompt: The prompt.
        inputs: Arguments of the model by name, each with one prompt; ``input_ids`` has the shape (1, tokens).
    """

    number: int
    prompt: str
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
        self._plain = PlainText(processor)
        self._known = _embedded(module)
        self._pictures = {getattr(module.config, name, None) for name in PICTURE_IDS}
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
            ids: list[int] = self._processor.tokenizer(self.text(prompt), **self._settings)["input_ids"]
        return ids

    def text(self, prompt: str) -> str:
        """Return the whole text of a prompt, whose special tokens are kept apart."""
        return self.form.text(self._plain.of(prompt))

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
            TaskError: A prompt is too long, or has tokens that the model does not know; names it.
        """
        return [
            self._row(number, picture, prompt, longest)
            for number, (picture, prompt) in enumerate(zip(pictures, prompts, strict=True))
        ]

    def _row(self, number: int, picture: torch.Tensor, prompt: str, longest: int) -> Row:
        from PIL import Image

        if len(prompt) > LETTERS * self.context:
            raise TaskError(self._too_long(prompt, "more"))
        image = Image.fromarray(picture.permute(1, 2, 0).contiguous().numpy())
        text = self.text(prompt)
        with self._lock:
            made = self._processor(images=[image], text=[text], return_tensors="pt", **self._settings)
        row = Row(number, prompt, {name: part for name, part in made.items() if name not in self._unused})
        if row.tokens + longest > self.context:
            raise TaskError(self._too_long(prompt, f"{row.tokens + longest:,} tokens"))
        if unknown := set(row.inputs["input_ids"].unique().tolist()) - self._pictures - set(range(self._known)):
            raise TaskError(
                f"the prompt {prompt[:SHOWN]!r} has the token {min(unknown):,}, but the model knows {self._known:,}: "
                "its tokenizer is that of another model."
            )
        return row

    def _too_long(self, prompt: str, tokens: str) -> str:
        return (
            f"the prompt {prompt[:SHOWN]!r} is too long: with its picture and the answer it takes {tokens}, and the "
            f"model reads {self.context:,} tokens."
        )


def _embedded(module: Any) -> int:
    """Return the number of tokens that a model has embeddings for."""
    return int(module.get_input_embeddings().weight.shape[0])


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
