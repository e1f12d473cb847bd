"""Web datasets: tar files with an image and its label or captions per sample, as img2dataset writes them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np

from goldieval.core.errors import TaskError
from goldieval.core.limits import SHARDS
from goldieval.data.caption_rules import CaptionedSource
from goldieval.data.file_names import escape_undecodable
from goldieval.data.file_patterns import matching_files, named_files
from goldieval.data.groups import Groups, group_of
from goldieval.data.labels import class_names_in, index_of, label_text
from goldieval.data.roots import inside
from goldieval.data.samples import AnnotatedImage, Dataset, ImageSample
from goldieval.data.shard_sample import ShardSample
from goldieval.data.source import is_there, read_lines, read_names
from goldieval.data.tar_samples import TarImage, picture_of, samples_of
from goldieval.data.walk import LeftOut, left_out_notes

__all__ = ["TarImage", "WebdatasetSource", "picture_of", "samples_of"]

NO_PICTURE = "a sample without an image"


class WebdatasetSource(CaptionedSource):
    """A web dataset as a card's source.

    The shards of clip-benchmark's layout are ``<split>/0.tar``, 1.tar …, and ``<split>/nshards.txt`` contains their
    number. ``classnames.txt`` contains the class names in label order.

    Attributes:
        split: Split to evaluate.
        train: A second split, to train a probe on.
        shards: Instead of splits, a pattern of tar files below the folder, with braces (``{00000..00012}.tar``) or as
            a glob. Their samples without an image are left out, as a download may have failed.
        caption: Key of the caption, or list of captions, in .json; by default captions are the lines of .txt.
        label: Key of the label in .json, or ``npy.N`` for number N of .npy; by default the label is in .cls.
        multilabel: Whether images may show several classes: .npy holds a 0 or 1 for each.
        groups: Where the group of each image comes from: keys in .json, or ``npy.N``.
        templates: File of prompts, one per line.
        unnamed: Whether an empty line of ``classnames.txt`` is a class without a name, as CLEVR's distances have one.
        objective: Where the data pose several questions, the one to take: the beginning of its lines, before a colon,
            in ``classnames.txt`` and the file of prompts.
    """

    reader: Literal["webdataset"]
    split: str = "test"
    train: str = ""
    shards: str = ""
    caption: str = ""
    label: str = ""
    multilabel: bool = False
    groups: Groups = []
    templates: str = ""
    unnamed: bool = False
    objective: str = ""

    def needs(self) -> list[str]:
        named = [self.templates] if self.templates else []
        return named if self.shards else [*named, *(f"{split}/nshards.txt" for split in self._splits)]

    def missing(self, folder: Path) -> list[str]:
        if self.shards:
            found = self._found(folder)
            return [name for name in found if not is_there(folder, name)] if found else [self.shards]
        if lacking := super().missing(folder):
            return lacking
        shards = (name for split in self._splits for name in _numbered(folder, split))
        return [name for name in shards if not is_there(folder, name)]

    def read(self, folder: Path) -> Dataset:
        file = inside(folder, "classnames.txt")
        names = self._of_objective(file, read_names(file, self.unnamed)) if file.exists() else None
        dataset = self._labelled(folder, names)
        if self.templates:
            file = inside(folder, self.templates)
            dataset.prompts = self._of_objective(file, read_lines(file))
        return dataset

    def _labelled(self, folder: Path, names: list[str] | None) -> Dataset:
        left_out: LeftOut = LeftOut()
        if self.shards:
            samples = self._samples(folder, self._found(folder), left_out)
            names = names or self._names_in(samples)
            rows = self._rows(samples, names, left_out)
            return self.dataset(rows, names, left_out_notes(left_out))
        shards = [_numbered(folder, split) for split in self._splits]
        parts = [self._rows(self._samples(folder, each, left_out), None, left_out) for each in shards]
        if not self.train:
            return self.dataset(parts[0], names, left_out_notes(left_out))
        rows = [
            _renamed(row, f"{split}/{row.image.id}")
            for split, part in zip(self._splits, parts, strict=True)
            for row in part
        ]
        dataset = self.dataset(rows, names, left_out_notes(left_out))
        dataset.train = np.arange(len(rows)) >= len(parts[0])
        return dataset

    def _of_objective(self, file: Path, lines: list[str]) -> list[str]:
        """Return the lines of the objective without its name. Raises TaskError if there are none."""
        start = f"{self.objective}:" if self.objective else ""
        found = [line.removeprefix(start) for line in lines if line.startswith(start)]
        if lines and not found:
            raise TaskError(f"{file}: no line begins with {start!r}; source.objective is {self.objective!r}.")
        return found

    @property
    def _splits(self) -> list[str]:
        return [self.split, *([self.train] if self.train else [])]

    def _found(self, folder: Path) -> list[str]:
        """Return the shards of the pattern, relative to the folder."""
        if "{" in self.shards:
            return named_files(folder, self.shards, SHARDS, "source.shards")
        return matching_files(folder, self.shards, "source.shards")

    def _samples(self, folder: Path, shards: list[str], left_out: LeftOut) -> list[ShardSample]:
        return [sample for shard in shards for sample in self._samples_of(folder, shard, left_out)]

    def _samples_of(self, folder: Path, shard: str, left_out: LeftOut) -> Iterator[ShardSample]:
        """Yield the samples with an image. Raises TaskError for one without, in a dataset with numbered shards."""
        tar = inside(folder, shard)
        name = shard.removesuffix(".tar") if self.shards else Path(shard).stem
        for key, members in samples_of(tar, left_out):
            where = f"{tar}: sample {escape_undecodable(key)}"
            picture = picture_of(where, members)
            if picture is None and not self.shards:
                raise TaskError(f"{where} has no image, only .{', .'.join(map(escape_undecodable, members))}.")
            if picture is None:
                left_out[_ending(members), NO_PICTURE] += 1
                continue
            image = ImageSample(f"{name}/{key}", TarImage(tar, picture.offset, picture.size), f"{shard}/{key}")
            yield ShardSample(name, key, where, image, members)

    def _names_in(self, samples: list[ShardSample]) -> list[str] | None:
        """Return the sorted class names, if labels are names."""
        if not self.label and not any("cls" in sample.members for sample in samples):
            return None
        return class_names_in(label_text(sample.where, self._label_text(sample)) for sample in samples)

    def _label_text(self, sample: ShardSample) -> str:
        if self.label:
            return str(sample.value(self.label))
        return sample.text("cls").strip()

    def _rows(self, samples: list[ShardSample], names: list[str] | None, left_out: LeftOut) -> list[AnnotatedImage]:
        """Return a row per sample; ids contain the shard only if keys alone are not unique."""
        rows = [self._row(sample, names, left_out) for sample in samples]
        if len({sample.key for sample in samples}) < len(samples):
            return rows
        return [_renamed(row, sample.key) for row, sample in zip(rows, samples, strict=True)]

    def _row(self, sample: ShardSample, names: list[str] | None, left_out: LeftOut) -> AnnotatedImage:
        group = group_of(sample.where, self.groups, sample.value)
        if self.multilabel:
            return AnnotatedImage(sample.image, group=group, shown=sample.numbers())
        if self.label or (not self.caption and "cls" in sample.members):
            return AnnotatedImage(sample.image, _index(sample.where, self._label_text(sample), names), group=group)
        captions = sample.captions(self.caption, left_out if self.allows_missing else None)
        return AnnotatedImage(sample.image, captions=_numbered_captions(sample.image.id, captions), group=group)


def _numbered(folder: Path, split: str) -> list[str]:
    """Return the shards of a split in clip-benchmark's layout. Raises TaskError if their number is not a number."""
    file = inside(folder, f"{split}/nshards.txt")
    count = " ".join(read_lines(file))
    if not re.fullmatch(r"[0-9]{1,9}", count) or int(count) > SHARDS:
        raise TaskError(f"{file} should hold the number of shards, at most {SHARDS:,}, but holds {count[:40]!r}.")
    return [f"{split}/{number}.tar" for number in range(int(count))]


def _ending(members: Mapping[str, TarImage]) -> str:
    return f".{escape_undecodable(min(members))}"[:12]


def _numbered_captions(id: str, captions: list[str]) -> list[tuple[str, str]]:
    return [(f"{id}#{number}", text) for number, text in enumerate(captions)]


def _renamed(row: AnnotatedImage, id: str) -> AnnotatedImage:
    captions = _numbered_captions(id, [text for _, text in row.captions])
    return replace(row, image=replace(row.image, id=id), captions=captions)


def _index(where: str, text: str, names: list[str] | None) -> int:
    try:
        return index_of(where, text, names)
    except TaskError:
        what = "a class index" if names is None else "a class index or name"
        raise TaskError(f"{where}: label {text[:20]!r} is not {what}.") from None
