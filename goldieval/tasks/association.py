"""The parameters of an association task."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator

from goldieval.scoring.mode import shortlist_size
from goldieval.tasks.params import SimilarityParams, Strata


def _contains_the_cue(prompt: str) -> str:
    if "{c}" not in prompt:
        raise ValueError(f"prompt {prompt!r} has no {{c}} where the cue goes")
    return prompt


class AssociationParams(SimilarityParams):
    """Parameters of association: the images that belong to a text, among several candidates.

    Attributes:
        prompt: text that is encoded, with ``{c}`` for the cue in lower case, and ``{a}`` for "A" or, before a vowel,
            "An".
        strata: groups of queries for which the Jaccard index is also reported.
    """

    prompt: Annotated[str, AfterValidator(_contains_the_cue)] = "{c}"
    strata: Strata = []

    def mode(self, model_mode: str, requested: str | None = None) -> str:
        """Return the scoring mode. In place of a shortlist all candidates are scored, since there are only a few."""
        mode = super().mode(model_mode, requested)
        return "conditioned" if shortlist_size(mode) else mode
