"""The measured features of a model as tables: what stands in them, and what their columns say."""

from __future__ import annotations

from goldieval.doctor.shortcuts.measure import FeatureShares, Shortcuts
from goldieval.metrics.crossed_variance import (
    BACKGROUND,
    COLOUR,
    COLOUR_AND_TEXTURE,
    COMBINED,
    NUMBER,
    OBJECTS,
    OTHER_OBJECTS,
    TEXTURE,
)
from goldieval.metrics.variance_shares import REST
from goldieval.report.share_table import ShareRow, ShareTable

NEARER = "nearer"
PARTS = {COLOUR: "colour", TEXTURE: "texture"}


def share_tables(found: Shortcuts, untrained: Shortcuts | None) -> list[ShareTable]:
    """Return the tables of scenes, of scenes of one object, and of sentences.

    Args:
        found: the measured model.
        untrained: a model that knows nothing, for comparison; None without.
    """
    return [
        _scenes(_rows(found.scenes, untrained.scenes if untrained else [])),
        _one_object(_rows(found.one_object, untrained.one_object if untrained else [])),
        _sentences(_rows(found.sentences, untrained.sentences if untrained else [])),
    ]


def _scenes(rows: list[ShareRow]) -> ShareTable:
    return ShareTable(
        "Scenes of 1 to 5 objects, each on every background: 40 x 24 pictures",
        [
            "background: its colour, its texture and both combined; objects: their number and all else of them; "
            "both: what a background changes in some scenes only.",
            "nearer: how often another scene on the same background is nearer (cosine) than the same scene on another "
            "one; at 50 both count alike.",
        ],
        {BACKGROUND: BACKGROUND, **PARTS, OBJECTS: OBJECTS, NUMBER: "number", COMBINED: "both"},
        (BACKGROUND, OBJECTS),
        (COLOUR, TEXTURE, COLOUR_AND_TEXTURE, NUMBER, OTHER_OBJECTS, COMBINED),
        rows,
        (NEARER,),
    )


def _one_object(rows: list[ShareRow]) -> ShareTable:
    return ShareTable(
        "Scenes of one object: 1,728 pictures, all attributes independent",
        [
            "backgr.: the background, with its colour, its texture and both combined; rest: combinations of "
            "attributes, and where an object lies within its place."
        ],
        {
            **{name: name for name in ("shape", "colour", "place", "size", "fill")},
            BACKGROUND: "backgr.",
            **PARTS,
            REST: REST,
        },
        (),
        (BACKGROUND, "shape", "colour", "place", "size", "fill", REST),
        rows,
    )


def _sentences(rows: list[ShareRow]) -> ShareTable:
    names = ("shape", "colour", "texture", "place", "size", "fill", "relation", "words", REST)
    return ShareTable(
        "Sentences: 1,728 about objects, 512 about relations, 144 about backgrounds",
        [
            "of relations, shape and colour are those of both objects; words: which pattern of sentence, or which "
            "words for a relation; rest: synonyms and combinations of attributes."
        ],
        {name: name for name in names},
        (),
        names,
        rows,
    )


def _rows(measured: list[FeatureShares], untrained: list[FeatureShares]) -> list[ShareRow]:
    own = [_row(feature, feature.name) for feature in measured]
    return own + [_row(feature, f"{feature.name}, untrained", reference=True) for feature in untrained]


def _row(feature: FeatureShares, name: str, reference: bool = False) -> ShareRow:
    beside = {} if feature.background_nearer is None else {NEARER: feature.background_nearer}
    return ShareRow(name, feature.shares, beside, reference)
