"""A picture of a segmentation with its truth and the predictions of two models, for the page of a comparison."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image

from goldieval.comparison.flips import Flip
from goldieval.core.errors import GoldievalError
from goldieval.data.masks import IGNORED
from goldieval.data.small_maps import decode_map, resized_map
from goldieval.families.class_overlay import overlay
from goldieval.families.class_shares import by_importance, class_shares, percent
from goldieval.families.sheet_colours import OTHERS, sheet_colours
from goldieval.report.thumbnails import TaskPictures, jpeg_address

SIDE = 240  # of a panel, in pixels
QUALITY = 80


def segmentation_card(flip: Flip, labels: list[str], pictures: TaskPictures) -> dict[str, Any]:
    """Return the panels and the legend of a picture.

    Args:
        flip: the picture with the two predicted maps.
        labels: label of each class.
        pictures: the pictures and masks of the task.

    Returns:
        ``panels``, each a title and a data URL; ``legend``, each a number, colour, name and shares in percent;
        ``of``, what these are shares of; ``has_grey``, whether several classes are grey; ``ignored``, the share of
        pixels without a label; ``fault``, why there are no panels.
    """
    picture, truth = pictures.open(flip.picture, flip.image), pictures.truth(flip.picture)
    if picture is None:
        return _faulty("its picture is missing")
    if isinstance(truth, str):
        return _faulty(truth)
    try:
        stored = {name: decode_map(each, len(labels)) for name, each in (("A", flip.map_a), ("B", flip.map_b)) if each}
    except GoldievalError as error:
        return _faulty(str(error))
    scale = min(1.0, SIDE / max(truth.shape))
    height, width = (max(1, round(side * scale)) for side in truth.shape)
    small = picture.resize((width, height), Image.Resampling.BILINEAR)
    maps = {name: resized_map(classes, width, height) for name, classes in {"truth": truth, **stored}.items()}
    ignored = maps["truth"] == IGNORED
    shares = class_shares(maps["truth"], list(maps.values())[1:], len(labels))
    colours = sheet_colours(by_importance(shares))
    drawn = {"picture": small, **{name: overlay(small, each, ignored, colours) for name, each in maps.items()}}
    return {
        "panels": [
            {"title": name, "address": pictures.encoded(jpeg_address(each, QUALITY))} for name, each in drawn.items()
        ],
        "legend": [_entry(number, colours[number], labels[number], each) for number, each in shares.items()],
        "ignored": percent(float(np.mean(ignored))) if ignored.any() else "",
        "of": " / ".join(maps),
        "has_grey": OTHERS in colours.values(),
        "fault": "",
    }


def _faulty(reason: str) -> dict[str, Any]:
    return {"panels": [], "legend": [], "ignored": "", "of": "", "has_grey": False, "fault": reason}


def _entry(number: int, colour: tuple[int, int, int], name: str, shares: list[float]) -> dict[str, Any]:
    return {
        "number": number,
        "colour": "#{:02x}{:02x}{:02x}".format(*colour),
        "name": name,
        "shares": " / ".join(map(percent, shares)),
    }
