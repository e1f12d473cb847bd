"""Which of the improvements that papers claim can the samples of a set separate from chance?

A claim is a method and a baseline of the same paper on one set. Two shares of n samples are compared as if the models
had samples of their own (independent), and on the same samples (paired), where it matters how often models disagree.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from goldieval.metrics.effective import Z95
from goldieval.metrics.intervals import Z80
from goldieval.metrics.registry import metric_of
from goldieval.report.field.average import Name, average_error
from goldieval.report.field.numbers import units_of
from goldieval.report.model_agreement import independent_discordance, rows_of
from goldieval.report.published import GRADES
from goldieval.report.score import Score
from goldieval.report.table_sources import TableSources
from goldieval.tasks.averages import Average
from goldieval.tasks.catalogue import packaged

POWER = Z95 + Z80
"""Standard errors of the smallest difference that a test at 5 % detects with 80 % power."""


@dataclass(frozen=True)
class Claim:
    """One improvement of a method over a baseline.

    Attributes:
        paper: the paper.
        method: the method.
        baseline: the baseline.
        task: name of the task.
        metric: name of the metric.
        values: scores of baseline and method, in the stored unit.
        n: independent units; None where they are not known or the score is no share.
        independent: standard error of the difference of models with samples of their own; None where n is not known.
        paired: standard errors on the same samples, at the least and at the greatest discordance.
    """

    paper: str
    method: str
    baseline: str
    task: str
    metric: str
    values: tuple[float, float]
    n: int | None
    independent: float | None
    paired: tuple[float, float] | None

    @property
    def difference(self) -> float:
        """Method minus baseline."""
        return self.values[1] - self.values[0]

    @property
    def verdict(self) -> str:
        """Whether a test at 5 % separates the two."""
        size = abs(self.difference)
        if self.independent is None or self.paired is None:
            return "not testable"
        if size > Z95 * self.independent:
            return "independent"
        if size > Z95 * self.paired[1]:
            return "paired"
        return "paired, if they agree much" if size > Z95 * self.paired[0] else "no"


VERDICTS = ("independent", "paired", "paired, if they agree much", "no", "not testable")


def independent_error(first: float, second: float, n: int) -> float:
    """Return the standard error of the difference of two shares of n samples each."""
    return math.sqrt((first * (1 - first) + second * (1 - second)) / n)


def paired_error(first: float, second: float, n: int, ratio: float) -> float:
    """Return the standard error of the difference of two shares on the same n samples.

    Args:
        first: one share.
        second: the other.
        n: number of samples.
        ratio: discordant samples, relative to those of models that err independently.
    """
    difference = abs(first - second)
    discordant = max(ratio * independent_discordance(first, second), difference)
    return math.sqrt(max(discordant - difference**2, 0.0) / n)


def read_claims(sources: TableSources, ratios: tuple[float, float], file: Path | None = None) -> list[Claim]:
    """Return every claim of results/published/claims.csv, once for each task and metric that both models have.

    Args:
        sources: published numbers and cards.
        ratios: least and greatest discordance, relative to models that err independently.
        file: the pairs of method and baseline.
    """
    claims: dict[tuple[object, ...], Claim] = {}
    for row in rows_of(file or packaged("results/published") / "claims.csv"):
        for task, metric in sorted(sources.published.columns):
            values = [_printed(sources, row["paper"], row[part], task, metric) for part in ("baseline", "method")]
            if values[0] is None or values[1] is None or values[0].protocol != values[1].protocol:
                continue
            claim = _claim(row, values[0], values[1], sources, ratios)
            claims.setdefault((claim.paper, task, metric, claim.values), claim)  # tables repeat numbers of others
    return list(claims.values())


def _printed(sources: TableSources, paper: str, model: str, task: str, metric: str) -> Score | None:
    """Return a number of a model as the paper prints it, else with the best evidence; None where there is none."""
    scores = [score for score in sources.published.find(model, task, metric) if score.value is not None]
    order = {grade: place for place, grade in enumerate(GRADES)}
    return min(scores, key=lambda score: (paper.lower() not in score.source.lower(), order[score.grade]), default=None)


def _claim(
    row: dict[str, str], baseline: Score, method: Score, sources: TableSources, ratios: tuple[float, float]
) -> Claim:
    first, second = baseline.value or 0.0, method.value or 0.0
    n = units_of(method.task, method.metric, sources)
    independent, paired = None, None
    if method.task in sources.averages:
        independent = math.sqrt(2) * _error_of_averages(sources.averages[method.task], sources)
        paired = independent * math.sqrt(ratios[0]), independent * math.sqrt(ratios[1])
    elif n is not None and metric_of(method.metric).unit.stored_as == "fraction":
        independent = independent_error(first, second, n)
        paired = paired_error(first, second, n, ratios[0]), paired_error(first, second, n, ratios[1])
    names = row["paper"], row["method"], row["baseline"]
    return Claim(*names, method.task, method.metric, (first, second), n, independent, paired)


def _error_of_averages(average: Average, sources: TableSources) -> float:
    """Return the greatest error of an average, among the published models of which every member is known."""
    by_model: dict[str, dict[Name, float]] = {}
    for score in sources.published.scores:
        if score.value is not None:
            by_model.setdefault(score.model, {}).setdefault((score.task, score.metric), score.value)
    errors = [average_error(average, scores, sources) for scores in by_model.values()]
    return max(error for error in errors if error is not None)
