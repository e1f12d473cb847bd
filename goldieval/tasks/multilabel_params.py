"""The parameters of a classification with several labels per image."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from goldieval.scoring.mode import shortlist_size
from goldieval.tasks.params import Pinned, PromptsOrInData, SimilarityParams


class MultilabelParams(SimilarityParams):
    """Parameters of zero-shot classification of images that may show several classes.

    Attributes:
        prompts: prompts, in which ``{c}`` stands for the class name.
        class_names: class names in the order of the labels; None means those of the data.
    """

    prompts: PromptsOrInData
    class_names: Pinned | str | Annotated[list[str], Field(min_length=1)] | None = None

    def mode(self, model_mode: str, requested: str | None = None) -> str:
        """Return the scoring mode. In place of a shortlist all scores are computed, as every class ranks all images."""
        mode = super().mode(model_mode, requested)
        return "conditioned" if shortlist_size(mode) else mode
