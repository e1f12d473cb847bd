"""What the tasks of a suite ask for: pictures, texts, pairs and bytes, from the cards and from the table below.

Cards state the numbers of pictures, and of texts or classes where they are part of the protocol. What no card states is
assumed: the size of pictures and files, the length of texts, and the number of sentences of a description.
"""

from __future__ import annotations

from dataclasses import dataclass

from goldieval.core.errors import GoldievalError
from goldieval.scoring.windows import starts
from goldieval.tasks.card import Task
from goldieval.tasks.catalogue import Catalogue
from goldieval.tasks.params import SegmentationParams, ZeroshotParams
from goldieval.tasks.prompts import PROMPTS, resolve


@dataclass(frozen=True)
class Pictures:
    """Typical files of a data set.

    Attributes:
        megapixels: size of a picture.
        kilobytes: size of its file.
        source: name of the pictures that several tasks share; empty for the task's own.
    """

    megapixels: float
    kilobytes: float
    source: str = ""


# Assumed: rounded means of the public files. Kilobytes of COCO, DOCCI and ImageNet follow from the sizes of their archives.
USUAL = Pictures(0.2, 100)
PICTURES = {
    "coco-val2017": Pictures(0.28, 163, "coco-val2017"),
    "coco-val2017-first5": Pictures(0.28, 163, "coco-val2017"),
    "coco-karpathy": Pictures(0.28, 164, "coco-karpathy"),
    "vqa-retrieval-recon-question": Pictures(0.28, 164, "coco-karpathy"),
    "vqa-retrieval-recon-question-answer": Pictures(0.28, 164, "coco-karpathy"),
    "flickr30k-val": Pictures(0.18, 140),
    "flickr30k-test": Pictures(0.18, 140),
    "docci-fg": Pictures(3.0, 512, "docci"),
    "docci-long": Pictures(3.0, 512, "docci"),
    "iiw-fg": Pictures(3.0, 512, "iiw"),
    "iiw-long": Pictures(3.0, 512, "iiw"),
    "dci": Pictures(3.4, 900),
    "imagenet": Pictures(0.18, 126),
    "cifar10": Pictures(0.001, 2.3),
    "cifar100": Pictures(0.001, 2.3),
    "food101": Pictures(0.23, 50),
    "pets": Pictures(0.2, 105),
    "cars": Pictures(0.35, 115),
    "flowers102": Pictures(0.34, 42),
    "sun397": Pictures(0.7, 330),
    "fgvc-aircraft": Pictures(0.73, 280),
    "dtd": Pictures(0.25, 105),
    "caltech101-101": Pictures(0.07, 15),
    "ade20k": Pictures(0.3, 100),
    "cityscapes": Pictures(2.1, 2300),
}

TEXTS = {"docci-fg": 37_500}  # assumed: 7.5 sentences per description; other cards without a count: one per picture
TOKENS = {
    "docci-fg": 24,
    "iiw-fg": 26,
    "dci": 77,
    "urban1k": 77,
    "docci-long": 77,
    "iiw-long": 77,
}  # assumed, with ends
USUAL_TOKENS = {"retrieval": 14, "zeroshot": 12, "choice": 16, "segmentation": 12}  # assumed


@dataclass(frozen=True)
class Work:
    """What one task asks for.

    Attributes:
        name: name of the task.
        family: name of its family.
        mode: resolved scoring mode.
        images: number of pictures.
        texts: number of texts to encode.
        tokens: mean number of tokens of a text.
        candidates: number of texts or classes against which a picture is scored.
        pairs: number of picture-text pairs that are scored.
        queries: number of rows of the outcomes.
        pictures: typical files.
        windows: number of windows of a picture; 0 where pictures are encoded whole.
        assumed: which of the counts are assumed, in words; empty if the card states them all.
    """

    name: str
    family: str
    mode: str
    images: int
    texts: int
    tokens: int
    candidates: int
    pairs: int
    queries: int
    pictures: Pictures
    windows: int = 0
    assumed: str = ""

    @property
    def megabytes(self) -> float:
        return self.images * self.pictures.kilobytes / 1000


def suite_work(names: list[str], model_mode: str, requested: str | None) -> list[Work]:
    """Return the work of suites and tasks, in their order.

    Args:
        names: names of suites and tasks.
        model_mode: scoring mode that the model declares as its default.
        requested: scoring mode that the run requests; None leaves it to card and model.

    Raises:
        GoldievalError: a name does not exist, a card states no number of pictures, or its family is not estimated.
    """
    tasks = Catalogue().select(names).tasks
    return [task_work(task, task.card.params.mode(model_mode, requested)) for task in tasks]


def task_work(task: Task, mode: str) -> Work:
    """Return the work of one task in a scoring mode. Raises GoldievalError where it cannot be estimated."""
    card = task.card
    if card.family not in COUNTS:
        raise GoldievalError(f"{task.name}: family {card.family} is not estimated; leave it out of --tasks.")
    if not card.expect.images:
        raise GoldievalError(f"{task.name}: its card does not state the number of images (expect.images).")
    texts, candidates, pairs, queries, assumed = COUNTS[card.family](task, card.expect.images)
    return Work(
        name=task.name,
        family=card.family,
        mode=mode,
        images=card.expect.images,
        texts=texts,
        tokens=TOKENS.get(task.name, USUAL_TOKENS[card.family]),
        candidates=candidates,
        pairs=pairs,
        queries=queries,
        pictures=PICTURES.get(task.name, USUAL),
        windows=_windows(card.params) if isinstance(card.params, SegmentationParams) else 0,
        assumed=assumed,
    )


Counts = tuple[int, int, int, int, str]  # texts, candidates, pairs, queries, what is assumed


def _retrieval(task: Task, images: int) -> Counts:
    stated = task.card.expect.texts
    texts = stated or TEXTS.get(task.name, images)
    return texts, texts, images * texts, images + texts, "" if stated else f"{texts:,} texts"


def _zeroshot(task: Task, images: int) -> Counts:
    params, classes = task.card.params, task.card.expect.classes
    if not isinstance(params, ZeroshotParams) or not classes:
        raise GoldievalError(f"{task.name}: its card does not state the number of classes (expect.classes).")
    return classes * len(resolve(task, params.prompts, PROMPTS)), classes, images * classes, images, ""


def _choice(task: Task, images: int) -> Counts:
    stated = task.card.expect.texts
    texts = stated or 2 * images
    return texts, texts, texts, texts // 2, "" if stated else f"{texts:,} texts"


def _segmentation(task: Task, images: int) -> Counts:
    params, classes = task.card.params, task.card.expect.classes
    if not isinstance(params, SegmentationParams) or not classes:
        raise GoldievalError(f"{task.name}: its card does not state the number of classes (expect.classes).")
    return classes * len(resolve(task, params.prompts, PROMPTS)), classes, 0, images, ""


COUNTS = {"retrieval": _retrieval, "zeroshot": _zeroshot, "choice": _choice, "segmentation": _segmentation}


def _windows(params: SegmentationParams) -> int:
    """Return the number of windows of a picture of 4:3."""
    long = round(params.short_side * 4 / 3)
    return len(starts(params.short_side, params.crop, params.stride)) * len(starts(long, params.crop, params.stride))
