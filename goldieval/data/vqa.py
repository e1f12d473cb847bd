"""Questions about pictures with ten answers each: VQAv2's two files, cut to the images of a gallery."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np

from goldieval.data.paths import inside
from goldieval.data.rows import read_json
from goldieval.data.samples import Dataset, FileImage, ImageSample, TextSample
from goldieval.data.source import Source
from goldieval.errors import TaskError, listing


class VqaSource(Source):
    """``questions`` and ``annotations`` are VQAv2's files, ``gallery`` a COCO caption file that lists the images.

    images: folder that the gallery's file names start from.
    """

    reader: Literal["vqa"]
    questions: str
    annotations: str
    gallery: str
    images: str

    def needs(self) -> list[str]:
        return [self.questions, self.annotations, self.gallery, self.images]

    def read(self, folder: Path) -> Dataset:
        files = {int(id): str(name) for id, name in _columns(inside(folder, self.gallery), "images", "id", "file_name")}
        row_of = {id: row for row, id in enumerate(sorted(files))}
        answers = {
            id: (answer, kind, sum(given["answer"] == answer for given in all_given))
            for id, answer, kind, all_given in _columns(
                inside(folder, self.annotations),
                "annotations",
                "question_id",
                "multiple_choice_answer",
                "answer_type",
                "answers",
            )
        }
        file = inside(folder, self.questions)
        asked = [
            (id, row_of[image], text)
            for id, image, text in _columns(file, "questions", "question_id", "image_id", "question")
            if image in row_of
        ]
        if lacking := [str(id) for id, _, _ in asked if id not in answers]:
            raise TaskError(f"{file}: {len(lacking):,} questions without an annotation: {listing(lacking)}.")
        top = inside(folder, self.images)
        given = [answers[id] for id, _, _ in asked]
        return Dataset(
            images=[
                ImageSample(files[id], FileImage(inside(top, files[id])), f"{self.images}/{files[id]}") for id in row_of
            ],
            texts=[TextSample(str(id), text) for id, _, text in asked],
            owner=np.array([row for _, row, _ in asked], dtype=np.int64),
            answers=np.array([answer for answer, _, _ in given], dtype=object),
            types=np.array([kind for _, kind, _ in given], dtype=object),
            agreement=np.array([agreed for _, _, agreed in given], dtype=np.int64),
        )


def _columns(file: Path, key: str, *columns: str) -> list[tuple[Any, ...]]:
    """Return columns of the list under ``key``. Raises TaskError where the file is not of that form."""
    content = read_json(file)
    try:
        return [tuple(entry[column] for column in columns) for entry in content[key]]
    except (KeyError, TypeError) as error:
        raise TaskError(f"{file} has no list {key!r} with {', '.join(columns)}: {error}") from error
