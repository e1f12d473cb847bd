"""Features of drawn scenes and of sentences, by tower and by pooling: whatever a model offers."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
import torch.nn.functional as F

from goldieval.core.errors import NotApplicableError
from goldieval.core.meter import tracked
from goldieval.data.shapes.draw import draw, instance_mask
from goldieval.data.shapes.world import Scene
from goldieval.doctor.shortcuts.scenes import background_sentence, object_sentence
from goldieval.models.adapter import Adapter, Dense, Model, TextConditioned, inference
from goldieval.models.inputs import batches, stacked
from goldieval.scoring.conditioned import ConditionedScorer
from goldieval.scoring.cosine import check_finite

IMAGES, TEXTS = 64, 128  # in a batch
USUAL_RESOLUTION = 224  # for a model that takes pictures of any size

IMAGE, PATCHES = "image", "mean of patches"
ON_OBJECTS, BESIDE_OBJECTS = "patches on objects", "patches beside them"
FOR_OBJECT, FOR_BACKGROUND = "pooled for an object", "pooled for the background"
SENTENCES = {FOR_OBJECT: object_sentence, FOR_BACKGROUND: background_sentence}


def encoding(model: Model, spec: str) -> Adapter:
    """Return the model as one that encodes images and texts.

    Raises:
        NotApplicableError: it does not: a chat model, or stored embeddings.
    """
    if isinstance(model, Adapter):
        return model
    raise NotApplicableError(f"model {spec}: --shortcuts needs a model that encodes pictures and texts.")


def text_features(model: Adapter, texts: Sequence[str]) -> np.ndarray:
    """Return unit vectors of texts, (texts, dim); each distinct text is encoded once."""
    return _unit(_text_vectors(model, texts), "text").numpy()


def global_features(model: Adapter, scenes: Sequence[Scene]) -> np.ndarray:
    """Return unit vectors of the image tower for drawn scenes, (scenes, dim)."""
    return image_features(model, scenes, patches=False)[IMAGE]


def image_features(model: Adapter, scenes: Sequence[Scene], patches: bool = True) -> dict[str, np.ndarray]:
    """Return unit vectors of drawn scenes by the kind of feature, each (scenes, dim).

    Args:
        model: the model.
        scenes: the scenes, drawn at its resolution.
        patches: whether features of patches are wanted too, where the model has them.
    """
    side = model.describe().resolution or USUAL_RESOLUTION
    parts: dict[str, list[torch.Tensor]] = {}
    with inference(model), torch.inference_mode():
        patch_features = _PatchFeatures(model, scenes, side) if patches else None
        for rows in tracked(batches(range(len(scenes)), IMAGES), "encoding drawn scenes", -(-len(scenes) // IMAGES)):
            pixels = stacked([model.preprocess(draw(scenes[row], side)) for row in rows])
            found = {IMAGE: model.encode_image(pixels)} | (patch_features(pixels, rows) if patch_features else {})
            for name, features in found.items():
                parts.setdefault(name, []).append(features.float().cpu())
    return {name: _unit(torch.cat(features), name).numpy() for name, features in parts.items()}


class _PatchFeatures:
    """Features that are made of the patches of drawn scenes: averages and, where the model pools for a text, those."""

    def __init__(self, model: Adapter, scenes: Sequence[Scene], side: int) -> None:
        self._model, self._scenes, self._side = model, scenes, side
        self._scorers: dict[str, tuple[ConditionedScorer, torch.Tensor]] = {}
        if isinstance(model, TextConditioned):
            for name, sentence in SENTENCES.items():
                vectors, texts = _distinct_vectors(model, [sentence(scene) for scene in scenes])
                self._scorers[name] = ConditionedScorer(model.pool, vectors), texts

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
        covered = _covered([self._scenes[row] for row in rows], self._side, patches.shape[1:3]).to(patches.device)
        weights = {PATCHES: torch.ones_like(covered), ON_OBJECTS: covered, BESIDE_OBJECTS: 1 - covered}
        return {
            name: torch.einsum("nrc,nrcd->nd", weight / weight.sum(dim=(1, 2), keepdim=True), patches)
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
        return tokens.unflatten(1, (side, side))
    return model.dense(pixels, "plain").float() if isinstance(model, Dense) else None


def _covered(scenes: Sequence[Scene], side: int, grid: Sequence[int]) -> torch.Tensor:
    """Return the share of each patch that objects cover, (scenes, rows, columns)."""
    masks = np.stack([instance_mask(scene, side) > 0 for scene in scenes])
    return F.adaptive_avg_pool2d(torch.from_numpy(masks).float()[:, None], tuple(grid))[:, 0]


def _text_vectors(model: Adapter, texts: Sequence[str]) -> torch.Tensor:
    vectors, rows = _distinct_vectors(model, texts)
    return vectors.float().cpu()[rows]


def _distinct_vectors(model: Adapter, texts: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return vectors of the distinct texts, (distinct, dim), not normalised, and the row of each text."""
    distinct = {text: row for row, text in enumerate(dict.fromkeys(texts))}
    trim: Callable[[torch.Tensor], torch.Tensor] = getattr(model, "trim", lambda tokens: tokens)
    with inference(model), torch.inference_mode():
        vectors = torch.cat([model.encode_text(trim(model.tokenize(part))) for part in _parts(list(distinct))])
    return vectors, torch.tensor([distinct[text] for text in texts])


def _parts(texts: Sequence[str]) -> Iterator[list[str]]:
    return batches(tracked(texts, "encoding sentences", len(texts)), TEXTS)


def _unit(features: torch.Tensor, what: str) -> torch.Tensor:
    """Return unit vectors; a zero vector stays zero, since a text may attend to nothing."""
    check_finite(features, what)
    return F.normalize(features, dim=-1)
