"""Embeddings of the samples of a task: encoded into the store, or computed elsewhere and looked up by id."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext, suppress
from typing import cast

import numpy as np

from goldieval.core.bisection import BatchFailures
from goldieval.core.errors import GoldievalError, TaskError, listing
from goldieval.core.processes.group import OneProcess, Ranks
from goldieval.core.timing import timed
from goldieval.data.image_source import ImageSource
from goldieval.engine.chunk_encoders import image_chunk_encoder, text_chunk_encoder
from goldieval.engine.encode import encode, plan_images, plan_texts, text_key
from goldieval.engine.load import LoadedTask
from goldieval.engine.plan import Plan, TowerPlan
from goldieval.engine.reporter import Reporter
from goldieval.engine.shared_chunks import own_chunks, share_chunks
from goldieval.models.adapter import Adapter, Precomputed, inference
from goldieval.models.decoders import decoding
from goldieval.models.inputs import Batching


class Embeddings(ABC):
    """Embeddings of one model for the tasks of one run, not normalised.

    Attributes:
        failed: content key to reason, of pictures that could not be decoded.
        encoded: number of contents that this run encoded, by tower.
        reused: number of contents whose stored embeddings were used, by tower.
    """

    def __init__(self) -> None:
        self.failed: Mapping[str, str] = {}
        self.encoded: dict[str, int] = {}
        self.reused: dict[str, int] = {}

    @abstractmethod
    def images(self, loaded: LoadedTask) -> np.ndarray:
        """Return the embedding of each image of a task, shape (images, dim)."""

    @abstractmethod
    def texts(self, loaded: LoadedTask) -> np.ndarray:
        """Return the embedding of each text that a task needs, shape (texts, dim)."""


class LookedUpEmbeddings(Embeddings):
    """Embeddings that were computed elsewhere, looked up by sample id."""

    def __init__(self, model: Precomputed, subset: bool) -> None:
        """Wrap precomputed embeddings.

        Args:
            model: the embeddings.
            subset: whether tasks are limited to a subset, so that they may have fewer ids than the model.
        """
        super().__init__()
        self._model, self._subset = model, subset

    def images(self, loaded: LoadedTask) -> np.ndarray:
        return self._model.image_embeddings([image.id for image in loaded.prepared.dataset.images], self._subset)

    def texts(self, loaded: LoadedTask) -> np.ndarray:
        return self._model.text_embeddings([text.id for text in loaded.prepared.texts], self._subset)


class NoEmbeddings(Embeddings):
    """Stands for the embeddings of a model that cannot encode at all, or has none: every request fails."""

    def __init__(self, reason: str) -> None:
        """Set the error.

        Args:
            reason: why the model cannot encode.
        """
        super().__init__()
        self._reason = reason

    def images(self, loaded: LoadedTask) -> np.ndarray:
        raise TaskError(self._reason)

    def texts(self, loaded: LoadedTask) -> np.ndarray:
        raise TaskError(self._reason)


class StoredEmbeddings(Embeddings):
    """Embeddings in the store; those that are missing there are encoded first."""

    def __init__(
        self,
        model: Adapter,
        plan: Plan,
        batching: Batching,
        reporter: Reporter,
        seconds: dict[str, float],
        ranks: Ranks = OneProcess(),
    ) -> None:
        """Encode what is missing, of which every rank does a share.

        Afterwards every rank has the embeddings of texts, and rank 0 those of pictures.

        Args:
            model: encodes pictures and texts.
            plan: the contents of both towers, and which of them are stored.
            batching: batch sizes and number of threads.
            reporter: shows the progress.
            seconds: wall time by phase; the phases of encoding are added.
            ranks: the processes that share the work.

        Raises:
            GoldievalError: the store cannot be written, for example because the disk is full. Finished chunks stay
                stored, and running the same command again continues from there.
        """
        super().__init__()
        self._model, self._batching, self._reporter, self._seconds = model, batching, reporter, seconds
        self._images, self._texts = cast(TowerPlan, plan.images), cast(TowerPlan, plan.texts)
        self._image_failures, self._text_failures = BatchFailures(), BatchFailures()
        with ranks.together("encoding"):
            encoded = self._encode_images(ranks), self._encode_texts(ranks)
            self._encode_what_was_given_up(ranks)
            share_chunks(self._images.space, self._images.chunks, ranks, needed=ranks.rank == 0)
            share_chunks(self._texts.space, self._texts.chunks, ranks, needed=True)
            self._share_failures(ranks)
        images, texts = (sum(counts) for counts in zip(*ranks.all_gather(encoded), strict=True))
        self.encoded = {"images": images, "texts": texts}
        towers = {"images": self._images, "texts": self._texts}
        self.reused = {name: len(tower.contents) - self.encoded[name] for name, tower in towers.items()}
        self.failed = self._images.space.failed
        notes = [*self._images.space.notes, *self._texts.space.notes, *self._notes_on_memory()]
        for line in dict.fromkeys(notes):
            reporter.note(line)

    def images(self, loaded: LoadedTask) -> np.ndarray:
        names = [image.path for image in loaded.prepared.dataset.images]
        return _gather(self._images, loaded.keys, self._image_failures, names, self._encode_images)

    def texts(self, loaded: LoadedTask) -> np.ndarray:
        texts = [text.text for text in loaded.prepared.texts]
        names = [f"text {text[:60]!r}" for text in texts]
        return _gather(self._texts, [text_key(text) for text in texts], self._text_failures, names, self._encode_texts)

    def _encode_what_was_given_up(self, ranks: Ranks) -> None:
        """Encode again what this rank gave up since nothing had worked, if something worked on another rank.

        Otherwise the failures would depend on the number of ranks: the longest texts, for example, are in one chunk.
        """
        for failures, encode_share in (
            (self._image_failures, self._encode_images),
            (self._text_failures, self._encode_texts),
        ):
            worked_elsewhere = any(ranks.all_gather(failures.has_worked)) and not failures.has_worked
            if failures.given_up and worked_elsewhere:
                failures.begin_again()
                encode_share(ranks)

    def _share_failures(self, ranks: Ranks) -> None:
        """Note the inputs on which the model fails on any rank, and how many batches did not fit into memory."""
        for failures in (self._image_failures, self._text_failures):
            for other in ranks.all_gather(failures):
                failures.reasons |= other.reasons
                failures.given_up = failures.given_up or other.given_up
            failures.too_large = sum(ranks.all_gather(failures.too_large))

    def _notes_on_memory(self) -> list[str]:
        """Return a line on batches that were encoded in parts: sums of other batches are rounded differently."""
        parted = self._image_failures.too_large + self._text_failures.too_large
        line = (
            f"batches that did not fit into memory and were encoded in smaller ones: {parted:,}; the last bits of "
            "embeddings may differ from those of other batches. Use a smaller --batch-size"
        )
        return [line] if parted else []

    def _encode_images(self, ranks: Ranks | None = None) -> int:
        """Encode a rank's share of the chunks of the plan, or alone what is not stored; return its number."""
        space, sources = self._images.space, cast(Mapping[str, ImageSource], self._images.contents)
        chunks = plan_images(space, sources) if ranks is None else own_chunks(self._images.chunks, ranks)
        with (
            inference(self._model) if chunks else nullcontext(),  # a model that is not needed is not loaded
            decoding(self._model, self._batching.workers, sum(len(chunk.keys) for chunk in chunks)) as decoders,
            _explained_full_disk(),
            timed(self._seconds, "encode_images"),
            self._reporter.meter("encoding images", sum(len(chunk.keys) for chunk in chunks)) as meter,
        ):
            compute = image_chunk_encoder(self._model, sources, self._batching, decoders, meter, self._image_failures)
            return encode(space, chunks, compute, meter)

    def _encode_texts(self, ranks: Ranks | None = None) -> int:
        """Encode a rank's share of the chunks of the plan, or alone what is not stored; return its number."""
        space, texts = self._texts.space, cast(Mapping[str, str], self._texts.contents)
        chunks = plan_texts(space, texts) if ranks is None else own_chunks(self._texts.chunks, ranks)
        with (
            inference(self._model) if chunks else nullcontext(),
            ThreadPoolExecutor(1) as tokenizing,
            _explained_full_disk(),
            timed(self._seconds, "encode_texts"),
            self._reporter.meter("encoding texts", sum(len(chunk.keys) for chunk in chunks)) as meter,
        ):
            compute = text_chunk_encoder(self._model, texts, self._batching, meter, self._text_failures, tokenizing)
            return encode(space, chunks, compute, meter)


