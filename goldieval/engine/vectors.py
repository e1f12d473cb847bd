"""Embeddings of a task's samples: encoded here into the store, or computed elsewhere and looked up by id."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

import numpy as np
import torch

from goldieval.core.bisection import BatchFailures
from goldieval.core.errors import GoldievalError, NotApplicableError, TaskError, listing
from goldieval.data.samples import ImageSample, ImageSource
from goldieval.engine.encode import Batching, encode, image_computer, plan_images, plan_texts, text_computer, text_key
from goldieval.engine.load import Loaded
from goldieval.engine.plan import Plan, Tower
from goldieval.engine.progress import Screen
from goldieval.engine.stream import answers, patch_tokens
from goldieval.models.adapter import Adapter, Dense, Generative, Model, Precomputed, TextConditioned, inference
from goldieval.scoring.conditioned import Pool
from goldieval.scoring.cosine import check_finite, unit
from goldieval.scoring.mode import is_dense, needs_pool, needs_vectors, shortlist_size
from goldieval.scoring.similarity import ConditionedSimilarity, GlobalSimilarity, ShortlistSimilarity, Similarity

if TYPE_CHECKING:
    from goldieval.engine.segment import Maps
    from goldieval.families.segmentation import Segmented

NO_ANSWERS = "this model cannot answer questions: its adapter has no generate(pixels, questions)."
NO_PATCHES = "this model gives no patch features: its adapter has no dense(pixels, attention)."
NO_POOLING = "this model has no text-conditioned pooling for {} scoring: use --scoring global."
NO_PICTURES = "this task has ids but no pictures: run it with --model embeddings:FOLDER."


def check_applicable(model: Model, loaded: Loaded, mode: str) -> None:
    """Raise NotApplicableError where a model lacks what a task needs in a mode, before any work is done."""
    if isinstance(model, Adapter) and loaded.pictureless:
        raise NotApplicableError(NO_PICTURES)
    if mode == "generate" and not isinstance(model, Generative):
        raise NotApplicableError(NO_ANSWERS)
    if is_dense(mode) and not isinstance(model, Dense):
        raise NotApplicableError(NO_PATCHES)
    if needs_pool(mode) and not isinstance(model, TextConditioned):
        raise NotApplicableError(NO_POOLING.format(mode))


@dataclass
class Vectors:
    """Embeddings of one model on one run, as they come from it: not normalised.

    failed: content key to reason, of pictures that could not be decoded.   encoded, reused: contents by tower.
    streamed: patch tokens of a task's pictures, shape (images, patches, dim), with what failed; None where the model
    has no text-conditioned pooling.   answered: answers by text id, with what failed; None where it has no decoder.
    mapped: a class for every pixel of a task's pictures; None where the model gives no patch features.
    show: how many pictures of a task are kept with what was made of them.
    seconds: wall time of what was streamed or answered, by phase; whoever scores a task empties it before.
    counted: tokens of texts before they are cut; None where the model cannot tell.
    """

    images: Callable[[Loaded], np.ndarray]
    texts: Callable[[Loaded], np.ndarray]
    failed: Mapping[str, str] = field(default_factory=dict)
    encoded: dict[str, int] = field(default_factory=dict)
    reused: dict[str, int] = field(default_factory=dict)
    streamed: Callable[[Loaded], tuple[torch.Tensor, dict[str, str]]] | None = None
    pool: Pool | None = None
    answered: Callable[[Loaded], tuple[dict[str, str], dict[str, str]]] | None = None
    mapped: Callable[[Loaded, str, int], Maps] | None = None
    show: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    counted: Callable[[Sequence[str]], list[int] | None] | None = None

    def token_counts(self, loaded: Loaded) -> list[int] | None:
        """Return the tokens of each text that is searched, uncut; None where there are none or the model is mute."""
        texts = [text.text for text in loaded.prepared.dataset.texts] if loaded.prepared.texts else []
        return self.counted(texts) if self.counted and texts else None

    def evidence(
        self, loaded: Loaded, scoring: str, allow_bad: int, device: str
    ) -> tuple[Loaded, Similarity | list[str] | torch.Tensor | Segmented]:
        """Return the task without its unreadable pictures, and what its family scores in a mode."""
        if scoring == "generate":
            return self.answers(loaded, allow_bad)
        if scoring == "features":
            return self.features(loaded, allow_bad, device)
        if is_dense(scoring):
            return self.segments(loaded, scoring, allow_bad)
        return self.similarity(loaded, scoring, allow_bad, device)

    def answers(self, loaded: Loaded, allow_bad: int) -> tuple[Loaded, list[str]]:
        """Return the task without its unreadable pictures, and the answers to its questions, in their order.

        Raises:
            TaskError: too many unreadable pictures, or a model that cannot answer.
        """
        if self.answered is None:
            raise NotApplicableError(NO_ANSWERS)
        given, failed = self.answered(loaded)
        loaded = loaded.without(failed, allow_bad)
        return loaded, [given[text.id] for text in loaded.prepared.dataset.texts]

    def features(self, loaded: Loaded, allow_bad: int, device: str) -> tuple[Loaded, torch.Tensor]:
        """Return the task without its unreadable pictures, and the unit vector of each picture, (images, dim).

        Raises:
            TaskError: too many unreadable pictures, or useless embeddings.
        """
        loaded = loaded.without(self.failed, allow_bad)
        return loaded, self._image_units(loaded).to(device)

    def segments(self, loaded: Loaded, scoring: str, allow_bad: int) -> tuple[Loaded, Segmented]:
        """Return the task without its unreadable pictures, and the areas of the maps of the rest.

        Raises:
            TaskError: too many unreadable pictures, masks that do not fit, or a model without patch features.
        """
        if self.mapped is None:
            raise NotApplicableError(NO_PATCHES)
        maps = self.mapped(loaded, scoring, self.show)
        loaded = loaded.without(maps.failed, allow_bad)
        return loaded, maps.segmented(loaded)

    def similarity(self, loaded: Loaded, scoring: str, allow_bad: int, device: str) -> tuple[Loaded, Similarity]:
        """Return the task without its unreadable pictures, and the similarity of the rest in a scoring mode.

        Raises:
            TaskError: too many unreadable pictures, useless embeddings, or a mode that the model does not have.
        """
        if needs_vectors(scoring):
            loaded = loaded.without(self.failed, allow_bad)
        if scoring == "global":
            images, texts = self._image_units(loaded), _text_units(loaded, self.texts(loaded))
            return loaded, GlobalSimilarity(images.to(device), texts.to(device))
        if self.streamed is None or self.pool is None:
            raise NotApplicableError(NO_POOLING.format(scoring))
        patches, failed = self.streamed(loaded)
        loaded = loaded.without(failed, allow_bad)
        check_finite(patches, "patch")
        raw = torch.as_tensor(self.texts(loaded))
        _text_units(loaded, raw)
        patches, raw = patches.to(device), raw.to(device)
        if size := shortlist_size(scoring):
            images = self._image_units(loaded).to(device)
            return loaded, ShortlistSimilarity(self.pool, patches, raw, images, size)
        return loaded, ConditionedSimilarity(self.pool, patches, raw)

    def _image_units(self, loaded: Loaded) -> torch.Tensor:
        """Return the unit vector of each picture, (images, dim). Raises TaskError where there is nothing to tell."""
        if len(loaded.keys) > 1 and len(set(loaded.keys)) == 1 and not loaded.pictureless:
            raise TaskError(f"all {len(loaded.keys):,} pictures are the same to the byte: there is nothing to tell.")
        return unit(self.images(loaded), "image")


def looked_up(model: Precomputed, subset: bool) -> Vectors:
    """Vectors of a model that ran elsewhere. subset: the task was cut, so that it may know fewer ids than the model."""
    return Vectors(
        lambda loaded: model.image_embeddings([image.id for image in loaded.prepared.dataset.images], subset),
        lambda loaded: model.text_embeddings([text.id for text in loaded.prepared.texts], subset),
    )


def unusable(reason: str) -> Vectors:
    """Vectors of a model that cannot be used at all."""

    def fail(_: Loaded) -> np.ndarray:
        raise TaskError(reason)

    return Vectors(fail, fail)


def computed(model: Adapter, plan: Plan, batching: Batching, screen: Screen, seconds: dict[str, float]) -> Vectors:
    """Encode what the plan says is missing; the rest is in the store already.

    Raises:
        GoldievalError: the disk is full. Whole chunks stay stored; the same command goes on from there.
    """
    images, texts = cast(Tower, plan.images), cast(Tower, plan.texts)
    unseen, unread = BatchFailures(), BatchFailures()

    def encode_images() -> int:
        """Encode the pictures that are not stored now."""
        sources = cast(Mapping[str, ImageSource], images.contents)
        chunks = plan_images(images.space, sources)
        with (
            inference(model),
            ThreadPoolExecutor(batching.workers) as pool,
            _full_disk_is_plain(),
            timed(seconds, "encode_images"),
            screen.meter("images", sum(len(chunk.keys) for chunk in chunks)) as meter,
        ):
            return encode(images.space, chunks, image_computer(model, sources, batching, pool, meter, unseen), meter)

    def encode_texts() -> int:
        """Encode the texts that are not stored now."""
        strings = cast(Mapping[str, str], texts.contents)
        chunks = plan_texts(texts.space, strings)
        with (
            inference(model),
            _full_disk_is_plain(),
            timed(seconds, "encode_texts"),
            screen.meter("texts", sum(len(chunk.keys) for chunk in chunks)) as meter,
        ):
            return encode(texts.space, chunks, text_computer(model, strings, batching, meter, unread), meter)

    encoded = {"images": encode_images(), "texts": encode_texts()}
    for line in dict.fromkeys([*images.space.notes, *texts.space.notes]):
        screen.note(line)
    vectors = Vectors(
        lambda loaded: _gather(
            images, _pictured(loaded), unseen, [image.path for image in _images(loaded)], encode_images
        ),
        lambda loaded: _gather(
            texts,
            [text_key(text.text) for text in loaded.prepared.texts],
            unread,
            [f"text {text.text[:60]!r}" for text in loaded.prepared.texts],
            encode_texts,
        ),
        images.space.failed,
        encoded,
        {"images": len(images.contents) - encoded["images"], "texts": len(texts.contents) - encoded["texts"]},
        counted=getattr(model, "count_tokens", None),
    )
    if isinstance(model, TextConditioned):
        vectors.pool = model.pool
        vectors.streamed = lambda loaded: _patches(model, loaded, batching, screen, vectors.seconds)
    if isinstance(model, Generative):
        vectors.answered = lambda loaded: _answers(model, loaded, batching, screen, vectors.seconds)
    if isinstance(model, Dense):
        vectors.mapped = lambda loaded, mode, show: _maps(model, loaded, mode, vectors, show, batching, screen)
    return vectors


def _maps(
    model: Dense, loaded: Loaded, mode: str, vectors: Vectors, show: int, batching: Batching, screen: Screen
) -> Maps:
    from goldieval.engine.segment import maps
    from goldieval.families.segmentation import predictor

    _pictured(loaded)
    with (
        inference(model),
        ThreadPoolExecutor(batching.workers) as pool,
        timed(vectors.seconds, "segment"),
        screen.meter("maps", len(loaded.keys)) as meter,
    ):
        device = str(getattr(model, "device", "cpu"))
        texts = torch.as_tensor(vectors.texts(loaded)).to(device)
        predict = predictor(loaded.prepared, mode, texts, model.dense, vectors.pool, batching.images)
        return maps(model, loaded, predict, device, show, pool, meter)


def _answers(
    model: Generative, loaded: Loaded, batching: Batching, screen: Screen, seconds: dict[str, float]
) -> tuple[dict[str, str], dict[str, str]]:
    _pictured(loaded)
    with (
        inference(model),
        ThreadPoolExecutor(batching.workers) as pool,
        timed(seconds, "generate"),
        screen.meter("answers", len(loaded.prepared.dataset.texts)) as meter,
    ):
        return answers(model, loaded, batching, pool, meter)


def _patches(
    model: TextConditioned, loaded: Loaded, batching: Batching, screen: Screen, seconds: dict[str, float]
) -> tuple[torch.Tensor, dict[str, str]]:
    """Encode a task's pictures to patch tokens, which are streamed and not stored: they are large."""
    keys = [key for key in _pictured(loaded) if key]
    with (
        inference(model),
        ThreadPoolExecutor(batching.workers) as pool,
        timed(seconds, "encode_patches"),
        screen.meter("patches", len(keys)) as meter,
    ):
        return patch_tokens(model, keys, loaded.sources, batching, pool, meter)


