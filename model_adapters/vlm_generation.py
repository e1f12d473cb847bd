"""Greedy generation: what a model's own generation config says of tokens is kept, what it says of sampling is not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

# Ids, and tokens that must or must not be generated, such as the marks of pictures.
KEPT = (
    "bos_token_id",
    "eos_token_id",
    "pad_token_id",
    "decoder_start_token_id",
    "bad_words_ids",
    "suppress_tokens",
    "begin_suppress_tokens",
    "forced_bos_token_id",
    "forced_eos_token_id",
)
# What changes greedy answers, with the values that change nothing; sampling, beams and penalties.
NEUTRAL: dict[str, Any] = {
    "do_sample": False,
    "temperature": 1.0,
    "top_k": 50,
    "top_p": 1.0,
    "num_beams": 1,
    "repetition_penalty": 1.0,
    "length_penalty": 1.0,
    "no_repeat_ngram_size": 0,
    "encoder_no_repeat_ngram_size": 0,
    "encoder_repetition_penalty": 1.0,
    "num_beam_groups": 1,
    "diversity_penalty": 0.0,
    "penalty_alpha": None,
    "guidance_scale": None,
    "min_length": 0,
    "min_new_tokens": None,
    "stop_strings": None,
}


def make_greedy(module: Any, tokenizer: Any) -> tuple[dict[str, Any], list[str]]:
    """Replace the generation config of a model and of the language models in it by a greedy one.

    Args:
        module: The model.
        tokenizer: Its tokenizer, which names the ids that its config lacks.

    Returns:
        What is kept of the model's own config, by name; and what is left out of it, such as ``temperature 0.2``.
    """
    own = module.generation_config
    for part in module.modules():
        if getattr(part, "generation_config", None) is not None:
            part.generation_config = _greedy(part.generation_config, tokenizer)
    return {name: value for name in KEPT if (value := getattr(own, name, None)) is not None}, _left_out(own)


def _greedy(own: Any, tokenizer: Any) -> Any:
    """Return a greedy config with the tokens of a model's own."""
    from transformers import GenerationConfig

    kept = {name: value for name in KEPT if (value := getattr(own, name, None)) is not None}
    kept.setdefault("eos_token_id", tokenizer.eos_token_id)
    ends = kept["eos_token_id"]
    first_end = ends[0] if isinstance(ends, list) else ends
    kept.setdefault("pad_token_id", first_end if tokenizer.pad_token_id is None else tokenizer.pad_token_id)
    return GenerationConfig(do_sample=False, num_beams=1, use_cache=True, **kept)


def _left_out(own: Any) -> list[str]:
    given = {name: getattr(own, name, None) for name in NEUTRAL}
    return [f"{name} {given[name]}" for name in NEUTRAL if given[name] not in (None, False, NEUTRAL[name])]


class AreNumbers:
    """Watches a generation for NaN, of which the largest would be a token like any other."""

    def __init__(self) -> None:
        self._wrong: torch.Tensor | None = None

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Return the scores of the next token, shape (rows, tokens), as they are."""
        wrong = scores.isnan().any(dim=1)
        self._wrong = wrong if self._wrong is None else self._wrong | wrong
        return scores

    def first_wrong(self) -> int | None:
        """Return the first row of the batch for which NaN was computed; None if there is none."""
        rows = [] if self._wrong is None else self._wrong.tolist()
        return rows.index(True) if True in rows else None
