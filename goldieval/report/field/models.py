"""The models of the field, with the classes of architecture and of training size by which a reader filters them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from goldieval.records.schema import Record
from goldieval.report.published import Published, PublishedModel
from goldieval.report.score import Score

UNKNOWN = "not known"
ARCHITECTURES = (  # class, and a pattern of architectures without separators; the first that fits
    ("ResNet, ConvNeXt, Swin", r"rn\d|resnet|convnext|swin"),
    ("larger than ViT-L", r"so400m|so\d|bigg|[hge]1[46]|xxlarge"),
    ("ViT-L", r"l(arge)?1[46]|vitl|^l$"),
    ("ViT-B/32", r"b(ase)?32"),
    ("ViT-B/16", r"b(ase)?16|vitb"),
    ("smaller than ViT-B", r"mobileclip|vit(tiny|small|[stm]|\d+m)|[st]16"),
)
KINDS_BY_SIZE = tuple(ARCHITECTURES[place][0] for place in (5, 3, 4, 2, 1, 0))
"""The classes of architecture from small to large, convolutions last."""

SIZES = (  # class, and the most pairs that it has
    ("up to 3 M", 3_500_000),
    ("4 M to 30 M", 35_000_000),
    ("40 M to 500 M", 550_000_000),
    ("600 M to 2.5 B", 2_600_000_000),
    ("more than 2.5 B", 10**18),
)
_COUNT = re.compile(r"(?:^|[/_-])[a-z]{2,}(\d+)([mb])(?![a-z0-9])")


@dataclass(frozen=True)
class FieldModel:
    """One model.

    Attributes:
        name: name of the model.
        architecture: its architecture; empty where it is not known.
        kind: class of its architecture.
        trained_on: training data, as text.
        pairs: distinct training pairs; None where they are not known.
        size: class of its training size.
        note: what a reader must know of these.
    """

    name: str
    architecture: str
    kind: str
    trained_on: str
    pairs: int | None
    size: str
    note: str = ""


def model_of(score: Score, published: Published) -> FieldModel:
    """Return the model of a number; names of other harnesses are those of the published model with the same weights."""
    known = published.named(score.model)
    if score.record is not None:
        return _measured(score.model, score.record, published)
    if known is not None:
        return _published(known)
    pairs = pairs_by_name(score.model)
    note = "training size by the number in the name of the weights" if pairs else ""
    return _model(score.model, score.model.partition("/")[0], "", pairs, note)


def _published(known: PublishedModel) -> FieldModel:
    return _model(known.name, known.arch, known.train_images, known.unique_pairs, known.note)


def _measured(name: str, record: Record, published: Published) -> FieldModel:
    known = published.named(record.model.spec)
    pairs = record.model.unique_pairs or (known.unique_pairs if known else None)
    return _model(name, known.arch if known else "", known.train_images if known else "", pairs, "measured here")


def _model(name: str, architecture: str, trained_on: str, pairs: int | None, note: str) -> FieldModel:
    return FieldModel(name, architecture, architecture_class(architecture), trained_on, pairs, size_class(pairs), note)


def architecture_class(architecture: str) -> str:
    """Return the class of an architecture.

    >>> [architecture_class(name) for name in ("ViT-B/16", "ViT-B-16-SigLIP", "RN50", "ViT-SO400M-14", "ViT-8M/16", "")]
    ['ViT-B/16', 'ViT-B/16', 'ResNet, ConvNeXt, Swin', 'larger than ViT-L', 'smaller than ViT-B', 'not known']
    """
    bare = re.sub(r"[^a-z0-9]", "", architecture.lower())
    return next((name for name, pattern in ARCHITECTURES if re.search(pattern, bare)), UNKNOWN)


def size_class(pairs: int | None) -> str:
    """Return the class of a number of training pairs."""
    return UNKNOWN if pairs is None else next(name for name, most in SIZES if pairs <= most)


def pairs_by_name(name: str) -> int | None:
    """Return the number of pairs that the name of weights states; of several data sets, their sum.

    >>> [pairs_by_name(name) for name in ("swin_base/in21k_yfcc14m_gcc15m (UniCL)", "ViT-B-16/x_s13b", "a/real8m")]
    [29000000, None, 8000000]
    """
    counts = [int(number) * {"m": 10**6, "b": 10**9}[unit] for number, unit in _COUNT.findall(name.lower())]
    return sum(counts) or None