@contextmanager
def timed(seconds: dict[str, float], phase: str) -> Iterator[None]:
    """Add the wall time of a block to ``seconds[phase]``."""
    start = time.perf_counter()
    try:
        yield
    finally:
        seconds[phase] = seconds.get(phase, 0.0) + time.perf_counter() - start


def _pictured(loaded: Loaded) -> list[str]:
    if loaded.pictureless:
        raise NotApplicableError(NO_PICTURES)
    return loaded.keys


def _images(loaded: Loaded) -> list[ImageSample]:
    return loaded.prepared.dataset.images


def _text_units(loaded: Loaded, embeddings: np.ndarray | torch.Tensor) -> torch.Tensor:
    """Return the unit vector of each text, (texts, dim). Raises TaskError where there is nothing to tell."""
    said = {text.text for text in loaded.prepared.texts}
    if len(said) == 1 and len(loaded.prepared.texts) > 1:
        count = len(loaded.prepared.texts)
        raise TaskError(f"all {count:,} texts are the same, {said.pop()[:60]!r}: there is nothing to tell.")
    return unit(embeddings, "text")


def _gather(
    tower: Tower, keys: list[str], faults: BatchFailures, names: list[str], again: Callable[[], int]
) -> np.ndarray:
    """Return the embeddings of contents, in their order.

    What has been removed or damaged since it was encoded is encoded ``again``, once.

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
def _full_disk_is_plain() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise GoldievalError(
            f"cannot write embeddings: {error.strerror or error}. Free some space, or name another folder in "
            "$GOLDIEVAL_STORE, and run the same command again: what is encoded is kept."
        ) from error
