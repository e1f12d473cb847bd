"""Tiny tables of questions in the format of a card's own source, with pictures and the Hub's features in them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from choice_data import put
from helpers import json_lines, picture, png_bytes

from goldieval.data.questions import QuestionsSource

Row = dict[str, Any]
YES_OR_NO = ("yes", "no")
OPTIONS = (["red", "blue"], ["one", "two", "three"])


def questions(folder: Path, source: Row, strata: Sequence[str], features: bool = True) -> dict[str, int]:
    """Write two questions about each picture, two pictures for each stratum, in the layout that the source describes.

    Args:
        folder: Folder of the data.
        source: The card's source.
        strata: Groups of questions, in turn those of each picture.
        features: Whether the schema has the Hub's features, as ``datasets`` writes them.
    """
    read = QuestionsSource.model_validate({**source, "path": "."})
    single = read.question_id == [read.image_id]  # one question per picture
    groups = [*strata] or [""]
    rows = [_row(read, number, 1 if single else 2, groups) for number in range(4 * len(groups))]
    pictures = len(rows) if single else len(rows) // 2
    if read.image_table is not None:
        table = [
            {read.image_table.id: f"n{number}", read.image_table.image: _stored(number)} for number in range(pictures)
        ]
        _write(folder / read.image_table.file, table, features)
    if not read.file.endswith(".parquet"):
        for number in range(pictures):
            picture(folder / read.images / f"p{number}.png", number)
        json_lines(folder / read.file, rows)
        return {"images": pictures, "texts": len(rows)}
    half = len(rows) // 2
    _write(folder / read.file, rows[:half], features, "00000-of-00002")
    _write(folder / read.file, rows[half:], features, "00001-of-00002")
    return {"images": pictures, "texts": len(rows)}


def _row(read: QuestionsSource, number: int, per_picture: int, groups: Sequence[str]) -> Row:
    place, row = number // per_picture, Row()
    group = groups[place % len(groups)]
    if read.image_table is None:
        row[read.image] = _stored(place) if read.file.endswith(".parquet") else f"p{place}.png"
    for column in read.question_id:
        row[column] = number
    if read.image_id:
        row[read.image_id] = f"n{place}"
    row[read.question] = f"is it {group} {number}?{read.remove}"
    if read.options:
        row[read.options] = OPTIONS[place % 2]
    if read.answer:
        row[read.answer] = 1 if read.options else YES_OR_NO[number % 2].capitalize()
    if read.answers:
        words = ["yes"] * (4 + number % 2) + ["no"] * (6 - number % 2)
        row[read.answers] = [{"answer": word, "answer_id": n} for n, word in enumerate(words)] if read.answer else words
    if read.hint:
        row[read.hint] = ["AB", "12"][: number % 3] if read.hint_form != "{}" else "Look." * (number % 2)
    for column in {read.type, *read.strata} - {""}:
        put(row, column, group.replace("yes_no", "yes/no"))
    return row


def _stored(seed: int) -> Row:
    return {"bytes": png_bytes(seed), "path": None}


def _write(pattern: Path, rows: list[Row], features: bool, part: str = "00000-of-00001") -> None:
    file = pattern.with_name(pattern.name.replace("*", part))
    file.parent.mkdir(parents=True, exist_ok=True)
    table = pa.Table.from_pylist(rows)
    if features:
        kinds = {name: {"_type": "Image"} if name == "image" else {"_type": "Value"} for name in table.schema.names}
        about = {"huggingface": json.dumps({"info": {"features": kinds}})}
        table = table.replace_schema_metadata(about)
    pq.write_table(table, file)
