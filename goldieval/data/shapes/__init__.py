"""The built-in world: small drawn scenes with complete ground truth, identical on every machine."""

from goldieval.data.shapes.backgrounds import empty_picture
from goldieval.data.shapes.composition import choices
from goldieval.data.shapes.draw import boxes, draw, instance_mask, opacity, semantic_mask
from goldieval.data.shapes.foils import foils
from goldieval.data.shapes.language import long_caption, object_sentences, short_captions
from goldieval.data.shapes.questions import questions
from goldieval.data.shapes.reader import ShapesSource
from goldieval.data.shapes.relevance import answer, relevant, satisfies
from goldieval.data.shapes.world import EVERY_BACKGROUND, Scene, sample_scene, split_seeds

__all__ = [
    "EVERY_BACKGROUND",
    "Scene",
    "ShapesSource",
    "answer",
    "boxes",
    "choices",
    "draw",
    "empty_picture",
    "foils",
    "instance_mask",
    "long_caption",
    "object_sentences",
    "opacity",
    "questions",
    "relevant",
    "sample_scene",
    "satisfies",
    "semantic_mask",
    "short_captions",
    "split_seeds",
]
