"""The parameters of association."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator

from goldieval.tasks.params import FewCandidatesParams, Strata


def _contains_the_cue(prompt: str) -> str:
    if "{c}" not in prompt:
        raise ValueError(f"prompt {prompt!r} has no {{c}} where the cue goes")
    return prompt


class AssociationParams(FewCandidatesParams):
    """Parameters of association: the images that belong to a text, among several candidates.

    Attributes:
        prompt: text that is encoded, with ``{c}`` for the cue in lower case, and ``{a}`` for "A" or, before a vowel,
            "An".
        strata: groups of queries for which the Jaccard index is also reported.
    """

    prompt: Annotated[str, AfterValidator(_contains_the_cue)] = "{c}"
    strata: Strata = []
