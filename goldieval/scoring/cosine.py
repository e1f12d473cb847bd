"""Cosine similarity in float32, tile by tile: the complete score matrix is never in memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

from goldieval.core.errors import TaskError
from goldieval.core.meter import metered
from goldieval.core.precision import full_float32
from goldieval.core.units import one_thread, thread_count, units
from goldieval.metrics.accuracy import ClassCounts, ClassRanks, class_counts, joined_counts
from goldieval.metrics.rank_counter import RankCounter, Tally
from goldieval.metrics.ranks import Ranks

# A tile of 512 x 8,192 float32 is 16 MB: large enough for the matrix product, small enough for most CPU caches.
TEXTS, IMAGES = 512, 8192
PAIRS = 16384


@contextmanager
def exact(device: str) -> Iterator[None]:
    """Compute in full float32 whatever the caller has set: a training loop's TF32 or autocast would change ranks."""
    with full_float32(), torch.no_grad(), torch.autocast(torch.device(device).type, enabled=False):
        yield


def unit(embeddings: np.ndarray | torch.Tensor, what: str) -> torch.Tensor:
    """Return unit vectors in float32.

    Args:
        embeddings: Embeddings of any norm, shape (n, dim).
        what: Describes them in error messages, for example ``"image"``.

    Raises:
        TaskError: Values are NaN or infinite, a vector is zero, or all vectors are equal, which would count as hits.
    """
    vectors: torch.Tensor = torch.as_tensor(embeddings, dtype=torch.float32).detach().clone()
    check_finite(vectors, what)
    vectors /= vectors.abs().amax(dim=1, keepdim=True).clamp_min(torch.finfo(torch.float32).tiny)  # avoids overflow
    with one_thread():
        lengths = vectors.norm(dim=1, keepdim=True)
    if bool((lengths == 0).any()):
        raise TaskError(f"{int((lengths == 0).sum()):,} of {len(vectors):,} {what} embeddings are zero.")
    vectors /= lengths
    if len(vectors) > 1 and float((vectors - vectors[0]).abs().max()) < 1e-6:
        raise TaskError(
            f"all {len(vectors):,} {what} embeddings are equal although their inputs differ: "
            "the model has collapsed, or truncates them all to the same input."
        )
    return vectors


def check_finite(vectors: torch.Tensor, what: str) -> None:
    """Raise TaskError with the number of rows of ``vectors``, shape (n, …), that contain NaN or infinite values."""
    bad = int((~torch.isfinite(vectors)).flatten(1).any(1).sum())
    if bad:
        raise TaskError(f"{bad:,} of {len(vectors):,} {what} embeddings hold NaN or infinite values.")


def retrieval_ranks(
    texts: torch.Tensor,
    images: torch.Tensor,
    positives: torch.Tensor,
    all_positives: bool = False,
    square: bool = False,
) -> tuple[Ranks, Ranks]:
    """Rank both directions in one pass over the tiles.

    Args:
        texts: Unit vectors, shape (texts, dim).
        images: Unit vectors, shape (images, dim).
        positives: Pairs (text index, image index), shape (pairs, 2).
        all_positives: Whether to rank every positive of a query instead of the best alone.
        square: Whether both are the same items, none of which is a candidate for itself.

    Returns:
        Ranks of text to image and of image to text.
    """
    scores = pair_scores(texts, images, positives)
    counter = RankCounter(positives, scores, len(texts), len(images), all_positives, square)
    corners = [(text, image) for text in range(0, len(texts), TEXTS) for image in range(0, len(images), IMAGES)]

    def count(corner: tuple[int, int]) -> Tally:
        text, image = corner
        with torch.no_grad():
            tile = texts[text : text + TEXTS] @ images[image : image + IMAGES].T
            return counter.tally(tile, text, image, counter.total)

    with metered("scoring pairs", len(texts) * len(images)) as meter:
        for _, tally in units(count, corners, str(texts.device), thread_count()):
            counter.total.merge(tally)
            meter.advance(len(tally.by_text.above) * len(tally.by_image.above))
    return counter.result()


def image_ranks(images: torch.Tensor, alike: torch.Tensor, all_positives: bool = False) -> Ranks:
    """Rank all other images for each image.

    Args:
        images: Unit vectors, shape (images, dim).
        alike: Pairs (image index, index of an image that it should retrieve), shape (pairs, 2).
        all_positives: Whether to rank every positive of a query instead of the best alone.
    """
    return retrieval_ranks(images, images, alike, all_positives, square=True)[0]


def pair_scores(texts: torch.Tensor, images: torch.Tensor, pairs: torch.Tensor) -> torch.Tensor:
    """Return the cosine of each pair, shape (pairs,).

    Args:
        texts: Unit vectors, shape (texts, dim).
        images: Unit vectors, shape (images, dim).
        pairs: Pairs (text index, image index), shape (pairs, 2).
    """
    check_widths(texts, images)

    def score(part: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            return (texts[part[:, 0]] * images[part[:, 1]]).sum(1)

    scored = units(score, torch.split(pairs, PAIRS), str(texts.device), thread_count())
    return torch.cat([scores for _, scores in scored])


def class_ranks(images: torch.Tensor, classes: torch.Tensor, labels: torch.Tensor) -> ClassRanks:
    """Rank the true class of every image and predict a class, see ``counted_classes``."""
    return counted_classes(images, classes, labels).ranks(len(classes))


def counted_classes(
    images: torch.Tensor, classes: torch.Tensor, labels: torch.Tensor, factor: float | None = None
) -> ClassCounts:
    """Compare the true class of every image with the others.

    Args:
        images: Unit vectors, shape (images, dim).
        classes: Unit vectors, shape (classes, dim).
        labels: Class indices, shape (images,).
        factor: Factor of the cosines before the softmax; None for no probabilities.
    """

    def count(part: tuple[torch.Tensor, torch.Tensor]) -> ClassCounts:
        with torch.no_grad():
            return class_counts(part[0] @ classes.T, part[1], factor)

    parts = zip(torch.split(images, IMAGES), torch.split(labels, IMAGES), strict=True)
    return joined_counts([counts for _, counts in units(count, parts, str(images.device), thread_count())])


def check_widths(texts: torch.Tensor, images: torch.Tensor) -> None:
    """Raise TaskError if text and image embeddings have different dimensions."""
    if texts.shape[1] != images.shape[1]:
        raise TaskError(f"text embeddings are {texts.shape[1]} wide, image embeddings {images.shape[1]}.")
