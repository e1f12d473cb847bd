"""How a prompt is passed to a model that answers questions: its chat template, or the form of LLaVA's evaluation.

A template is rendered when the model is loaded, and not for each prompt: it can then do no harm with the texts of a
data set, and every prompt stands between the same two texts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from goldieval.core.errors import GoldievalError
from model_adapters.vlm_render import rendered

FORMS = ("own", "vicuna", "none")  # values of the option ``template``
# LLaVA, llava/conversation.py, conv_vicuna_v1: the form with which LLaVA-1.5 is evaluated.
VICUNA = (
    "A chat between a curious user and an artificial intelligence assistant. "
    "The assistant gives helpful, detailed, and polite answers to the user's questions. USER: "
)
PLACE, OTHER = "What is this PLACE of a prompt?", "Is it 1 dog?\nAnswer yes or no."
DATE = "26 Jul 2024"  # of templates that tell the model a date, which must not be that of the run


@dataclass(frozen=True)
class PromptForm:
    """The texts around a prompt.

    Attributes:
        name: ``own``, ``vicuna`` or ``none``.
        before: What precedes it, with the mark of the picture.
        after: What follows it.
        strips: Whether white space around the prompt is removed.
    """

    name: str
    before: str
    after: str
    strips: bool = False

    def text(self, prompt: str) -> str:
        """Return the whole text of a prompt."""
        return f"{self.before}{prompt.strip() if self.strips else prompt}{self.after}"


def prompt_form(processor: Any, requested: str | None, model_type: str) -> PromptForm:
    """Return the form of the prompts of a model.

    Args:
        processor: Its processor.
        requested: Value of the option ``template``; None for the model's own, and where it has none, that of LLaVA-1.5
            for a LLaVA, and the prompt alone for others.
        model_type: Type of the model in its config.

    Raises:
        GoldievalError: The model has no template although it is requested, or it cannot be used.
    """
    template = template_of(processor)
    if requested == "own" and not template:
        raise GoldievalError("template=own: it has no chat template; write ::template=vicuna or ::template=none.")
    if template and requested in (None, "own"):
        return _own_form(template, processor)
    mark = picture_mark(processor)
    form = requested or ("vicuna" if model_type.startswith("llava") else "none")
    if form == "none":
        return PromptForm("none", mark, "")
    return PromptForm("vicuna", f"{VICUNA}{mark}\n" if mark else VICUNA, " ASSISTANT:")


def template_of(processor: Any) -> str:
    """Return the chat template of a processor or of its tokenizer, the default one of several; empty if none."""
    for part in (processor, processor.tokenizer):
        template = getattr(part, "chat_template", None)
        if isinstance(template, Mapping):
            template = template.get("default")
        if isinstance(template, str) and template.strip():
            return template
    return ""


def picture_mark(processor: Any) -> str:
    """Return what stands for a picture in a text; empty for processors that put pictures before any text."""
    marks = picture_marks(processor)
    return marks[0] if marks and not hasattr(processor, "num_query_tokens") else ""


def picture_marks(processor: Any) -> list[str]:
    """Return the texts that the processor may replace by a picture."""
    names = [getattr(processor, name, None) for name in ("boi_token", "image_token")]
    return [str(name) for name in names if name]


def _own_form(template: str, processor: Any) -> PromptForm:
    """Render a template around a prompt, with the content of the message as parts or as one text.

    Raises:
        GoldievalError: The template fails, leaves out picture or prompt, or changes the prompt.
    """
    mark = picture_mark(processor)
    shown = [PLACE, f" \n{PLACE}\n ", OTHER]
    as_parts = [[_message([{"type": "image"}, {"type": "text", "text": prompt}])] for prompt in shown]
    as_text = [[_message(f"{mark}\n{prompt}" if mark else prompt)] for prompt in shown]
    variables = {name: str(text) for name, text in processor.tokenizer.special_tokens_map.items() if _is_text(text)}
    texts = rendered(template, {**variables, "date_string": DATE}, [*as_parts, *as_text])
    for plain, spaced, other in (texts[:3], texts[3:]):
        if plain.count(PLACE) != 1 or "'type':" in plain or (mark and not _has_mark(plain, processor)):
            continue
        before, _, after = plain.partition(PLACE)
        form = PromptForm("own", before, after, strips=spaced == plain)
        if form.text(shown[1]) == spaced and form.text(OTHER) == other:
            return form
        raise GoldievalError(
            "its chat template changes the text of a prompt; write ::template=vicuna or ::template=none."
        )
    raise GoldievalError(
        "its chat template does not write a picture and a prompt; write ::template=vicuna or ::template=none."
    )


def _message(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


def _is_text(value: Any) -> bool:
    return isinstance(value, str) or hasattr(value, "content")


def _has_mark(text: str, processor: Any) -> bool:
    return any(mark in text for mark in picture_marks(processor))
