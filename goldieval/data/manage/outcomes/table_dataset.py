"""Samples as a table of outcomes describes them, for tasks whose annotations are not here."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from goldieval.core.errors import GoldievalError
from goldieval.data.crossed import Examples
from goldieval.data.image_source import NoImage
from goldieval.data.manage.outcomes.items import Item
from goldieval.data.samples import Dataset, ImageSample, TextSample
from goldieval.tasks.card import Task

UNKNOWN = "(not in the imported table)"


def dataset_of_table(task: Task, folder: Path, items: Sequence[Item], sets: bool) -> Dataset:
    """Return samples that are told apart by what the table says of them; their pictures are not read.

    Args:
        task: the task.
        folder: folder of its data.
        items: the rows of the table.
        sets: whether every row is an example of two images and two captions.

    Raises:
        GoldievalError: the card does not say how many candidates a query has.
    """
    candidates, trues = task.card.source.candidates_per_query
    if not candidates:
        how = task.card.source.how_to_get(folder, task.name)
        raise GoldievalError(f"{task.name}: outcomes can be imported only where its data are. {how}")
    if sets:
        return _examples(items)
    return _queries(items, candidates, trues)


def _examples(items: Sequence[Item]) -> Dataset:
    examples = Examples()
    for item, id in zip(items, _ids(items), strict=True):
        for side, caption in enumerate((item.true, item.false)):
            examples.add(_picture(f"{id}-{side}"), caption or UNKNOWN)
        examples.strata += [item.stratum] if item.stratum else []
    return examples.dataset(Path("table"))


def _queries(items: Sequence[Item], candidates: int, trues: int) -> Dataset:
    rows: dict[str, int] = {}  # of the images
    texts: list[TextSample] = []
    for item, id in zip(items, _ids(items), strict=True):
        rows.setdefault(item.image or id, len(rows))
        captions = [item.true, *[""] * (trues - 1), item.false, *[""] * (candidates - trues - 1)]
        ids = [item.id or f"{id}-0", *(f"{id}-{number}" for number in range(1, candidates))]
        texts += [TextSample(each, caption or UNKNOWN) for each, caption in zip(ids, captions, strict=True)]
    owner = np.repeat([rows[item.image or id] for item, id in zip(items, _ids(items), strict=True)], candidates)
    strata = np.array([item.stratum for item in items])
    groups = np.array([item.group for item in items], dtype=object)
    return Dataset(
        images=[_picture(name) for name in rows],
        texts=texts,
        owner=owner,
        choices=np.stack([owner, np.arange(len(texts))], axis=1).reshape(-1, candidates, 2),
        trues=trues,
        groups=groups if all(groups) else None,
        strata={name: strata == name for name in dict.fromkeys(strata.tolist()) if name},
    )


def _ids(items: Sequence[Item]) -> Iterator[str]:
    """Yield the given id, else one that follows from the content, so that the order of the rows does not matter."""
    seen: Counter[str] = Counter()
    for item in items:
        content = "\n".join([item.stratum, item.image, item.true, item.false])
        digest = hashlib.sha256(content.encode()).hexdigest()[:12]
        id = item.id or "-".join(filter(None, [item.stratum, digest]))
        seen[id] += 1
        yield id if seen[id] == 1 or item.id else f"{id}-copy{seen[id]}"


def _picture(name: str) -> ImageSample:
    return ImageSample(name, NoImage(), name)
