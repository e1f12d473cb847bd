"""Findings of masks in a train split and another split, as the data of a dense probe."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

from pydantic import BaseModel

from goldieval.core.text import shell_argument
from goldieval.data.coco_masks import TrainCocoMasks
from goldieval.data.manage.finding import DetectionHints, Faults, Finding, UnfitError
from goldieval.data.manage.generic_names import split_of, without_split
from goldieval.data.mask_files import TrainMasks

DENSE_PROBE = "dense-probe"
TRAIN_SPLITS = ("train", "training")
NOT_TESTED = ("", *TRAIN_SPLITS, "trainval")
PARTS: dict[str, type[BaseModel]] = {"masks": TrainMasks, "coco-masks": TrainCocoMasks}  # by reader


def layout_hints(hints: DetectionHints) -> DetectionHints:
    """Return the options with which layouts are looked for: a dense probe needs masks, of several files."""
    return replace(hints, family="segmentation", file="") if hints.family == DENSE_PROBE else hints


def with_train_splits(found: Sequence[Finding], hints: DetectionHints, faults: Faults) -> list[Finding]:
    """Return findings of masks with the train split of the same data set, if a dense probe is asked for.

    Otherwise the findings are returned as they are, with a note if there is such a split.

    Args:
        found: Findings of one layout.
        hints: Options given by the user.
        faults: Gets a line if there are masks, but not of two splits.
    """
    if hints.family != DENSE_PROBE:
        return [_with_note(each, found) for each in found]
    whole = [_dense_probe(each, train) for each in found if (train := _train_of(each, found)) is not None]
    if found and not whole:
        places = ", ".join(each.place for each in found[:3])
        faults.append(
            UnfitError(
                f"masks of a train split and of another one are needed for a dense probe, but there are {places}. "
                "Name two folders or tables like train and val, or give source.train in a card."
            )
        )
    return whole


def _train_of(tested: Finding, found: Sequence[Finding]) -> Finding | None:
    """Return the train split of the data set that a finding is another split of, or None."""
    if tested.family != "segmentation" or split_of(tested.place) in NOT_TESTED:
        return None
    trained = [each for each in found if split_of(each.place) in TRAIN_SPLITS]
    same = [each for each in trained if without_split(each.place) == without_split(tested.place)]
    same = [each for each in same if each.source["reader"] == tested.source["reader"]]
    return same[0] if len(same) == 1 else None


def _dense_probe(tested: Finding, trained: Finding) -> Finding:
    train = _differences(tested.source, trained.source)
    return replace(
        tested,
        family=DENSE_PROBE,
        source=tested.source | {"train": train},
        description=f"{tested.description}; to train on: {trained.description}",
    )


def _differences(tested: dict[str, Any], trained: dict[str, Any]) -> dict[str, Any]:
    """Return the keys of a train split's source that differ from those of the test split's."""
    defaults = {"mask_suffix": ".png"}
    return {
        key: trained.get(key, defaults.get(key, ""))
        for key in PARTS[tested["reader"]].model_fields
        if trained.get(key) != tested.get(key)
    }


def _with_note(finding: Finding, found: Sequence[Finding]) -> Finding:
    if (train := _train_of(finding, found)) is None:
        return finding
    place = shell_argument(PurePosixPath(train.place).as_posix())
    note = f"{place} has masks to train on: --family {DENSE_PROBE} writes a card that trains a linear head"
    return replace(finding, notes=[*finding.notes, note])
