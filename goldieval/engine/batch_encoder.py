"""Batches through an encoder, in order: several at a time on a CPU, overlapped with their copies on an accelerator."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np

from goldieval.core.bisection import BatchFailures, bisect_failures
from goldieval.core.containment import contained
from goldieval.core.errors import AdapterError, TaskError
from goldieval.core.transfers import Download, download
from goldieval.core.units import thread_count, units
from goldieval.engine.accelerator import launched_ahead
from goldieval.models.returned import check_features

if TYPE_CHECKING:
    import torch

EncodedRows = list[tuple[list[str], np.ndarray]]  # content keys, and one embedding for each


class Batch(Protocol):
    """Contents that are encoded together.

    Attributes:
        keys: their content keys.
    """

    keys: list[str]

    def inputs(self, rows: Sequence[int]) -> torch.Tensor:
        """Return the input of the encoder for some of the contents. Raises TaskError if there is none."""


B = TypeVar("B", bound=Batch)


class BatchEncoder:
    """Encodes batches and checks what the encoder returns; a batch that fails is bisected."""

    def __init__(
        self,
        name: str,
        encode: Callable[[torch.Tensor], torch.Tensor],
        model: Any,
        failures: BatchFailures,
    ) -> None:
        """Prepare the encoding.

        Args:
            name: name of the encoder for error messages.
            encode: encodes one input.
            model: the model that the encoder belongs to; its ``concurrent`` and ``device`` decide how batches run.
            failures: receives the contents on which the model fails.
        """
        self._name, self._encode, self._failures, self._width = name, encode, failures, 0
        device = getattr(model, "device", None)
        self._device: torch.device | None = device if hasattr(device, "type") else None
        self._threads = thread_count() if getattr(model, "concurrent", False) else None

    def __call__(self, batches: Iterable[B]) -> Iterator[tuple[B, EncodedRows]]:
        """Yield every batch with its embeddings, without the contents on which the model fails."""
        for batch, first in self._first_attempts(batches):
            yield batch, list(self._parts(batch, first))

    def _first_attempts(self, batches: Iterable[B]) -> Iterator[tuple[B, Download | TaskError | None]]:
        if self._device is None or self._device.type == "cpu":
            return units(self._attempt, batches, "cpu", self._threads)
        return launched_ahead(self._launch, batches, self._device)

    def _attempt(self, batch: Batch) -> Download | TaskError | None:
        """Encode a whole batch in the calling thread; return an error instead of raising it."""
        import torch

        if not batch.keys or self._failures.given_up:
            return None
        try:
            with contained("encoding it"), torch.inference_mode():
                return self._checked(self._encode(batch.inputs(range(len(batch.keys)))), len(batch.keys))
        except TaskError as error:
            return error

    def _launch(self, inputs: torch.Tensor | TaskError | None) -> Download | TaskError | None:
        """Start the encoding of a whole batch on an accelerator."""
        if inputs is None or isinstance(inputs, TaskError) or self._failures.given_up:
            return inputs if isinstance(inputs, TaskError) else None
        try:
            with contained("encoding it"):
                return self._checked(self._encode(inputs), len(inputs))
        except TaskError as error:
            return error

    def _parts(self, batch: Batch, first: Download | TaskError | None) -> Iterator[tuple[list[str], np.ndarray]]:
        """Yield embeddings of the batch or, if its first attempt failed, of the parts of it that work."""
        attempts = [first]

        def encode_rows(rows: Sequence[int]) -> np.ndarray:
            attempt = attempts.pop() if attempts else None
            if isinstance(attempt, TaskError):
                raise attempt
            if attempt is None:
                attempt = self._checked(self._encode(batch.inputs(rows)), len(rows))
            return self._of_one_width(attempt.array())

        for rows, part in bisect_failures(batch.keys, encode_rows, self._failures, "encoding it"):
            yield [batch.keys[row] for row in rows], part

    def _checked(self, features: torch.Tensor, count: int) -> Download:
        """Return features as they arrive on the CPU, shape (count, dim). Raises AdapterError for anything else."""
        check_features(features, count, self._name)
        return download(features.detach().float())

    def _of_one_width(self, array: np.ndarray) -> np.ndarray:
        """Return the embeddings. Raises AdapterError if they have another width than those of earlier batches."""
        self._width = self._width or array.shape[1]
        if array.shape[1] != self._width:
            raise AdapterError(
                f"{self._name}() returned rows of {self._width} numbers for one batch and {array.shape[1]} for another."
            )
        return array
