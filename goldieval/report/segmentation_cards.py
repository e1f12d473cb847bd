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
from goldieval.families.sheet_colours import sheet_colours
from goldieval.report.thumbnails import TaskPictures, jpeg_address

SIDE = 240  # of a panel, in pixels
QUALITY = 80
Panel = dict[str, str]


def segmentation_card(flip: Flip, labels: list[str], pictures: TaskPictures) -> dict[str, Any]:
    """Return the panels and the legend of a picture.

    Args:
        flip: the picture with the two predicted maps.
        labels: label of each class.
        pictures: the pictures and masks of the task.

    Returns:
        ``panels``, each a title and a data URL; ``legend``, each a number, colour, name and shares in percent;
        ``ignored``, the share of pixels without a label; ``fault``, why there are no panels.
    """
    picture, truth = pictures.open(flip.picture, flip.image), pictures.truth(flip.picture)
    if picture is None:
        return _faulty("its picture is missing")
    if isinstance(truth, str):
        return _faulty(truth)
    if not (flip.map_a and flip.map_b):
        return _faulty("its predictions are not stored")
    try:
        maps = [decode_map(each, len(labels)) for each in (flip.map_a, flip.map_b)]
    except GoldievalError as error:
        return _faulty(str(error))
    scale = min(1.0, SIDE / max(truth.shape))
    height, width = (max(1, round(side * scale)) for side in truth.shape)
    small = picture.resize((width, height), Image.Resampling.BILINEAR)
    true, *predicted = (resized_map(classes, width, height) for classes in (truth, *maps))
    shares = class_shares(true, predicted, len(labels))
    colours = sheet_colours(by_importance(shares))
    ignored = true == IGNORED
    drawn = [small, *(overlay(small, classes, ignored, colours) for classes in (true, *predicted))]
    addresses = [pictures.encoded(jpeg_address(each, QUALITY)) for each in drawn]
    return {
        "panels": [
            {"title": title, "address": address}
            for title, address in zip(("picture", "truth", "A", "B"), addresses, strict=True)
        ],
        "legend": [_entry(number, colours[number], labels[number], each) for number, each in shares.items()],
        "ignored": percent(float(np.mean(ignored))) if ignored.any() else "",
        "fault": "",
    }


def _faulty(reason: str) -> dict[str, Any]:
    return {"panels": [], "legend": [], "ignored": "", "fault": reason}


def _entry(number: int, colour: tuple[int, int, int], name: str, shares: list[float]) -> dict[str, Any]:
    return {
        "number": number,
        "colour": "#{:02x}{:02x}{:02x}".format(*colour),
        "name": name,
        "shares": " / ".join(map(percent, shares)),
    }
