"""Questions about images with ten answers each: VQAv2's two files, restricted to the images of a gallery."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np

from goldieval.core.errors import TaskError, listing
from goldieval.data.coco_file import Entry, check_id, entries_of, id_text, in_order
from goldieval.data.file_names import file_name, picture_file
from goldieval.data.image_source import FileImage
from goldieval.data.roots import inside
from goldieval.data.samples import Dataset, ImageSample, TextSample
from goldieval.data.source import Source
from goldieval.data.table_files import read_json_file, text_in


class VqaSource(Source):
    """VQAv2 as a card's source.

    Attributes:
        questions: VQAv2's file of questions.
        annotations: VQAv2's file of answers.
        gallery: COCO caption file that lists the images.
        images: Folder that the gallery's file names are relative to.
    """

    reader: Literal["vqa"]
    questions: str
    annotations: str
    gallery: str
    images: str

    def needs(self) -> list[str]:
        return [self.questions, self.annotations, self.gallery, self.images]

    def read(self, folder: Path) -> Dataset:
        gallery = inside(folder, self.gallery)
        images = in_order(_checked(gallery, "images"))
        row_of = {id_text(image["id"]): row for row, image in enumerate(images)}
        file = inside(folder, self.annotations)
        annotated = entries_of(file, read_json_file(file), "annotations")
        answers = {_id(file, entry, "question_id"): entry for entry in annotated}
        if len(answers) < len(annotated):
            raise TaskError(f"{file}: {len(annotated) - len(answers):,} duplicate annotations of questions.")
        file = inside(folder, self.questions)
        asked = [
            (entry, row_of[image])
            for entry in entries_of(file, read_json_file(file), "questions")
            if (image := _id(file, entry, "image_id")) in row_of
        ]
        ids = [_id(file, entry, "question_id") for entry, _ in asked]
        if lacking := [id for id in ids if id not in answers]:
            raise TaskError(f"{file}: {len(lacking):,} questions without an annotation: {listing(lacking)}.")
        given = [_answer(inside(folder, self.annotations), id, answers[id]) for id in ids]
        top = inside(folder, self.images)
        return Dataset(
            images=[self._image(gallery, top, image) for image in images],
            texts=[
                TextSample(str(entry["question_id"]), text_in(f"{file}: question {id}", entry, "question"))
                for id, (entry, _) in zip(ids, asked, strict=True)
            ],
            owner=np.array([row for _, row in asked], dtype=np.int64),
            answers=np.array([answer for answer, _, _ in given], dtype=object),
            types=np.array([kind for _, kind, _ in given], dtype=object),
            agreement=np.array([agreed for _, _, agreed in given], dtype=np.int64),
        )

    def _image(self, gallery: Path, top: Path, image: Entry) -> ImageSample:
        where, name = f"{gallery}: image {image['id']}", str(image["file_name"])
        return ImageSample(name, FileImage(picture_file(where, top, name, "file_name")), f"{self.images}/{name}")


def _checked(file: Path, key: str) -> list[Entry]:
    """Return a gallery's images. Raises TaskError if one has no id or file name."""
    found = entries_of(file, read_json_file(file), key)
    for place, image in enumerate(found):
        check_id(f"{file}: {key}[{place}]", image, "id")
        file_name(f"{file}: {key}[{place}]", image.get("file_name"), "file_name")
    if len({id_text(image["id"]) for image in found}) < len(found):
        raise TaskError(f"{file}: two images have the same id.")
    return found


def _id(file: Path, entry: Entry, key: str) -> str:
    return check_id(f"{file}: {str(entry)[:60]}", entry, key)


def _answer(file: Path, id: str, entry: Entry) -> tuple[str, str, int]:
    """Return answer, type, and the number of annotators who gave it. Raises TaskError naming the question."""
    where = f"{file}: question {id}"
    answer, kind = (text_in(where, entry, key, ()) for key in ("multiple_choice_answer", "answer_type"))
    given = entry.get("answers")
    if not isinstance(given, list) or not all(isinstance(one, dict) and "answer" in one for one in given):
        raise TaskError(f"{where}: 'answers' should be a list of mappings with 'answer'.")
    return answer, kind, sum(one["answer"] == answer for one in given)
