"""Tables of questions about pictures, as the Hub has those of VQAv2, GQA, VizWiz, TextVQA, ScienceQA, POPE and MME."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from goldieval.core.errors import TaskError, listing
from goldieval.data.asked_questions import AskedQuestions, Question
from goldieval.data.file_patterns import matching_files
from goldieval.data.item_values import stratum_name
from goldieval.data.parquet_columns import holds_text
from goldieval.data.picture_rows import PictureColumns, is_parquet, missing_files
from goldieval.data.question_images import ImageTable, RowPictures, StoredPicture, rows_of
from goldieval.data.question_rows import (
    AnswerAs,
    bounded,
    letter_in,
    most_frequent,
    optional_text,
    options_in,
    question_in,
    references_in,
)
from goldieval.data.roots import inside
from goldieval.data.samples import Dataset
from goldieval.data.source import Source
from goldieval.data.table_files import raw_value, read_table, text_in

Column = Annotated[str, Field(min_length=1)]
Line = tuple[str, dict[str, Any], StoredPicture | None]  # location for error messages, values, picture in the row


class QuestionsSource(Source):
    """Questions about pictures, one row each, as a card's source. A picture that rows repeat is one image.

    Attributes:
        file: Table, or glob pattern of Parquet files, which may contain the pictures.
        where: Rows to use, by column and value.
        image: Column of the picture or of its file name.
        image_id: Column of the picture's id; by default, pictures with the same content or file are the same.
        image_table: Table of its own of the pictures, found by ``image_id``.
        images: Folder of the image files; if empty, names are relative to the data's folder.
        prefix: Leading part of the file names to remove.
        picture: File name pattern, with ``{}`` for the value or ``{:012}`` for a number with leading zeros.
        question: Column of the question.
        question_id: Columns whose values, joined by ``-``, are the id of a question; by default, questions of a
            picture are numbered.
        capitalise: Whether a question's first letter is made a capital and all others small, as LLaVA's files have it.
        remove: Text to remove from the questions, such as an instruction.
        answer: Column of the true answer; if the card names neither it nor ``answers``, the data have none.
        answers: Column of the answers of several annotators, a list of texts or of mappings with ``answer``.
        options: Column of the answers that a question offers, a list.
        answer_as: What of the true option is in ``answer``: its ``index`` from 0, its ``letter`` or its ``text``.
        hint: Column of what is told beside a question; the texts of a list are joined by commas.
        hint_form: What is told, with ``{}`` in the place of a hint, which may be empty.
        type: Column of the question's type.
        strata: Columns whose values name groups of questions that can be reported separately.
    """

    reader: Literal["questions"]
    file: str
    where: dict[str, str] = {}
    image: Column = "image"
    image_id: str = ""
    image_table: ImageTable | None = None
    images: str = ""
    prefix: str = ""
    picture: Annotated[str, Field(pattern=r"\{(:0\d{1,3})?\}")] = "{}"
    question: Column = "question"
    question_id: list[Column] = []
    capitalise: bool = False
    remove: str = ""
    answer: str = ""
    answers: str = ""
    options: str = ""
    answer_as: AnswerAs = "index"
    hint: str = ""
    hint_form: Annotated[str, Field(pattern=r"\{\}")] = "{}"
    type: str = ""
    strata: list[Column] = []

    @model_validator(mode="after")
    def _fits_together(self) -> QuestionsSource:
        if self.image_table is not None and not self.image_id:
            raise ValueError("image_table needs image_id, the column by which pictures are found")
        if self.options and self.answers:
            raise ValueError("questions with options have one answer: give answer, not answers")
        return self

    def needs(self) -> list[str]:
        return [self.images] if self.images else []

    def missing(self, folder: Path) -> list[str]:
        lacking = super().missing(folder) or missing_files(folder, self.file, "source.file")
        if lacking or self.image_table is None:
            return lacking
        return missing_files(folder, self.image_table.file, "source.image_table.file")

    def read(self, folder: Path) -> Dataset:
        files = PictureColumns([self.image], self.images, self.prefix, self.picture)
        pictures, asked = RowPictures(folder, self.image_id, self.image_table, files), AskedQuestions()
        for where, row, stored in self._lines(folder):
            image = pictures.row_of(where, row, stored)
            asked.add(where, self._question(where, row, image))
        if not len(asked):
            chosen = listing(f"{column} {value}" for column, value in self.where.items())
            raise TaskError(f"{inside(folder, self.file)} holds no questions{f' with {chosen}' if chosen else ''}.")
        return asked.dataset(pictures.samples(), pictures.notes())

    def _lines(self, folder: Path) -> Iterator[Line]:
        """Yield the rows to use."""
        tables = matching_files(folder, self.file, "source.file") if is_parquet(self.file) else [self.file]
        for name in tables:
            file = inside(folder, name)
            for where, row, picture in self._parquet(file) if is_parquet(name) else self._table(file):
                if all(str(raw_value(where, row, column)) == value for column, value in self.where.items()):
                    yield where, row, picture

    def _table(self, file: Path) -> Iterator[Line]:
        for where, row in read_table(file):
            yield where, row, None

    def _parquet(self, file: Path) -> Iterator[Line]:
        apart = self.image_table is not None
        named = not apart and holds_text(file, self.image)
        for number, row in enumerate(rows_of(file, [*self._columns, *([self.image] if named else [])])):
            yield f"{file}#{number}", row, None if apart or named else StoredPicture(file, self.image, number)

    @property
    def _columns(self) -> list[str]:
        """The columns that are read besides that of the picture."""
        one = (self.image_id, self.answer, self.answers, self.options, self.hint, self.type)
        return [self.question, *self.question_id, *filter(None, one), *self.strata, *self.where]

    def _question(self, where: str, row: dict[str, Any], image: int) -> Question:
        text = question_in(where, row, self.question)
        text = text.replace(self.remove, "") if self.remove else text
        options = options_in(where, row, self.options) if self.options else None
        references = references_in(where, row, self.answers) if self.answers else None
        return Question(
            id="-".join(text_in(where, row, column, ()) for column in self.question_id),
            text=text.capitalize() if self.capitalise else text,
            image=image,
            answer=self._answer(where, row, options, references),
            references=references,
            options=options,
            hint=self.hint_form.replace("{}", optional_text(where, row, self.hint)) if self.hint else None,
            type=optional_text(where, row, self.type) if self.type else "",
            strata=[stratum_name(where, row, column) for column in self.strata],
        )

    def _answer(
        self, where: str, row: dict[str, Any], options: list[str] | None, references: list[str] | None
    ) -> str | None:
        if not self.answer:
            return most_frequent(references) if references else None
        if options is not None:
            return letter_in(where, row, self.answer, options, self.answer_as)
        return bounded(where, self.answer, text_in(where, row, self.answer, ()))
