"""What the tests of data in several files share: tables, coco, webdataset, parquet, readers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers import png_bytes
from pydantic import TypeAdapter

from goldieval.core.errors import TaskError
from goldieval.data.readers import AnySource
from goldieval.data.samples import Dataset
from goldieval.data.source import Source

SOURCE: TypeAdapter[Source] = TypeAdapter(AnySource)


# Uneven captions: three of one picture, one of the next, two of the last.
CAPTIONS = {"a.png": ["one", "two", "three"], "b.png": ["four"], "c.png": ["five", "six"]}


def source(reader: str, **options: Any) -> Source:
    return SOURCE.validate_python({"reader": reader, "path": "."} | options)


def read(folder: Path, reader: str, **options: Any) -> Dataset:
    return source(reader, **options).read(folder)


def refused(folder: Path, reader: str, **options: Any) -> str:
    """Return the error line with which a reader refuses its files."""
    with pytest.raises(TaskError) as caught:
        read(folder, reader, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def captions_of(dataset: Dataset) -> dict[str, list[str]]:
    """Return texts by the id of the image that they were written for."""
    assert dataset.owner is not None and dataset.positives is not None
    assert dataset.positives.tolist() == [[row, owner] for row, owner in enumerate(dataset.owner)]
    found: dict[str, list[str]] = {image.id: [] for image in dataset.images}
    for text, owner in zip(dataset.texts, dataset.owner, strict=True):
        found[dataset.images[owner].id].append(text.text)
    return found


def labels_of(dataset: Dataset) -> dict[str, int]:
    assert dataset.labels is not None
    return {image.id: int(label) for image, label in zip(dataset.images, dataset.labels, strict=True)}


def texts_of(dataset: Dataset) -> dict[str, str]:
    return {text.id: text.text for text in dataset.texts}


def parquet(file: Path, columns: dict[str, Any]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), file)


def images(*seeds: int) -> list[dict[str, Any]]:
    return [{"bytes": png_bytes(seed), "path": None} for seed in seeds]
