"""Embeddings of a task's samples: encoded here into the store, or computed elsewhere and looked up by id."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import cast

import numpy as np

from goldieval.core.bisection import BatchFailures
from goldieval.core.errors import GoldievalError, TaskError, listing
from goldieval.core.timing import timed
from goldieval.data.samples import ImageSource
from goldieval.engine.encode import encode, image_computer, plan_images, plan_texts, text_computer, text_key
from goldieval.engine.load import Loaded
from goldieval.engine.plan import Plan, Tower
from goldieval.engine.reporter import Reporter
from goldieval.models.adapter import Adapter, Precomputed, inference
from goldieval.models.inputs import Batching


class Embeddings(ABC):
    """Embeddings of one model for the tasks of one run, as the model gives them: not normalised.

    Attributes:
        failed: content key to reason, of pictures that could not be decoded.
        encoded: number of contents that were encoded now, by tower.
        reused: number of contents that were stored already, by tower.
    """

    def __init__(self) -> None:
        self.failed: Mapping[str, str] = {}
        self.encoded: dict[str, int] = {}
        self.reused: dict[str, int] = {}

    @abstractmethod
    def images(self, loaded: Loaded) -> np.ndarray:
        """Return the embedding of each image of a task, (images, dim)."""

    @abstractmethod
    def texts(self, loaded: Loaded) -> np.ndarray:
        """Return the embedding of each text that a task needs, (texts, dim)."""


class LookedUpEmbeddings(Embeddings):
    """Embeddings of a model that ran elsewhere, by sample id."""

    def __init__(self, model: Precomputed, subset: bool) -> None:
        """Take a model's embeddings.

        Args:
            model: the embeddings.
            subset: whether tasks are cut, so that they may know fewer ids than the model.
        """
        super().__init__()
        self._model, self._subset = model, subset

    def images(self, loaded: Loaded) -> np.ndarray:
        return self._model.image_embeddings([image.id for image in loaded.prepared.dataset.images], self._subset)

    def texts(self, loaded: Loaded) -> np.ndarray:
        return self._model.text_embeddings([text.id for text in loaded.prepared.texts], self._subset)


class NoEmbeddings(Embeddings):
    """What is left of a model that cannot encode at all.

    Args:
        reason: why it cannot.
    """

    def __init__(self, reason: str) -> None:
        super().__init__()
        self._reason = reason

    def images(self, loaded: Loaded) -> np.ndarray:
        raise TaskError(self._reason)

    def texts(self, loaded: Loaded) -> np.ndarray:
        raise TaskError(self._reason)


class StoredEmbeddings(Embeddings):
    """Embeddings in the store; what a plan says is missing there is encoded first."""

    def __init__(
        self, model: Adapter, plan: Plan, batching: Batching, reporter: Reporter, seconds: dict[str, float]
    ) -> None:
        """Encode what is missing.

        Args:
            model: encodes pictures and texts.
            plan: the contents of both towers, and which of them are stored.
            batching: sizes of batches, and number of threads.
            reporter: shows the progress.
            seconds: wall time by phase; those of encoding are added.

        Raises:
            GoldievalError: the disk is full. Whole chunks stay stored, and the same command continues from there.
        """
        super().__init__()
        self._model, self._batching, self._reporter, self._seconds = model, batching, reporter, seconds
        self._images, self._texts = cast(Tower, plan.images), cast(Tower, plan.texts)
        self._image_faults, self._text_faults = BatchFailures(), BatchFailures()
        self.encoded = {"images": self._encode_images(), "texts": self._encode_texts()}
        towers = {"images": self._images, "texts": self._texts}
        self.reused = {name: len(tower.contents) - self.encoded[name] for name, tower in towers.items()}
        self.failed = self._images.space.failed
        for line in dict.fromkeys([*self._images.space.notes, *self._texts.space.notes]):
            reporter.note(line)

    def images(self, loaded: Loaded) -> np.ndarray:
        names = [image.path for image in loaded.prepared.dataset.images]
        return _gather(self._images, loaded.keys, self._image_faults, names, self._encode_images)

    def texts(self, loaded: Loaded) -> np.ndarray:
        texts = [text.text for text in loaded.prepared.texts]
        names = [f"text {text[:60]!r}" for text in texts]
        return _gather(self._texts, [text_key(text) for text in texts], self._text_faults, names, self._encode_texts)

    def _encode_images(self) -> int:
        """Encode the pictures that are not stored now; return how many those were."""
        space, sources = self._images.space, cast(Mapping[str, ImageSource], self._images.contents)
        chunks = plan_images(space, sources)
        with (
            inference(self._model),
            ThreadPoolExecutor(self._batching.workers) as pool,
            _explained_full_disk(),
            timed(self._seconds, "encode_images"),
            self._reporter.meter("images", sum(len(chunk.keys) for chunk in chunks)) as meter,
        ):
            compute = image_computer(self._model, sources, self._batching, pool, meter, self._image_faults)
            return encode(space, chunks, compute, meter)

    def _encode_texts(self) -> int:
        """Encode the texts that are not stored now; return how many those were."""
        space, texts = self._texts.space, cast(Mapping[str, str], self._texts.contents)
        chunks = plan_texts(space, texts)
        with (
            inference(self._model),
            _explained_full_disk(),
            timed(self._seconds, "encode_texts"),
            self._reporter.meter("texts", sum(len(chunk.keys) for chunk in chunks)) as meter,
        ):
            compute = text_computer(self._model, texts, self._batching, meter, self._text_faults)
            return encode(space, chunks, compute, meter)


def _gather(
    tower: Tower, keys: list[str], faults: BatchFailures, names: list[str], again: Callable[[], int]
) -> np.ndarray:
    """Return the embeddings of contents, in their order.

    Args:
        tower: the contents and where they are stored.
        keys: of the contents.
        faults: the contents on which the model failed.
        names: of the contents, for errors.
        again: encodes what has been removed or damaged since it was encoded; called once at most.

    Raises:
        TaskError: the model fails on some of them; the first are named.
    """
    failing = {name: faults.reasons[key] for name, key in zip(names, keys, strict=True) if key in faults.reasons}
    if failing and faults.given_up:
        raise TaskError(f"the model fails on whatever it is given: {faults.given_up}")
    if failing:
        named = listing([f"{name} ({reason})" for name, reason in failing.items()], 1)
        raise TaskError(f"the model fails on {len(failing):,} of {len(keys):,}: {named}.")
    with suppress(KeyError):
        return tower.space.gather(keys)
    again()
    try:
        return tower.space.gather(keys)
    except KeyError:
        raise GoldievalError(
            f"stored embeddings in {tower.space.folder} are removed while they are in use. Raise $GOLDIEVAL_STORE_GB "
            "of those that share the store, or use --no-cache."
        ) from None


@contextmanager
def _explained_full_disk() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise GoldievalError(
            f"cannot write embeddings: {error.strerror or error}. Free some space, or name another folder in "
            "$GOLDIEVAL_STORE, and run the same command again: what is encoded is kept."
        ) from error
