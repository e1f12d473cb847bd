"""Batches of tokenized texts; a thread tokenizes the next chunk while the model encodes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from typing import TYPE_CHECKING

from goldieval.core.bisection import BatchFailures, bisect_failures
from goldieval.core.containment import contained
from goldieval.core.errors import AdapterError, TaskError
from goldieval.core.threads import batches_ahead
from goldieval.engine.chunks import Chunk
from goldieval.models.adapter import Adapter

if TYPE_CHECKING:
    import torch


@dataclass
class TextBatch:
    """Texts of one chunk that are encoded together.

    Attributes:
        chunk: the chunk.
        keys: content keys of the texts.
        contents: number of texts that are done with this batch, including those that could not be tokenized.
        is_last: whether it is the last batch of the chunk.
        given_up: why no further text is tokenized; empty as long as they are.
    """

    chunk: Chunk
    keys: list[str]
    contents: int
    is_last: bool = False
    given_up: str = ""
    tokens: torch.Tensor | None = None
    trim: Callable[[torch.Tensor], torch.Tensor] | None = None

    def inputs(self, rows: Sequence[int]) -> torch.Tensor:
        assert self.tokens is not None
        selected = self.tokens[list(rows)]
        return self.trim(selected) if self.trim else selected


def tokenized_ahead(
    model: Adapter,
    chunks: Iterable[Chunk],
    texts: Mapping[str, str],
    size: int,
    failures: BatchFailures,
    pool: Executor | None = None,
) -> Iterator[TextBatch]:
    """Yield the batches of every chunk, at least one for each.

    Args:
        model: tokenizes.
        chunks: the chunks.
        texts: texts by content key.
        size: number of texts in a batch.
        failures: receives the reasons of texts that cannot be tokenized.
        pool: tokenizes one chunk ahead; without one, a chunk is tokenized when its turn comes.
    """
    tokenizing = failures.of_other_work()

    def tokenize(keys: Sequence[str]) -> torch.Tensor:
        return _checked_tokens(model.tokenize([texts[key] for key in keys]), len(keys))

    def attempt(chunk: Chunk) -> torch.Tensor | TaskError:
        try:
            with contained("tokenizing it"):
                return tokenize(chunk.keys)
        except TaskError as error:
            return error

    def submit(chunks: Sequence[Chunk]) -> list[Future[torch.Tensor | TaskError]]:
        return (
            [pool.submit(attempt, chunk) for chunk in chunks] if pool else [_done(attempt(chunk)) for chunk in chunks]
        )

    ahead = batches_ahead(submit, ((chunk, [chunk]) for chunk in chunks), 1 if pool else 0)
    for chunk, (first,) in ahead:
        yield from _batches(model, chunk, first, tokenize, size, tokenizing)


def _batches(
    model: Adapter,
    chunk: Chunk,
    first: torch.Tensor | TaskError,
    tokenize: Callable[[Sequence[str]], torch.Tensor],
    size: int,
    failures: BatchFailures,
) -> Iterator[TextBatch]:
    """Yield the batches of a chunk, given the result of tokenizing it as a whole."""
    from goldieval.models.padding import lengths

    trim = getattr(model, "trim", None)
    attempts, last, left = [first], TextBatch(chunk, [], 0), len(chunk.keys)

    def tokenize_rows(rows: Sequence[int]) -> torch.Tensor:
        tokens = attempts.pop() if attempts else tokenize([chunk.keys[row] for row in rows])
        if isinstance(tokens, TaskError):
            raise tokens
        return tokens

    for group, tokens in bisect_failures(chunk.keys, tokenize_rows, failures, "tokenizing it"):
        order = [int(row) for row in lengths(tokens).argsort(stable=True)] if trim else list(range(len(tokens)))
        for start in range(0, len(order), size):
            if last.keys:
                yield last
            rows = order[start : start + size]
            keys = [chunk.keys[group[row]] for row in rows]
            last = TextBatch(chunk, keys, len(keys), tokens=tokens[rows], trim=trim)
            left -= len(keys)
    last.contents, last.is_last, last.given_up = last.contents + left, True, failures.given_up
    yield last


def _done(result: torch.Tensor | TaskError) -> Future[torch.Tensor | TaskError]:
    future: Future[torch.Tensor | TaskError] = Future()
    future.set_result(result)
    return future


def _checked_tokens(tokens: torch.Tensor, count: int) -> torch.Tensor:
    import torch

    if not isinstance(tokens, torch.Tensor) or tokens.ndim < 1 or len(tokens) != count:
        returned = tuple(tokens.shape) if isinstance(tokens, torch.Tensor) else type(tokens).__name__
        raise AdapterError(f"tokenize() must return a tensor with one row per text, {count}; it returned {returned}.")
    return tokens
