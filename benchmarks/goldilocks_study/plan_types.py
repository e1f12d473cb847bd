"""The typed parts of ``plan.yaml``, the plan of the study ``goldilocks``."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

Stage = Literal["length", "choose", "final", "batches", "scenes"]


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Start(Part):
    """The checkpoint that all rows begin with.

    Attributes:
        recipe: its recipe.
        share: least share of pictures whose highest shape word is right.
        pictures: number of pictures of the validation split on which that is measured.
    """

    recipe: str
    share: float
    pictures: int


class Variant(Part):
    """How runs of a row differ within a group.

    Attributes:
        steps: number of steps; None for the length of the study, or for what ``images`` gives.
        images: number of images seen, instead of ``steps``.
        batch: images per step; learning rates scale with its square root, the warm-up lasts equally many images.
        scenes: number of unique scenes.
        changes: further values of the recipe by dotted key.
        rows: rows that have this variant; None for all.
    """

    steps: int | None = None
    images: int | None = None
    batch: int | None = None
    scenes: int | None = None
    changes: dict[str, Any] = {}
    rows: list[str] | None = None


class Group(Part):
    """Runs that one table or curve shows.

    Attributes:
        stage: the stage of the script that trains them.
        rows: row to its number of seeds.
        first_seed: the first of these seeds.
        test: whether they are evaluated on the test split at their end.
        as_long_as: row whose processor time each run gets; empty for equal numbers of images.
        changes: values of the recipes by dotted key.
        variants: name to variant; "" for the row itself.
    """

    stage: Stage
    rows: dict[str, int]
    first_seed: int = 0
    test: bool = True
    as_long_as: str = ""
    changes: dict[str, Any] = {}
    variants: dict[str, Variant] = {"": Variant()}


class Validation(Part):
    """Evaluations on scenes of the validation split.

    Attributes:
        tasks: names of cards.
        on_the_way: number of scenes for the checkpoints of a run that is evaluated on the test split at its end.
        at_the_end: number of scenes for the last checkpoint of the other runs.
    """

    tasks: list[str]
    on_the_way: int
    at_the_end: int


class AtTheEnd(Part):
    """The final evaluation.

    Attributes:
        tasks: names of cards.
        decoder_tasks: further ones, for models with a decoder.
    """

    tasks: list[str]
    decoder_tasks: list[str]


class Gate(Part):
    """What has to hold for a table to be printed: a row is neither near chance nor near the ceiling.

    Attributes:
        row: the row, GROUP/ROW.
        low: least share of the way from chance to ceiling.
        high: largest share.
        columns: columns of the tables.
        need: number of them in which the row lies between both.
    """

    row: str
    low: float
    high: float
    columns: list[str]
    need: int


class Claim(Part):
    """A claim about sums of rows: those of ``plus`` less those of ``minus``.

    Attributes:
        says: the claim.
        plus: rows, GROUP/ROW.
        minus: as many rows.
        columns: columns of the tables in which it is tested.
        kind: how it is judged, see ``claims.py``.
        target: difference that it names, in points.
        need: number of columns in which it has to hold; all of them by default.
    """

    says: str
    plus: list[str]
    minus: list[str]
    columns: list[str]
    kind: Literal["at_least", "not_lower", "within", "report"]
    target: float = 0.0
    need: int | None = None
