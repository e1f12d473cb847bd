"""Questions about pictures: tables and Parquet files with a column of questions and one of their answers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from string import ascii_uppercase
from typing import Any

from goldieval.core.errors import TaskError, listing
from goldieval.data.manage.choice_files import ChoiceFile, choice_files, place_of
from goldieval.data.manage.columns import Rows
from goldieval.data.manage.finding import DetectionHints, Faults, Finding, UnfitError, is_wanted
from goldieval.data.manage.places import PicturePlace
from goldieval.data.manage.row_columns import values_of

QUESTION = "question"
ANSWER = ("answer", "multiple_choice_answer")
ANSWERS, OPTIONS = ("answers",), ("choices", "options")
IMAGE_ID, QUESTION_ID = ("image_id", "imageId"), ("question_id",)
FEWEST_ANNOTATORS = 2
SHORT = "{question}\nAnswer the question using a single word or phrase."
LETTER = "{question}\n{options}\nAnswer with the option's letter from the given choices directly."


def find(folder: Path, hints: DetectionHints, faults: Faults) -> list[Finding]:
    """Return one finding for each table of questions; near misses are added to ``faults``."""
    found: list[Finding] = []
    for file in choice_files(folder, hints) if is_wanted("vqa", hints) else ():
        answers = _named(file.rows, [*ANSWER, *ANSWERS])
        if not _named(file.rows, [QUESTION]) or not answers or not (file.pictures or hints.image):
            continue
        try:
            found.append(_finding(folder, file, hints))
        except (TaskError, UnfitError) as error:
            faults.append(error)
    return found


def _named(rows: Rows, names: Sequence[str]) -> str:
    """Return the first of the columns that has values; empty if none has."""
    return next((name for name in names if values_of(rows, name)), "")


def _finding(folder: Path, file: ChoiceFile, hints: DetectionHints) -> Finding:
    """Return how a table is read. Raises UnfitError if that is not clear."""
    images = [hints.image] if hints.image else file.pictures
    if len(images) != 1:
        raise UnfitError(f"{file.name}: {listing(images)} could hold the image: add --image.")
    source: dict[str, Any] = {"reader": "questions", "file": file.name, "image": images[0]}
    place = PicturePlace("")
    if images[0] not in file.contained:
        place = place_of(folder, file.name, [str(name) for name in values_of(file.rows, images[0])])
    source |= {"images": place.images} if place.images not in ("", ".") else {}
    source |= {"prefix": place.prefix} if place.prefix else {}
    params, judged = _judged(file, source)
    if images[0] in file.contained and (id := _named(file.rows, IMAGE_ID)):
        source["image_id"] = id
    if (id := _named(file.rows, QUESTION_ID)) and _are_distinct(values_of(file.rows, id)):
        source["question_id"] = [id]
    return Finding(source, "vqa", file.name, f"{file.name}: questions, {judged}", place.notes(), params=params)


def _judged(file: ChoiceFile, source: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """Add the columns of the answers to a source; return the parameters of the card, and how answers are judged."""
    answer, answers, options = (_named(file.rows, names) for names in (ANSWER, ANSWERS, OPTIONS))
    if options and answer and all(isinstance(each, list) for each in values_of(file.rows, options)):
        source |= {"options": options, "answer": answer, "answer_as": _answer_as(values_of(file.rows, answer))}
        return {"rule": "letter", "prompt": LETTER}, f"whose options are in {options!r}"
    source |= {"answer": answer} if answer else {}
    several = values_of(file.rows, answers) if answers else []
    if several and all(isinstance(each, list) and len(each) >= FEWEST_ANNOTATORS for each in several):
        source["answers"] = answers
        return {"rule": "vqa", "prompt": SHORT}, f"with the answers of several people in {answers!r}"
    if not answer:
        raise UnfitError(f"{file.name}: {answers!r} should hold a list of the answers of several people in each row.")
    return {"prompt": SHORT}, f"with one answer each in {answer!r}"


def _answer_as(values: list[Any]) -> str:
    """Return how the true option is named: by its index, its letter or its text."""
    if all(isinstance(value, int) for value in values):
        return "index"
    return "letter" if all(str(value).strip() in [*ascii_uppercase] for value in values) else "text"


def _are_distinct(values: list[Any]) -> bool:
    return len(set(map(str, values))) == len(values)
