"""All readers, as one typed choice on ``source.reader``."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from goldieval.data.coco import CocoSource
from goldieval.data.coco_masks import CocoMasksSource
from goldieval.data.folder import FolderSource
from goldieval.data.mask_files import MasksSource
from goldieval.data.parquet import ParquetSource
from goldieval.data.shapes.reader import ShapesSource
from goldieval.data.table import RelevanceSource, TableSource
from goldieval.data.webdataset import WebdatasetSource

AnySource = Annotated[
    CocoMasksSource
    | CocoSource
    | FolderSource
    | MasksSource
    | ParquetSource
    | RelevanceSource
    | ShapesSource
    | TableSource
    | WebdatasetSource,
    Field(discriminator="reader"),
]
