"""Features of drawn scenes and of sentences, by tower and by pooling: whatever a model offers."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

import numpy as np
import torch
import torch.nn.functional as F

from goldieval.core.meter import metered
from goldieval.core.units import thread_count, units
from goldieval.data.shapes.draw import SMALLEST_RESOLUTION, draw, instance_mask
from goldieval.data.shapes.world import Scene
from goldieval.doctor.shortcuts.scenes import background_sentence, object_sentence
from goldieval.models.adapter import Adapter, Dense, TextConditioned, inference
from goldieval.models.inputs import batches, stacked
from goldieval.models.returned import check_features
from goldieval.scoring.conditioned import ConditionedScorer
from goldieval.scoring.cosine import check_finite

T = TypeVar("T")

IMAGES, TEXTS = 64, 128  # in a batch
SMALLEST_EXPONENT = -120  # of a feature that is not zero: 2 ** 120 is a float32
LEAST = 1e-6  # weight of all patches of a picture, where objects are too small to cover any
USUAL_RESOLUTION = 224  # for a model that takes pictures of any size

IMAGE, PATCHES = "image", "mean of patches"
ON_OBJECTS, BESIDE_OBJECTS = "patches on objects", "patches beside objects"
FOR_OBJECT, FOR_BACKGROUND = "pooled for an object", "pooled for background"
SENTENCES = {FOR_OBJECT: object_sentence, FOR_BACKGROUND: background_sentence}


def text_features(model: Adapter, texts: Sequence[str]) -> np.ndarray:
    """Return unit vectors of texts, (texts, dim); each distinct text is encoded once."""
    vectors, rows = _distinct_vectors(model, texts)
    return unit_vectors(vectors[rows], "text").numpy()


def image_features(model: Adapter, scenes: Sequence[Scene], patches: bool = True) -> dict[str, np.ndarray]:
    """Return unit vectors of drawn scenes by the kind of feature, each (scenes, dim).

    Args:
        model: the model.
        scenes: the scenes, drawn at its resolution.
        patches: whether features of patches are wanted too, where the model has them.
    """
    side = max(model.describe().resolution or USUAL_RESOLUTION, SMALLEST_RESOLUTION)
    with inference(model), torch.inference_mode():
        patch_features = _PatchFeatures(model, scenes, side) if patches else None

        def encoded(rows: Sequence[int]) -> dict[str, torch.Tensor]:
            pixels = stacked([model.preprocess(draw(scenes[row], side)) for row in rows])
            image = model.encode_image(pixels)
            check_features(image, len(rows), "encode_image")
            return {IMAGE: image} | (patch_features(pixels, rows) if patch_features else {})

        parts = _in_units(model, encoded, batches(range(len(scenes)), IMAGES), "encoding drawn scenes", len(scenes))
    return {name: unit_vectors(torch.cat([part[name] for part in parts]), name).numpy() for name in parts[0]}


class _PatchFeatures:
    """Features that are made of the patches of drawn scenes: averages and, where the model pools for a text, those."""

    def __init__(self, model: Adapter, scenes: Sequence[Scene], side: int) -> None:
        self._model, self._scenes, self._side = model, scenes, side
        self._scorers: dict[str, tuple[ConditionedScorer, torch.Tensor]] = {}
        if isinstance(model, TextConditioned):
            for name, sentence in SENTENCES.items():
                vectors, texts = _distinct_vectors(model, [sentence(scene) for scene in scenes])
                self._scorers[name] = ConditionedScorer(model.pool, vectors.to(_device(model))), texts

    def __call__(self, pixels: torch.Tensor, rows: Sequence[int]) -> dict[str, torch.Tensor]:
        """Return the features of one batch, whose scenes have the numbers ``rows``."""
        tokens = self._model.patch_tokens(pixels).float() if isinstance(self._model, TextConditioned) else None
        found = self._averages(_grid(self._model, pixels, tokens), rows)
        for name, (scorer, texts) in self._scorers.items():
            assert tokens is not None
            found[name] = scorer.pooled(scorer.memory(tokens), texts[list(rows), None].to(tokens.device))[:, 0]
        return found

    def _averages(self, patches: torch.Tensor | None, rows: Sequence[int]) -> dict[str, torch.Tensor]:
        if patches is None:
            return {}
        grid = (patches.shape[1], patches.shape[2])
        covered = _covered([self._scenes[row] for row in rows], self._side, grid).to(patches.device)
        weights = {PATCHES: torch.ones_like(covered), ON_OBJECTS: covered, BESIDE_OBJECTS: 1 - covered}
        return {
            name: torch.einsum("nrc,nrcd->nd", weight / weight.sum(dim=(1, 2), keepdim=True).clamp_min(LEAST), patches)
            for name, weight in weights.items()
        }


def _grid(model: Adapter, pixels: torch.Tensor, tokens: torch.Tensor | None) -> torch.Tensor | None:
    """Return projected patch features (n, rows, columns, dim), or None if the model has none whose place is known.

    Args:
        model: the model.
        pixels: a batch.
        tokens: its patch tokens, (n, patches, dim), if the model pools them.
    """
    side = math.isqrt(tokens.shape[1]) if tokens is not None else 0
    if tokens is not None and side**2 == tokens.shape[1]:
        return tokens.reshape(len(tokens), side, side, -1)
    return model.dense(pixels, "plain").float() if isinstance(model, Dense) else None


def _covered(scenes: Sequence[Scene], side: int, grid: tuple[int, int]) -> torch.Tensor:
    """Return the share of each patch that objects cover, (scenes, rows, columns)."""
    masks = np.stack([instance_mask(scene, side) > 0 for scene in scenes])
    return F.adaptive_avg_pool2d(torch.from_numpy(masks).float()[:, None], grid)[:, 0]


def _distinct_vectors(model: Adapter, texts: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return vectors of the distinct texts, (distinct, dim), not normalised, and the row of each text."""
    distinct = {text: row for row, text in enumerate(dict.fromkeys(texts))}
    trim: Callable[[torch.Tensor], torch.Tensor] = getattr(model, "trim", lambda tokens: tokens)

    def encoded(part: Sequence[str]) -> dict[str, torch.Tensor]:
        vectors = model.encode_text(trim(model.tokenize(part)))
        check_features(vectors, len(part), "encode_text")
        return {"text": vectors}

    with inference(model):
        parts = _in_units(model, encoded, batches(distinct, TEXTS), "encoding sentences", len(distinct))
    return torch.cat([part["text"] for part in parts]), torch.tensor([distinct[text] for text in texts])


