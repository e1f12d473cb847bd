"""A table with one row per image and statement, of which two rows that follow each other are one example: MMVP-VLM."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from goldieval.core.errors import TaskError
from goldieval.data.crossed import Examples
from goldieval.data.item_values import stratum_name
from goldieval.data.named_pictures import named_picture
from goldieval.data.roots import inside
from goldieval.data.samples import Dataset, ImageSample
from goldieval.data.source import Source
from goldieval.data.table_files import read_table, text_in

COLUMN = re.compile(r"\{([^{}]+)\}")


def _has_a_place(prompt: str) -> str:
    if prompt.count("{}") != 1:
        raise ValueError(f"{prompt!r} should have {{}} once, where the statement goes")
    return prompt


class StatementsSource(Source):
    """Pairs of statements with their images as a card's source: rows 1 and 2 are an example, 3 and 4, and so on.

    Attributes:
        file: The table.
        columns: Names of its columns in order, in place of those in its first row.
        images: Folder of the images.
        picture: File name in ``images``, with ``{COLUMN}`` for the value of a column.
        example: Column of the row's id.
        statement: Column of the statement.
        prompt: What the model reads, with ``{}`` for the statement.
        stratum: Column whose values name the strata; an example's is that of its first row.
    """

    reader: Literal["statements"]
    file: str
    columns: list[str] = []
    images: str = "."
    picture: Annotated[str, Field(pattern=COLUMN.pattern)]
    example: str = "id"
    statement: str = "statement"
    prompt: Annotated[str, AfterValidator(_has_a_place)] = "{}"
    stratum: str = ""

    @model_validator(mode="after")
    def _columns_differ(self) -> StatementsSource:
        if len(set(self.columns)) < len(self.columns):
            raise ValueError("columns: two of the names are the same")
        return self

    @property
    def candidates_per_query(self) -> tuple[int, int]:
        return 2, 1

    def needs(self) -> list[str]:
        return [self.file, self.images]

    def read(self, folder: Path) -> Dataset:
        file, examples = inside(folder, self.file), Examples()
        rows = [(where, self._named(where, row)) for where, row in read_table(file)]
        if len(rows) % 2:
            raise TaskError(f"{file} has {len(rows):,} rows, an odd number: two rows are one example. Complete it.")
        for number, (where, row) in enumerate(rows):
            statement = self.prompt.replace("{}", text_in(where, row, self.statement))
            examples.add(self._image(folder, where, row), statement)
            if self.stratum and number % 2 == 0:
                examples.strata.append(stratum_name(where, row, self.stratum))
        return examples.dataset(file)

    def _named(self, where: str, row: dict[str, Any]) -> dict[str, Any]:
        if not self.columns:
            return row
        if len(row) != len(self.columns):
            raise TaskError(f"{where}: {len(row)} columns instead of {len(self.columns)}, {', '.join(self.columns)}.")
        return dict(zip(self.columns, row.values(), strict=True))

    def _image(self, folder: Path, where: str, row: dict[str, Any]) -> ImageSample:
        top = inside(folder, self.images)
        name = COLUMN.sub(lambda column: text_in(where, row, column[1]), self.picture)
        return named_picture(where, top, self.images, name, self.picture, text_in(where, row, self.example))
