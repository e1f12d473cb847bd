"""What student and teacher encode of a batch, each as a function that can be applied to a part of it as well.

Every function maps a model and b images with their texts to tensors whose rows belong to the images in order, so that
the rows of several parts, one after another, are those of the whole.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F

from goldieval.goldiclip.data.batch import Batch
from goldieval.goldiclip.data.texts import Texts
from goldieval.goldiclip.model import GoldiClip, ImageFeatures

Encoder = Callable[[GoldiClip, Batch], tuple[torch.Tensor, ...]]
LENGTH_GROUPS = 4  # groups of similar length in which a batch of texts is encoded


def first_crops(model: GoldiClip, batch: Batch) -> ImageFeatures:
    """Encode the first global crop of each image."""
    return model.image_features(batch.images.first())


def first_crops_pooled(model: GoldiClip, batch: Batch) -> tuple[torch.Tensor]:
    """Return the global feature alone of the first global crop of each image, shape (b, d)."""
    return (model.global_features(batch.images.first()),)


def other_crops(model: GoldiClip, batch: Batch) -> tuple[torch.Tensor]:
    """Encode the other global crops of each image, shape (b, crops, d)."""
    crops = batch.images.others()
    return (model.global_features(crops.flatten(0, 1)).view(*crops.shape[:2], -1),)


def local_crops(model: GoldiClip, batch: Batch) -> ImageFeatures:
    """Encode the local crops, flattened to (b * crops, ...)."""
    return model.image_features(batch.images.local().flatten(0, 1))


def local_crops_pooled(model: GoldiClip, batch: Batch) -> tuple[torch.Tensor]:
    """Return the global features alone of the local crops, shape (b * crops, d)."""
    return (model.global_features(batch.images.local().flatten(0, 1)),)


def whole_images(model: GoldiClip, batch: Batch) -> ImageFeatures:
    """Encode the uncropped images."""
    return model.image_features(batch.images.whole())


def whole_images_pooled(model: GoldiClip, batch: Batch) -> tuple[torch.Tensor]:
    """Return the global features alone of the uncropped images, shape (b, d)."""
    return (model.global_features(batch.images.whole()),)


def captions(model: GoldiClip, batch: Batch) -> tuple[torch.Tensor]:
    """Encode the captions, shape (b, k, d)."""
    flat = encode_by_length(model, batch.captions)
    return (flat.view(*batch.captions.ids.shape[:2], -1),)


def foils(model: GoldiClip, batch: Batch) -> tuple[torch.Tensor]:
    """Encode true captions and their foils, shape (b, groups * candidates, d)."""
    flat = encode_by_length(model, batch.foils)
    return (flat.view(len(batch), -1, flat.shape[-1]),)


def words(model: GoldiClip, batch: Batch) -> tuple[torch.Tensor]:
    """Return the states of all tokens of the first caption with its padding, shape (b, context, text width)."""
    padding = model.config.context_length - batch.captions.ids.shape[-1]
    return (model.text(F.pad(batch.captions.ids[:, 0], (0, padding)))[1],)


def views(model: GoldiClip, batch: Batch) -> tuple[torch.Tensor]:
    """Encode all global crops of each image, shape (b, crops, d)."""
    crops = batch.images.first()[:, None]
    if batch.images.globals > 1:
        crops = torch.cat([crops, batch.images.others()], dim=1)
    return (model.global_features(crops.flatten(0, 1)).view(*crops.shape[:2], -1),)


def view_captions(model: GoldiClip, batch: Batch) -> tuple[torch.Tensor]:
    """Encode as many captions as there are global crops, shape (b, crops, d)."""
    ids = batch.captions.ids[:, : batch.images.globals]
    return (model.encode_text(ids.flatten(0, 1)).view(*ids.shape[:2], -1),)


def encode_by_length(model: GoldiClip, texts: Texts) -> torch.Tensor:
    """Encode texts in groups of similar length, each cut to its longest: the same features for less work.

    Args:
        model: The model.
        texts: Texts, n in all.

    Returns:
        Features of shape (n, d) in the order of ``texts.flat``, as ``encode_text`` gives them but for rounding.
    """
    order = texts.order()
    ids = texts.flat[order]
    groups = [ids[rows, :longest] for rows, longest in texts.groups(LENGTH_GROUPS)]
    embedded = model.text.embed_groups(groups)
    states = [model.text.ends(own, model.text.end_of(group)) for own, group in zip(embedded, groups, strict=True)]
    features: torch.Tensor = model.text_projection(torch.cat(states))
    return features[order.argsort()]
