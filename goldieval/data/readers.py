"""All readers, as a union discriminated by ``source.reader``."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from goldieval.data.arrays import ArraysSource
from goldieval.data.association import AssociationSource
from goldieval.data.box_table import BoxTableSource
from goldieval.data.caption_lines import CaptionLinesSource
from goldieval.data.coco import CocoSource
from goldieval.data.coco_boxes import CocoBoxesSource
from goldieval.data.coco_masks import CocoMasksSource
from goldieval.data.contrast import ContrastSource
from goldieval.data.crossed import CrossedSource
from goldieval.data.depth_files import DepthMapsSource
from goldieval.data.folder import FolderSource
from goldieval.data.image_pairs import ImagePairsSource
from goldieval.data.judged import JudgedSource
from goldieval.data.language_table import LanguageTableSource
from goldieval.data.lists import ListSource
from goldieval.data.mask_files import MasksSource
from goldieval.data.matlab import MatlabSource
from goldieval.data.parallel_lines import ParallelLinesSource
from goldieval.data.parquet import ParquetSource
from goldieval.data.questions import QuestionsSource
from goldieval.data.relevance import RelevanceSource
from goldieval.data.shapes.reader import ShapesSource
from goldieval.data.sidecar import SidecarSource
from goldieval.data.statements import StatementsSource
from goldieval.data.table import TableSource, TablesSource
from goldieval.data.vqa import VqaSource
from goldieval.data.webdataset import WebdatasetSource

AnySource = Annotated[
    ArraysSource
    | AssociationSource
    | BoxTableSource
    | CocoBoxesSource
    | CaptionLinesSource
    | CocoMasksSource
    | CocoSource
    | ContrastSource
    | CrossedSource
    | DepthMapsSource
    | FolderSource
    | ImagePairsSource
    | JudgedSource
    | LanguageTableSource
    | ListSource
    | MasksSource
    | MatlabSource
    | ParallelLinesSource
    | ParquetSource
    | QuestionsSource
    | RelevanceSource
    | ShapesSource
    | SidecarSource
    | StatementsSource
    | TableSource
    | TablesSource
    | VqaSource
    | WebdatasetSource,
    Field(discriminator="reader"),
]
