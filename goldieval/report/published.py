"""Published numbers from results/published, with the names of tasks and metrics that cards use."""

from __future__ import annotations

import csv
import fnmatch
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from goldieval.core.errors import GoldievalError, did_you_mean
from goldieval.metrics.units import UNITS
from goldieval.report.score import Score
from goldieval.report.task_sizes import TaskSize, size_of_row
from goldieval.tasks.catalogue import packaged

COLUMNS = ["model", "arch", "train_images", "task", "protocol", "metric", "value", "unit", "source", "grade", "note"]
GRADES = ("code", "paper", "image", "given", "issue", "secondary")  # best first
NOT_SCORES = ("models.csv", "sizes.csv", "claims.csv", "agreement.csv")
SCORINGS = {"training-free, plain patches": "dense:plain:*", "training-free, CSA": "dense:csa:*", "setting unknown": ""}


@dataclass(frozen=True)
class PublishedModel:
    """A published model.

    Attributes:
        name: name of the model.
        arch: architecture of the model.
        train_images: training data as described in the paper.
        unique_pairs: distinct training pairs; None where not known.
        images_seen: images that training saw; None where not known.
        spec: model spec that loads it; empty where there is none.
        note: what a reader of the table must know.
        also: names of the same weights in the results of other harnesses.
    """

    name: str
    arch: str
    train_images: str
    unique_pairs: int | None
    images_seen: int | None
    spec: str
    note: str
    also: tuple[str, ...] = ()


class Published:
    """All published models and numbers.

    Attributes:
        models: models by name.
        scores: the numbers.
        sizes: number of independent units of tasks and metrics.
        columns: pairs of task and metric that have a number.
        tasks: tasks that have a number.
    """

    def __init__(self, models: dict[str, PublishedModel], scores: list[Score], sizes: Sequence[TaskSize] = ()) -> None:
        self.models = models
        self.scores = scores
        self.sizes = sizes
        self._cells: dict[tuple[str, str, str], list[Score]] = {}
        for score in scores:
            self._cells.setdefault((score.model, score.task, score.metric), []).append(score)
        self._settings: dict[tuple[str, str], Counter[tuple[str, str]]] = {}
        for score in scores:
            settings = self._settings.setdefault((score.task, score.metric), Counter())
            settings[score.protocol, score.scoring] += 1
        self._by_name = {name: each for each in models.values() for name in (*each.also, each.spec, each.name) if name}
        self.columns = {(score.task, score.metric) for score in scores}
        self.tasks = {score.task for score in scores}

    def find(self, model: str, task: str, metric: str) -> list[Score]:
        """Return the published scores of a model, those with the best evidence first."""
        scores = self._cells.get((model, task, metric), [])
        return sorted(scores, key=lambda score: GRADES.index(score.grade))

    def usual_protocol(self, task: str, metric: str, scoring: str = "") -> str:
        """Return the most frequent protocol of a column, preferably among rows with the scoring mode of the column.

        Args:
            task: name of the task.
            metric: name of the metric.
            scoring: scoring mode of the records in the column.
        """
        counts: Counter[str] = Counter()
        fitting = set()
        for (protocol, pattern), count in self._settings.get((task, metric), Counter()).items():
            counts[protocol] += count
            fitting |= {protocol} if fnmatch.fnmatchcase(scoring, pattern) else set()
        return max(counts, key=lambda name: (name in fitting, counts[name], name), default="")

    def usual_scoring(self, task: str, metric: str, protocol: str) -> str:
        """Return the most frequent scoring mode of a column under a protocol, as a glob over scoring modes."""
        settings = self._settings.get((task, metric), Counter())
        counts = {scoring: count for (name, scoring), count in settings.items() if name == protocol}
        return max(counts, key=lambda name: (counts[name], name), default="")

    def named(self, name: str) -> PublishedModel | None:
        """Return the published model with a name, a spec or a name in another harness; None if there is none."""
        return self._by_name.get(name)

    def stated_size(self, task: str, metric: str) -> TaskSize | None:
        """Return the row of sizes.csv about a metric of a task; None if there is none."""
        fits = (size for size in self.sizes if size.task == task and fnmatch.fnmatchcase(metric, size.metric))
        return next(fits, None)

    def size(self, task: str, metric: str) -> int | None:
        """Return the number of independent units of a metric, by sizes.csv; None where it is not stated there."""
        stated = self.stated_size(task, metric)
        return stated.n if stated else None

    def check_model(self, name: str) -> str:
        """Return what is wrong with the name of a model; empty where nothing is."""
        if name in self.models:
            return ""
        return f"no published model {name!r}.{did_you_mean(name, self.models)}"


def load_published(folder: Path | None = None) -> Published:
    """Read results/published (or ``folder``).

    Raises:
        GoldievalError: a file cannot be read, or a row is invalid; the message names file and line.
    """
    folder = folder or packaged("results/published")
    models = {model.name: model for model in (_model(*row) for row in _rows(folder / "models.csv"))}
    files = sorted(file for file in folder.glob("*.csv") if file.name not in NOT_SCORES)
    scores = [_score(place, row, models) for file in files for place, row in _rows(file)]
    sizes = [size_of_row(*row) for row in _rows(folder / "sizes.csv")] if (folder / "sizes.csv").is_file() else []
    return Published(models, scores, sizes)


def _rows(file: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield each row with its place, as ``file:line``."""
    try:
        with file.open(newline="", encoding="utf-8") as stream:
            reader = csv.DictReader(stream)
            for row in reader:
                if None in row or None in row.values():
                    raise GoldievalError(f"{file}:{reader.line_num}: {len(reader.fieldnames or [])} cells expected.")
                yield f"{file}:{reader.line_num}", row
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise GoldievalError(f"cannot read {file}: {error}") from error


def _model(place: str, row: dict[str, str]) -> PublishedModel:
    try:
        pairs, seen = (int(row[name]) if row[name] else None for name in ("unique_pairs", "images_seen"))
        also = tuple(name.strip() for name in row.get("also", "").split(";") if name.strip())
        return PublishedModel(
            row["model"], row["arch"], row["train_images"], pairs, seen, row["spec"], row["note"], also
        )
    except (KeyError, ValueError) as error:
        raise GoldievalError(f"{place}: {error}: a model needs model, arch, train_images and whole numbers.") from None


def _score(place: str, row: dict[str, str], models: dict[str, PublishedModel]) -> Score:
    if missing := [name for name in COLUMNS if name not in row]:
        raise GoldievalError(f"{place}: no column {missing[0]!r}.")
    if row["model"] not in models:
        raise GoldievalError(f"{place}: {row['model']!r} is not in models.csv.{did_you_mean(row['model'], models)}")
    for column, allowed in (("grade", GRADES), ("unit", UNITS)):
        if row[column] not in allowed:
            raise GoldievalError(f"{place}: {column} {row[column]!r} must be one of {', '.join(allowed)}.")
    if not row["value"] and not row["note"]:
        raise GoldievalError(f"{place}: an empty value needs a note that says what is known.")
    try:
        value = float(row["value"]) if row["value"] else None
    except ValueError:
        raise GoldievalError(
            f"{place}: value {row['value']!r} is not a number. Leave it empty if it cannot be read."
        ) from None
    scale = UNITS[row["unit"]].scale
    return Score(
        row["model"], "published", row["task"], row["metric"], None if value is None else value / scale, row["unit"],
        protocol=row["protocol"], source=row["source"], grade=row["grade"], note=row["note"],
        scoring=row.get("scoring") or SCORINGS.get(row["protocol"], "global"),
    )  # fmt: skip