def _in_units(
    model: Adapter,
    encode: Callable[[Sequence[T]], dict[str, torch.Tensor]],
    parts: Iterable[Sequence[T]],
    what: str,
    total: int,
) -> list[dict[str, torch.Tensor]]:
    """Encode batches, on a CPU several at a time, so that features do not depend on the number of threads.

    Args:
        model: the model.
        encode: encodes one batch.
        parts: the batches.
        what: what is done, for the display of progress.
        total: number of items in all batches.
    """

    def encoded(part: Sequence[T]) -> dict[str, torch.Tensor]:
        with torch.inference_mode():
            return {name: features.float().cpu() for name, features in encode(part).items()}

    workers = thread_count() if getattr(model, "concurrent", False) else None
    with metered(what, total) as meter:
        found = []
        for part, features in units(encoded, parts, str(_device(model)), workers):
            found.append(features)
            meter.advance(len(part))
    return found


def _device(model: Adapter | TextConditioned) -> torch.device:
    return torch.device(getattr(model, "device", "cpu"))


def unit_vectors(features: torch.Tensor, what: str) -> torch.Tensor:
    """Return unit vectors, whatever the scale; a zero vector stays zero, since a text may attend to nothing."""
    check_finite(features, what)
    exponents = torch.frexp(features.abs().amax(dim=-1, keepdim=True)).exponent.clamp_min(SMALLEST_EXPONENT)
    return F.normalize(torch.ldexp(features, -exponents), dim=-1)  # powers of two change no digit
