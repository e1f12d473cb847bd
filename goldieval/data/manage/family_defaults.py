"""What a new card says for each family that ``goldieval data import`` writes cards for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class FamilyDefaults:
    """Defaults of a family.

    Attributes:
        wanted: What the images of such data come with, in words.
        headline: Headline metric.
        params: Parameters of the card.
        protocol: Addition to the card's protocol.
        lists_classes: Whether the card lists the class names.
        column: Option that names the column with what the images come with, in a table.
    """

    wanted: str
    headline: str
    params: dict[str, Any] = field(default_factory=dict)
    protocol: str = ""
    lists_classes: bool = False
    column: str = ""


ONE_PROMPT = ["a photo of a {c}."]

FAMILIES: dict[str, FamilyDefaults] = {
    "retrieval": FamilyDefaults("captions", "t2i_r1", {"k": [1, 5, 10]}, column="--caption"),
    "zeroshot": FamilyDefaults("classes", "acc1", {"prompts": ONE_PROMPT}, ", one prompt", True, column="--label"),
    "segmentation": FamilyDefaults("masks", "miou", {"prompts": ONE_PROMPT}, ", one prompt", True, column="--mask"),
    "dense-probe": FamilyDefaults(
        "masks", "miou", {}, "; linear head on frozen patch features, mean of 3 heads", True, column="--mask"
    ),
    "choice": FamilyDefaults("true and false captions", "accuracy"),
    "vqa": FamilyDefaults("questions and answers", "accuracy"),
}


def wanted_words(family: str | None) -> str:
    """Return what the images of a family come with, or of any family."""
    if family in FAMILIES:
        return FAMILIES[family].wanted
    return "captions, classes or masks"
