"""The settings of one run, validated in one place for the command line and for Python."""

from __future__ import annotations

import operator
import os
from dataclasses import field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, StrictBool, ValidationError
from pydantic.dataclasses import dataclass

from goldieval.core.errors import GoldievalError
from goldieval.engine.shards import Shard, to_shard
from goldieval.models.inputs import Batching
from goldieval.tasks.validation import validation_line
from goldieval.tracking.names import tracker_names


def _to_integer(value: Any) -> int:
    try:
        if not isinstance(value, bool):
            return operator.index(value)  # accepts integers of NumPy and torch as well
    except TypeError:
        pass
    raise ValueError(f"should be an integer, but is {value!r}")


def _to_path(value: Any) -> Any:
    return Path(value).expanduser() if isinstance(value, str | os.PathLike) else value


ExpandedPath = Annotated[Path, BeforeValidator(_to_path)]
Count = Annotated[int, Field(ge=0), BeforeValidator(_to_integer)]


@dataclass(frozen=True)
class Options:
    """Settings of ``goldieval run`` and ``goldieval.evaluate``.

    Attributes:
        out: folder for the records, or None to write none.
        data_dir: folder of the data; None means ``$GOLDIEVAL_DATA``, else the cache.
        tasks_dir: folder with the user's own task cards.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.
        precision: of the encoders; scores are always float32.
        batching: batch sizes and number of threads.
        overrides: parameters of the cards to replace, by name.
        limit: number of images to take of each task.
        allow_bad: number of unreadable pictures of a task that may be left out.
        cache: whether embeddings are read from the store and kept there.
        offline: whether network access is refused.
        dry_run: whether only the plan is made.
        scoring: ``global``, ``conditioned`` or ``shortlist:K``; None leaves it to the card and the model.
        subset: ``present`` leaves out images whose picture file is missing; empty for all images.
        save_images: number of pictures of each segmentation, or with boxes, to write with truth and prediction.
        log: names of the trackers that get the scores.
        shard: the part of models and tasks to evaluate; None for all of them.
        distributed: whether the processes of a launcher, or of a training that is under way, share the work.
    """

    out: ExpandedPath | None = Path("results")
    data_dir: ExpandedPath | None = None
    tasks_dir: ExpandedPath | None = None
    device: str = "auto"
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    batching: Batching = field(default_factory=Batching)
    overrides: dict[str, Any] = field(default_factory=dict)
    limit: Annotated[int, Field(ge=1), BeforeValidator(_to_integer)] | None = None
    allow_bad: Count = 0
    cache: StrictBool = True
    offline: StrictBool = False
    dry_run: StrictBool = False
    scoring: str | None = None
    subset: str = ""
    save_images: Count = 0
    log: Annotated[tuple[str, ...], BeforeValidator(tracker_names)] = ()
    shard: Annotated[Shard | None, BeforeValidator(to_shard)] = None
    distributed: StrictBool = True


def validated_options(settings: dict[str, Any]) -> Options:
    """Return the options of a caller's settings.

    Raises:
        GoldievalError: a value has the wrong type or is out of range; the setting is named.
    """
    try:
        return Options(**settings)
    except ValidationError as error:
        raise GoldievalError(f"evaluate: {validation_line(error)}") from None
