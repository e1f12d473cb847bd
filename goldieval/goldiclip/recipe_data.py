"""The part of a recipe that is about its data; checked."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, PlainSerializer, model_validator

from goldieval.data.shapes.world import SPLITS
from goldieval.goldiclip.data.addresses import is_stream, shown
from goldieval.goldiclip.data.captions import MAX_SENTENCES, QuestionsAsCaptions
from goldieval.goldiclip.number_types import Count, Fraction, NotNegative, Number
from goldieval.goldiclip.recipe_parts import Part

Share = Annotated[Number, Field(gt=0, le=1)]
SCENES = 20_000  # scenes of the built-in world by default
OF_SCENES = ("scenes", "first_scene", "redraw")  # settings that only drawn scenes have


def _ascending(area: tuple[float, float]) -> tuple[float, float]:
    if area[0] > area[1]:
        raise ValueError(f"the lowest share comes first, not {area[0]:g} before {area[1]:g}")
    return area


Area = Annotated[tuple[Share, Share], AfterValidator(_ascending)]


class DataSettings(Part):
    """Where training samples come from, and how each is shown.

    Attributes:
        source: ``shapes`` (the built-in world), ``jsonl`` (a JSON Lines file) or ``shards`` (webdataset tars).
        path: JSON Lines file, or folder or pattern of shards, or addresses of shards (``s3://``, ``https://`` and
            others) and commands (``pipe:``), separated by ``::``. Passwords and keys in it are not stored.
        fields: Caption fields that are read from a sample's JSON; all known ones by default.
        workers: Worker processes that load batches ahead; depends on the source by default.
        samples: Number of samples of an epoch of shards that are read from addresses or commands; by default what a
            ``sizes.json`` beside them says.
        shuffle: Samples of such shards that each worker holds in order to shuffle them.
        scenes: Number of unique scenes of the built-in world.
        first_scene: The first of them, from 0, in the training split of 80,000.
        captions: Captions per image.
        locals: Local crops per image: the student's views in distillation.
        whole_views: Number of local crops, the last ones, that show the whole image.
        local_size: Side of a local crop in pixels.
        global_area: Lowest and highest share of the image that a global crop covers.
        local_area: Lowest and highest share of the image that a local crop covers.
        redraw: Share of local crops whose background is exchanged for another one; drawn scenes only.
        jitter: Strength of the change of colours of local crops, from 0 to 1; colour words stay right.
        sentences: Largest number of sentences that a caption joins.
        single_sentences: Number of captions, the last ones, that have one sentence.
        globals: Global crops per image; COSMOS has 2.
        questions: Questions per image.
        questions_as_captions: Whether questions take the places of captions: ``no``, ``answered`` (with their
            answers), or ``either`` (with or without them, half of the time each).
        question_captions: Number of captions whose places questions take.
        foils: Groups of foils per image, each a true caption and false ones.
        token_targets: Whether the token classes are those of the ``captions`` that were drawn, or of all texts of the
            ``image``.
    """

    source: Literal["shapes", "jsonl", "shards"] = "shapes"
    path: Annotated[str, PlainSerializer(shown)] = Field(default="", repr=False)
    fields: tuple[str, ...] = ()
    workers: NotNegative | None = None
    samples: Count | None = None
    shuffle: Count = 2_000
    scenes: Count = SCENES
    first_scene: NotNegative = 0
    captions: Count = 4
    locals: NotNegative = 0
    local_size: Count = 32
    global_area: Area = (0.8, 1.0)
    local_area: Area = (0.1, 0.4)
    whole_views: NotNegative = 0
    redraw: Fraction = 0.0
    jitter: Fraction = 0.0
    sentences: Count = MAX_SENTENCES
    single_sentences: NotNegative = 0
    globals: Count = 1
    questions: Count = 1
    questions_as_captions: QuestionsAsCaptions = "no"
    question_captions: Count = 1
    foils: Count = 1
    token_targets: Literal["captions", "image"] = "captions"

    @model_validator(mode="after")
    def _source_has_what_it_needs(self) -> DataSettings:
        if self.question_captions > min(self.captions, self.questions):
            raise ValueError(f"question_captions {self.question_captions} exceeds captions or questions")
        if self.source == "shapes" and (self.path or self.fields):
            raise ValueError("path and fields need source jsonl or shards")
        if self.source != "shapes" and not self.path:
            raise ValueError(f"source {self.source} needs a path")
        if self.source != "shapes" and (own := self.changed("scenes", "first_scene")):
            raise ValueError(f"{own[0]} needs source shapes; {self.source} trains on all samples of path")
        if self.source == "shapes" and self.first_scene + self.scenes > len(SPLITS["train"]):
            wanted = f"scenes {self.scenes:,} from first_scene {self.first_scene:,} on"
            raise ValueError(f"{wanted} exceed the {len(SPLITS['train']):,} of the training split")
        if self.samples is not None and not self.is_stream:
            raise ValueError("samples needs source shards and a path with addresses or commands; files are counted")
        return self

    @model_validator(mode="after")
    def _local_crops_can_change(self) -> DataSettings:
        if self.redraw and self.source != "shapes":
            raise ValueError(f"redraw needs source shapes: backgrounds of {self.source} are not known; use jitter")
        if self.whole_views > self.locals:
            raise ValueError(f"whole_views {self.whole_views} exceeds locals {self.locals}")
        if (self.redraw or self.jitter) and not self.locals:
            raise ValueError(f"{'redraw' if self.redraw else 'jitter'} changes local crops, and locals is 0")
        return self

    @property
    def is_stream(self) -> bool:
        """Whether shards are read from addresses or commands, and not from files."""
        return self.source == "shards" and is_stream(self.path)
