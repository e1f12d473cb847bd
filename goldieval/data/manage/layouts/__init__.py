"""The layouts that ``goldieval data import`` detects: one module each, in the order in which they are tried.

A layout is a function ``find(folder, hints, faults)``. It returns one finding for every file or folder that fits, adds
to ``faults`` what nearly does, and does not change the folder.
"""

from __future__ import annotations

from goldieval.data.manage.finding import Find
from goldieval.data.manage.layouts import (
    arrays,
    caption_files,
    choices,
    class_folders,
    coco_captions,
    coco_masks,
    lists,
    mask_folders,
    mask_table,
    matlab,
    parquet,
    questions,
    shards,
    table,
    webdataset,
)

LAYOUTS: tuple[Find, ...] = (
    webdataset.find,
    shards.find,
    choices.find,
    questions.find,
    parquet.find,
    coco_captions.find,
    coco_masks.find,
    mask_table.find,
    table.find,
    caption_files.find,
    mask_folders.find,
    lists.find,
    matlab.find,
    arrays.find,
    class_folders.find,
)