def _gather(
    tower: TowerPlan, keys: list[str], failures: BatchFailures, names: list[str], encode_again: Callable[[], int]
) -> np.ndarray:
    """Return the embeddings of contents, shape (keys, dim).

    Args:
        tower: the contents and where they are stored.
        keys: content keys.
        failures: the contents on which the model fails.
        names: names of the contents for error messages.
        encode_again: encodes contents that were removed or damaged since they were encoded; called at most once.

    Raises:
        TaskError: the model fails on some of the contents; the first one is named.
        GoldievalError: stored embeddings disappear repeatedly.
    """
    failed = {name: failures.reasons[key] for name, key in zip(names, keys, strict=True) if key in failures.reasons}
    if failed and failures.given_up:
        raise TaskError(f"the model fails on every input: {failures.given_up}")
    if failed:
        examples = listing([f"{name} ({reason})" for name, reason in failed.items()], 1)
        raise TaskError(f"the model fails on {len(failed):,} of {len(keys):,}: {examples}.")
    with suppress(KeyError):
        return tower.space.gather(keys)
    encode_again()
    try:
        return tower.space.gather(keys)
    except KeyError:
        raise GoldievalError(
            f"stored embeddings in {tower.space.folder} are removed while they are in use. Raise $GOLDIEVAL_STORE_GB "
            "of all processes that share the store, or use --no-cache."
        ) from None


@contextmanager
def _explained_full_disk() -> Iterator[None]:
    """Turn an error of writing into one line that says what to do."""
    try:
        yield
    except OSError as error:
        raise GoldievalError(
            f"cannot write embeddings: {error.strerror or error}. Free disk space, or set $GOLDIEVAL_STORE to another "
            "folder, and run the same command again: finished chunks are kept."
        ) from error
