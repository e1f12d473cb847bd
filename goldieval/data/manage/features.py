"""Features of a Parquet file: which columns are images or labels, as the ``datasets`` library declares them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from goldieval.core.errors import GoldievalError, TaskError
from goldieval.core.limits import YAML_BYTES
from goldieval.core.reading import check_regular
from goldieval.core.yaml_files import parse_yaml
from goldieval.data.manage.columns import Rows
from goldieval.data.manage.row_columns import MOST_ROWS
from goldieval.data.manage.row_splits import SPLIT_COLUMNS, is_split
from goldieval.data.parquet_columns import check_parquet
from goldieval.data.text_files import read_text_file

HEADERS = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"BM", b"RIFF", b"II*\0", b"MM\0*")


@dataclass(frozen=True)
class FileFeatures:
    """What the columns of a file hold.

    Attributes:
        names: All columns.
        images: Columns that contain encoded images.
        lists: Columns that contain lists of images.
        classes: Class names by column, for columns of class indices.
        rows: First rows, without images.
        splits: Values and their counts, of columns that name splits.
    """

    names: list[str]
    images: list[str]
    lists: list[str]
    classes: dict[str, list[str]]
    rows: Rows
    splits: dict[str, Counter[str]] = field(default_factory=dict)


def features_of(folder: Path, file: Path) -> FileFeatures:
    """Return the features in a file's schema; class names may be in the README.md of the folder instead.

    Raises:
        TaskError: The file cannot be read.
    """
    import pyarrow.parquet as pq

    try:
        check_regular(file)
        check_parquet(file)
        with pq.ParquetFile(file) as parquet:
            declared = _declared(parquet.schema_arrow)
            images = [name for name, feature in declared.items() if _is_image(feature)]
            images += [name for name in _binary(parquet.schema_arrow, images) if _has_images(parquet, name)]
            lists = [name for name, feature in declared.items() if _is_list_of_images(feature)]
            others = [name for name in parquet.schema_arrow.names if name not in (*images, *lists)]
            rows = _first_rows(parquet, others)
            splits = {name: _counts(parquet, name) for name in others if name.lower() in SPLIT_COLUMNS}
            names = list(parquet.schema_arrow.names)
    except Exception as error:  # pyarrow's own errors and, for damaged files, many of Python's
        raise TaskError(f"cannot read {file} as parquet: {error}".splitlines()[0]) from error
    classes = _class_names(declared) or _classes_in_readme(folder, others)
    return FileFeatures(names, images, lists, classes, rows, {name: found for name, found in splits.items() if found})


def _declared(schema: Any) -> dict[str, Any]:
    """Return the features of a schema; damaged metadata count as none, and the columns' types remain."""
    from datasets import Features

    try:
        return dict(Features.from_arrow_schema(schema))
    except (ValueError, TypeError, KeyError, AttributeError):
        return dict(Features.from_arrow_schema(schema.remove_metadata()))


def _is_image(feature: Any) -> bool:
    """Return whether a feature is an image, or has the form in which images are stored."""
    from datasets import Image

    return isinstance(feature, Image) or (isinstance(feature, dict) and set(feature) == {"bytes", "path"})


def _is_list_of_images(feature: Any) -> bool:
    inner = feature[0] if isinstance(feature, list) and feature else getattr(feature, "feature", None)
    return inner is not None and _is_image(inner)


def _binary(schema: Any, besides: list[str]) -> list[str]:
    """Return the columns of bytes."""
    names = [field.name for field in schema if str(field.type) in ("binary", "large_binary")]
    return [name for name in names if name not in besides]


def _has_images(parquet: Any, name: str) -> bool:
    """Return whether the first value of a binary column is an encoded image."""
    batch = next(parquet.iter_batches(1, columns=[name]), None)
    value = batch.column(0)[0].as_py() if batch is not None and batch.num_rows else None
    return isinstance(value, bytes) and value.startswith(HEADERS)


def _first_rows(parquet: Any, columns: list[str]) -> Rows:
    batch = next(parquet.iter_batches(MOST_ROWS, columns=columns), None) if columns else None
    return batch.to_pylist() if batch is not None else []


def _counts(parquet: Any, name: str) -> Counter[str]:
    """Return how often a column has each value, or nothing if it contains other things than the names of splits."""
    counts: Counter[str] = Counter()
    for batch in parquet.iter_batches(columns=[name]):
        for value in batch.column(0).to_pylist():
            if not is_split(value):
                return Counter()
            counts[value] += 1
    return counts


def _class_names(declared: dict[str, Any]) -> dict[str, list[str]]:
    from datasets import ClassLabel

    return {name: list(feature.names) for name, feature in declared.items() if isinstance(feature, ClassLabel)}


def _classes_in_readme(folder: Path, columns: list[str]) -> dict[str, list[str]]:
    """Return the class names that the head of a README.md declares for some of the columns."""
    from datasets import Features

    for info in _dataset_infos(folder / "README.md"):
        try:
            declared = Features._from_yaml_list(info.get("features") or [])
        except Exception:  # a README declares anything; without names, the import asks for them
            continue
        classes = _class_names({name: feature for name, feature in declared.items() if name in columns})
        if classes:
            return classes
    return {}


def _dataset_infos(file: Path) -> list[dict[str, Any]]:
    """Return the descriptions of data sets in the YAML head of a README.md; one that cannot be read has none."""
    try:
        start, head, _ = read_text_file(file, YAML_BYTES).split("---", 2) if file.is_file() else ("no head", "", "")
        infos = [] if start.strip() else parse_yaml(head, file).get("dataset_info")
    except (GoldievalError, ValueError):
        return []
    return [info for info in (infos if isinstance(infos, list) else [infos]) if isinstance(info, dict)]
