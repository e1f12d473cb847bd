"""The measured models of the data-efficiency plot, and why a measured model is not on it."""

from __future__ import annotations

import fnmatch
from collections import Counter, defaultdict
from dataclasses import replace

from goldieval.records.schema import Record
from goldieval.report.efficiency_point import EfficiencyPoint
from goldieval.report.score import display_name, of_record
from goldieval.report.seeds import mean_of_seeds
from goldieval.report.settings import Setting, main_setting, scoring_name, setting_of
from goldieval.report.table_sources import TableSources
from goldieval.report.table_spec import TableSpec


def records_of(task: str, metric: str, sources: TableSources) -> list[Record]:
    """Return the records of a column that were measured here."""
    records = [record for _, record in sources.records if not record.model.is_imported]
    return [record for record in records if record.task.name == task and metric in record.metrics]


def measured_points(
    task: str, metric: str, spec: TableSpec, sources: TableSources
) -> tuple[list[EfficiencyPoint], list[str], Setting | None]:
    """Return the measured models in the main setting of a column, one line for each other one, and that setting."""
    records = records_of(task, metric, sources)
    main = main_setting([setting_of(record) for record in records], sources.protocol(task), sources.version(task))
    points, missing = [], []
    for record in records:
        if fault := _not_comparable(record, main):
            missing.append(f"{display_name(record)}: {fault}")
        else:
            points.append((record, _point(record, metric, main, spec, sources)))
    of_seeds = spec.seeds == "mean" or any(panel.study for panel in spec.panels)
    folded = _mean_of_seeds(points) if of_seeds else _unique_names(points)
    return folded, list(dict.fromkeys(missing)), main


def _not_comparable(record: Record, main: Setting | None) -> str:
    """Return why a record does not stand beside the others; empty where it does. Its scoring mode may be another."""
    setting = setting_of(record)
    if restrictions := setting.restrictions():
        return f"measured on {', '.join(restrictions)}"
    differences = setting.differences(replace(main, scoring=setting.scoring)) if main else []
    return f"measured under another setting: {', '.join(differences)}" if differences else ""


def _point(
    record: Record, metric: str, main: Setting | None, spec: TableSpec, sources: TableSources
) -> EfficiencyPoint:
    score, model = of_record(record, metric), record.model
    assert score is not None and score.value is not None  # the caller selected records that have the metric
    low, high = (None if end is None or score.unreliable else 100 * end for end in (score.low, score.high))
    pairs, seen = training_data(record, spec, sources)
    other = scoring_name(record.task.scoring) if main and record.task.scoring != main.scoring else ""
    return EfficiencyPoint(
        display_name(record), "ours", 100 * score.value, low, high, pairs, seen, other_scoring=other, spec=model.spec
    )


def is_called(record: Record, pattern: str) -> bool:
    """Return whether the name, the spec or the recipe of a record's model fits a glob."""
    names = (display_name(record), record.model.spec, record.model.recipe)
    return any(fnmatch.fnmatchcase(name, pattern) for name in names)


def training_data(record: Record, spec: TableSpec, sources: TableSources) -> tuple[int | None, int | None]:
    """Return unique pairs and images seen of a record's model: as the user states, the record, or its publication."""
    model = record.model
    stated = spec.plot.trained if spec.plot else {}
    for pattern, trained in stated.items():
        if is_called(record, pattern):
            return trained.unique_pairs or model.unique_pairs, trained.images_seen or model.images_seen
    if model.unique_pairs or model.images_seen:
        return model.unique_pairs, model.images_seen
    published = next((one for one in sources.published.models.values() if one.spec and one.spec == model.spec), None)
    return (published.unique_pairs, published.images_seen) if published else (None, None)


def _unique_names(points: list[tuple[Record, EfficiencyPoint]]) -> list[EfficiencyPoint]:
    """Return the points, with seed or fingerprint in names that several models share."""
    models = {(point.name, record.model.seed, record.model.fingerprint) for record, point in points}
    shared = Counter(name for name, _, _ in models)
    seeds = Counter((name, seed) for name, seed, _ in models)
    unique = []
    for record, point in points:
        seed, name = record.model.seed, point.name
        if shared[name] > 1:
            by_seed = seed is not None and seeds[name, seed] == 1
            name += f", seed {seed}" if by_seed else f" [{record.model.fingerprint[:8]}]"
        unique.append(replace(point, name=name))
    return unique


def _mean_of_seeds(points: list[tuple[Record, EfficiencyPoint]]) -> list[EfficiencyPoint]:
    """Return one point for each name and amount of training data: the mean over seeds with its interval."""
    groups: dict[tuple[str, str, int | None, int | None], list[EfficiencyPoint]] = defaultdict(list)
    for _, point in points:
        groups[point.name, point.other_scoring, point.unique_pairs, point.images_seen].append(point)
    means = []
    for group in groups.values():
        if len(group) == 1:
            means += group
            continue
        middle, low, high = mean_of_seeds([point.score for point in group])
        means.append(replace(group[0], score=middle, low=max(0.0, low), high=min(100.0, high)))
    return means
