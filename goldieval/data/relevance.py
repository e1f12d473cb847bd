"""Ids without images, for precomputed embeddings: one row per text, with all images that it is relevant to."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np

from goldieval.core.errors import TaskError, listing
from goldieval.data.image_source import NoImage
from goldieval.data.roots import inside
from goldieval.data.samples import Dataset, ImageSample, TextSample
from goldieval.data.source import Source, read_lines
from goldieval.data.table_files import read_table, text_in, value_of


class RelevanceSource(Source):
    """Relevance judgements as a card's source, for precomputed embeddings.

    Attributes:
        file: JSON Lines or CSV file with one row per text.
        gallery: File with all image ids, one per line.
        text_id: Column of the text's id.
        text: Column of the text.
        image_ids: Column with the id, or the list of ids, of the relevant images.
    """

    reader: Literal["relevance"]
    file: str
    gallery: str
    text_id: str = "id"
    text: str = "text"
    image_ids: str = "image_ids"

    def needs(self) -> list[str]:
        return [self.file, self.gallery]

    def read(self, folder: Path) -> Dataset:
        images = [ImageSample(id, NoImage()) for id in read_lines(inside(folder, self.gallery))]
        row_of = {image.id: row for row, image in enumerate(images)}
        texts: list[TextSample] = []
        pairs: list[tuple[int, int]] = []
        owner: list[int] = []
        for where, entry in read_table(inside(folder, self.file)):
            named = value_of(where, entry, self.image_ids)
            ids = [str(id) for id in (named if isinstance(named, list) else [named])]
            unknown = [id for id in ids if id not in row_of]
            if unknown or not ids:
                raise TaskError(f"{where}: image ids not in {self.gallery}: {listing(unknown) or '(none given)'}.")
            pairs += [(len(texts), row_of[id]) for id in dict.fromkeys(ids)]
            owner.append(row_of[ids[0]])
            texts.append(TextSample(text_in(where, entry, self.text_id), text_in(where, entry, self.text)))
        return Dataset(images, texts=texts, positives=np.asarray(pairs).reshape(-1, 2), owner=np.asarray(owner))
