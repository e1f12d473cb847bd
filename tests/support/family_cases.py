"""Samples without images, and the scores of a family as plain numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from goldieval.data.image_source import NoImage
from goldieval.data.samples import ImageSample
from goldieval.families.base import Prepared, Scored
from goldieval.tasks.card import Task
from goldieval.tasks.card_types import ChoiceCard, VqaCard


def pictures(count: int) -> list[ImageSample]:
    return [ImageSample(f"pic{row}", NoImage(), f"pictures/{row}.jpg") for row in range(count)]


def values(scored: Scored) -> dict[str, float]:
    return {name: metric.value for name, metric in scored.metrics.items()}


def compared(family: Any, prepared: Prepared[Any], similarity: Any) -> Scored:
    """The results of a family that compares images with texts, from a similarity."""
    scored: Scored = family.score(prepared, family.compare(prepared, similarity))
    return scored


def vqa_task(headline: str = "accuracy", **params: Any) -> Task:
    """A task of questions by hand."""
    return _task(VqaCard, "vqa", headline, params)


def choice_task(**params: Any) -> Task:
    """A task of choices by hand."""
    return _task(ChoiceCard, "choice", "accuracy", params)


def _task(card_type: type[VqaCard] | type[ChoiceCard], family: Any, headline: str, params: Any) -> Task:
    card = card_type(
        name="tiny",
        version=1,
        protocol="by hand",
        title="Tiny",
        licence="none",
        source={"reader": "folder", "path": "."},  # type: ignore[arg-type]
        family=family,
        headline=headline,
        params=params,
    )
    return Task(card, Path("card.yaml"))
