"""What is made of a task's pictures on the spot and never stored: patch tokens, and answers to questions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from goldieval.core.errors import AdapterError, TaskError
from goldieval.data.samples import ImageSource
from goldieval.engine.encode import Batching, Meter, batches, decoded, stacked
from goldieval.engine.load import Loaded
from goldieval.models.adapter import Generative, TextConditioned

if TYPE_CHECKING:
    import torch


def patch_tokens(
    model: TextConditioned,
    keys: Sequence[str],
    sources: Mapping[str, ImageSource],
    batching: Batching,
    pool: ThreadPoolExecutor,
    meter: Meter,
) -> tuple[torch.Tensor, dict[str, str]]:
    """Encode pictures to patch tokens, shape (readable pictures, patches, dim), in the order of ``keys``.

    Returns:
        the tokens, on the model's device, and content key to reason of what could not be decoded
    """
    import torch

    parts: list[torch.Tensor] = []
    failed: dict[str, str] = {}
    for batch in batches(decoded(model, keys, sources, pool), batching.images):
        usable = [pixels for _, pixels in batch if not isinstance(pixels, OSError)]
        failed |= {key: str(error) for key, error in batch if isinstance(error, OSError)}
        if usable:
            parts.append(_patches(model.patch_tokens(stacked(_sound(usable))), len(usable)))
        meter.advance(len(batch))
    return torch.cat(parts) if parts else torch.empty(0, 0, 0), failed


def answers(
    model: Generative, loaded: Loaded, batching: Batching, pool: ThreadPoolExecutor, meter: Meter
) -> tuple[dict[str, str], dict[str, str]]:
    """Let the model answer every question of a task; each picture is decoded once, however many are asked about it.

    Returns:
        text id to answer, and content key to reason of what could not be decoded

    Raises:
        TaskError: the model gives something else than one string a question.
    """
    dataset = loaded.prepared.dataset
    assert dataset.owner is not None
    asked: dict[str, list[int]] = defaultdict(list)  # content key to rows of questions
    for row, owner in enumerate(dataset.owner.tolist()):
        asked[loaded.keys[owner]].append(row)
    failed: dict[str, str] = {}

    def pairs() -> Iterator[tuple[int, torch.Tensor]]:
        for key, pixels in decoded(model, [key for key in asked if key], loaded.sources, pool):
            if isinstance(pixels, OSError):
                failed[key] = str(pixels)
            else:
                (sound,) = _sound([pixels])
                yield from ((row, sound) for row in asked[key])

    given: dict[str, str] = {}
    for batch in batches(pairs(), batching.images):
        texts = [dataset.texts[row] for row, _ in batch]
        words = model.generate(stacked([pixels for _, pixels in batch]), [text.text for text in texts])
        if len(words) != len(texts) or not all(isinstance(word, str) for word in words):
            raise TaskError(f"generate() must return one string a question: {len(texts)} were asked.")
        given |= {text.id: word for text, word in zip(texts, words, strict=True)}
        meter.advance(len(batch))
    return given, failed


def _sound(inputs: Sequence[torch.Tensor | TaskError]) -> list[torch.Tensor]:
    """Return the inputs. Raises what ``preprocess`` raised for one of them: all of them are this task's own."""
    for pixels in inputs:
        if isinstance(pixels, TaskError):
            raise pixels
    return [pixels for pixels in inputs if not isinstance(pixels, TaskError)]


def _patches(tokens: torch.Tensor, count: int) -> torch.Tensor:
    """Return patch tokens in float32. Raises AdapterError unless their shape is (count, patches, dim)."""
    if tokens.ndim != 3 or len(tokens) != count:
        raise AdapterError(f"patch_tokens() must return ({count}, patches, dim); it returned {tuple(tokens.shape)}.")
    return tokens.float()
