"""What a model's features encode: measured on drawn scenes and on sentences about them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from goldieval.doctor.shortcuts import features as kinds
from goldieval.doctor.shortcuts.scenes import CROSSED, crossed_scenes, scenes_of_one_object
from goldieval.doctor.shortcuts.sentences import designed_sentences
from goldieval.metrics import crossed_variance as crossed
from goldieval.metrics.crossed_variance import background_is_nearer, crossed_shares
from goldieval.metrics.variance_shares import Factors, Share, factorial_shares
from goldieval.models.adapter import Adapter

OBJECT_ATTRIBUTES = ("shape", "colour", "place", "size", "fill")
BACKGROUND_PARTS = (crossed.COLOUR, crossed.TEXTURE)
SAME = 1e-5  # standard deviation of unit vectors, per vector, below which they differ by rounding only

Shares = dict[str, Share]


@dataclass(frozen=True)
class FeatureShares:
    """The shares of one kind of feature.

    Attributes:
        name: kind of feature, such as ``image``.
        shares: share of each attribute, of all variance of this feature; None if all vectors are the same.
        background_nearer: how often another scene on the same background is nearer than the same scene on another.
    """

    name: str
    shares: Shares | None
    background_nearer: float | None = None


@dataclass(frozen=True)
class Shortcuts:
    """What the features of a model encode.

    Attributes:
        model: its spec.
        scenes: shares in scenes of one to five objects, each shown on every background.
        one_object: shares in scenes of one object.
        sentences: shares of text features; ``name`` is what the sentences are about.
    """

    model: str
    scenes: list[FeatureShares]
    one_object: list[FeatureShares]
    sentences: list[FeatureShares]


def shortcuts(model: Adapter, spec: str, patches: bool = True) -> Shortcuts:
    """Measure the features of a model.

    Args:
        model: the model.
        spec: its spec.
        patches: whether features made of patches are measured too, where the model has them.

    Raises:
        TaskError: features are NaN or infinite.
    """
    one_object = scenes_of_one_object()
    levels = {name: [one_object.levels[name]] for name in (*OBJECT_ATTRIBUTES, crossed.BACKGROUND)}
    parts = {name: [one_object.levels[name]] for name in BACKGROUND_PARTS}
    of_many = kinds.image_features(model, crossed_scenes(), patches)
    of_one = kinds.image_features(model, one_object.scenes, patches)
    sentences = designed_sentences(one_object)
    return Shortcuts(
        spec,
        [_crossed(name, vectors) for name, vectors in of_many.items()],
        [_factorial(name, vectors, levels, parts) for name, vectors in of_one.items()],
        [_factorial(each.about, kinds.text_features(model, each.texts), each.factors, {}) for each in sentences],
    )


def background_share(model: Adapter) -> FeatureShares:
    """Return what the image tower's own feature encodes in scenes of one to five objects, background and objects.

    This is the first row of ``shortcuts`` alone: 960 pictures. ``shares["background"].value`` is the share of the
    background.

    Raises:
        TaskError: features are NaN or infinite.
    """
    return _crossed(kinds.IMAGE, kinds.image_features(model, crossed_scenes(), patches=False)[kinds.IMAGE])


def _crossed(name: str, vectors: np.ndarray) -> FeatureShares:
    if _all_the_same(vectors):
        return FeatureShares(name, None)
    arranged = vectors.reshape(*CROSSED, -1)
    return FeatureShares(name, crossed_shares(arranged), background_is_nearer(arranged))


def _factorial(name: str, vectors: np.ndarray, factors: Factors, parts: Factors) -> FeatureShares:
    return FeatureShares(name, None if _all_the_same(vectors) else factorial_shares(vectors, factors, parts))


def _all_the_same(vectors: np.ndarray) -> bool:
    return float(np.sqrt(((vectors - vectors.mean(axis=0)) ** 2).sum(axis=1).mean())) < SAME
