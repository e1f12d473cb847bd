"""The ``model-index`` block of a Hugging Face model card."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from goldieval.core.errors import GoldievalError
from goldieval.core.text import one_line
from goldieval.data.source import Source
from goldieval.metrics.registry import metric_of
from goldieval.metrics.units import PERCENT
from goldieval.records.parts import MeasuredMetric
from goldieval.records.schema import Record
from goldieval.report.score import display_name
from goldieval.tasks.catalogue import Catalogue

if TYPE_CHECKING:
    from huggingface_hub import EvalResult

TASK_TYPES = {
    "retrieval": "image-text-retrieval",
    "image_retrieval": "image-to-image-retrieval",
    "association": "image-text-matching",
    "regions": "zero-shot-image-classification",
    "crossed": "image-text-matching",
    "choice": "image-text-matching",
    "zeroshot": "zero-shot-image-classification",
    "probe": "image-classification",
    "segmentation": "image-segmentation",
    "vqa": "visual-question-answering",
}
"""Identifiers of the Hub by task family; another family keeps its name."""
METRIC_TYPES = {"acc1": "accuracy", "miou": "mean_iou"}
"""Identifiers of the Hub by metric; another metric keeps its name."""
SHAPES_NOTE = "a self-test on generated scenes and no benchmark"
DIGITS = 6


@dataclass(frozen=True)
class ModelCard:
    """The block and what it does not contain.

    Attributes:
        yaml: the block.
        left_out: one line for each record of the model that is not in it.
    """

    yaml: str
    left_out: list[str]


def model_card(records: Sequence[Record], model: str = "") -> ModelCard:
    """Return the results of one model as a ``model-index`` block.

    Only records with status ok are in it, the newest of each setting. Shares are fractions. Nothing claims to be
    verified, and there is no source: the Hub wants an address for it, which a local run does not have.

    Args:
        records: records of any models.
        model: spec or beginning of the fingerprint of the model to take; may be empty if there is only one.

    Raises:
        GoldievalError: there is no such model, there are several, or none of its records is complete.
    """
    from huggingface_hub import ModelCardData

    of_model = _of_one_model(records, model)
    complete, left_out = _newest([record for record in of_model if record.status == "ok" and record.metrics])
    left_out += [
        f"{record.task.name} is not in the block: {record.status}: {record.reason or 'no scores'}"
        for record in of_model
        if record.status != "ok" or not record.metrics
    ]
    if not complete:
        raise GoldievalError(f"no complete record of {of_model[0].model.spec}: {left_out[0]}")
    sources = {task.hash: task.card.source for task in Catalogue().tasks.values()}
    tasks = Counter(record.task.name for record in complete)
    results = [
        result
        for record in complete
        for result in _results(record, sources.get(record.task.card_sha256), is_only=tasks[record.task.name] == 1)
    ]
    # the name is one of a model card, whose reader does not have the folders of this machine
    data = ModelCardData(model_name=one_line(display_name(complete[0])), eval_results=results)
    return ModelCard(data.to_yaml(), left_out)


def _of_one_model(records: Sequence[Record], wanted: str) -> list[Record]:
    found: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        names = (record.model.spec, display_name(record))
        if not wanted or wanted in names or (len(wanted) >= 6 and record.model.fingerprint.startswith(wanted)):
            found.setdefault((record.model.fingerprint, record.model.precision), []).append(record)
    if not found:
        known = sorted({record.model.spec for record in records})
        raise GoldievalError(
            f"--model {wanted!r}: no records of it. There are: {', '.join(known)}." if known else "no records here."
        )
    if len(found) > 1:
        models = [f"{group[0].model.spec} ({key[0][:8]}, {key[1]})" for key, group in found.items()]
        raise GoldievalError(
            f"a model card is of one model, and these are {len(found)}: {', '.join(models)}. "
            "Choose with --model SPEC or --model FINGERPRINT, or name the folder of one."
        )
    (only,) = found.values()
    return only


def _newest(records: Sequence[Record]) -> tuple[list[Record], list[str]]:
    """Return the newest record of each setting, by task, and a line for each older one."""
    newest: dict[str, Record] = {}
    left_out: list[str] = []
    for record in sorted(records, key=lambda record: record.run.started):
        if record.setting in newest:
            left_out.append(f"{record.task.name} is in the block once: an older record on other data is left out")
        newest[record.setting] = record
    return sorted(newest.values(), key=lambda record: (record.task.name, record.setting)), left_out


def _results(record: Record, source: Source | None, is_only: bool) -> list[EvalResult]:
    """Return the metrics of a record that a summary shows, the headline first.

    Args:
        record: the record.
        source: source of its card, if this is a card of the package.
        is_only: whether no other record of the block is of the same task.
    """
    from huggingface_hub import EvalResult

    task = record.task
    about: dict[str, Any] = {
        "task_type": TASK_TYPES.get(task.family, task.family),
        **_dataset(record, source),
        # Results with the same type, configuration, split and revision would become one entry of the block.
        "dataset_config": one_line(task.name if is_only else f"{task.name}-{record.setting[:8]}"),
        "dataset_args": {
            "protocol": one_line(task.protocol),
            "scoring": one_line(task.scoring),
            "model_sha256": record.model.fingerprint,
            "evaluated_with": f"goldieval {version('goldieval')}",
        },
    }
    names = [name for name in record.metrics if name == task.headline or metric_of(name).in_summary]
    names.sort(key=lambda name: name != task.headline)
    return [
        EvalResult(
            **about,
            metric_type=METRIC_TYPES.get(name, name),
            metric_name=one_line(metric_of(name).label),
            metric_value=_number(record.metrics[name].value),
            metric_args=_arguments(name, record.metrics[name]),
        )
        for name in names
    ]


def _dataset(record: Record, source: Source | None) -> dict[str, str | None]:
    """Return the data set as the Hub names it; without a repository its id, but no folder of this machine."""
    task = record.task
    origin = next((origin for origin in record.data.origins if "@" in origin and "://" not in origin), "")
    repository, _, revision = origin.partition("@")
    own_name = record.data.source if "/" not in record.data.source else task.name
    notes = [
        f"a subset of {task.limit:,} images" if task.limit else "",
        f"only images that are {task.subset}" if task.subset else "",
        SHAPES_NOTE if record.data.source == "shapes" else "",
    ]
    return {
        "dataset_type": one_line(repository or (source.hub if source else "") or own_name),
        "dataset_name": one_line(", ".join([task.title, *filter(None, notes)])),
        "dataset_split": str(split) if (split := getattr(source, "split", "")) else None,
        "dataset_revision": one_line(revision) or None,
    }


def _arguments(name: str, metric: MeasuredMetric) -> dict[str, Any]:
    """Return what belongs to a score: interval, n and chance level, as far as they are known."""
    unit = metric_of(name).unit
    return {
        "unit": unit.stored_as if unit is PERCENT else unit.name,
        "n": metric.n,
        **({} if metric.low is None else {"low_95": _number(metric.low)}),
        **({} if metric.high is None else {"high_95": _number(metric.high)}),
        **({} if metric.chance is None else {"chance": _number(metric.chance)}),
        **({"unreliable_interval": one_line(metric.unreliable)} if metric.unreliable else {}),
    }


def _number(value: float) -> float:
    return round(value, DIGITS)
