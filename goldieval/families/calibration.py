"""The part of a record that says how probable a classifier's answers are, from the columns of its outcomes."""

from __future__ import annotations

from goldieval.metrics.calibration import bias, reliability
from goldieval.metrics.confidences import CLASSWISE, COLUMNS
from goldieval.metrics.query_values import Columns
from goldieval.metrics.registry import metric_of
from goldieval.records.parts import Calibration, ReliabilityBin

NO_FACTOR = "the temperature of this model is not known (no logit_scale), so that cosines are no probabilities"
ON_SHORTLIST = "classes that are not on the shortlist have no score"
NO_CLASSWISE = "no classwise error: text-conditioned scores would have to be computed twice"
BINNED = ("ece", "ece_adaptive")


def calibration_of_cosines(outcomes: Columns, factor: float | None) -> Calibration:
    """Return the calibration of a zero-shot classification.

    Args:
        outcomes: columns of the outcomes.
        factor: factor of the scores before the softmax; None if it is not known.
    """
    if factor is None or COLUMNS[0] not in outcomes:
        return Calibration(probabilities="", missing=NO_FACTOR if factor is None else ON_SHORTLIST)
    what = f"softmax over the classes of {factor:.6g} x similarity, the model's own temperature"
    return calibration_of(outcomes, what, "" if CLASSWISE in outcomes else NO_CLASSWISE)


def calibration_of(outcomes: Columns, probabilities: str, missing: str = "") -> Calibration:
    """Return the calibration of any classification.

    Args:
        outcomes: columns of the outcomes, with those of probabilities.
        probabilities: what the probabilities are.
        missing: what was not computed, and why.
    """
    bins = reliability(outcomes["place"] < 1, outcomes[COLUMNS[0]])
    biases = {}
    for name in BINNED:
        values = metric_of(name).values(outcomes)
        assert values is not None and values.strata is not None
        biases[name] = bias(values.values, values.strata)
    return Calibration(
        probabilities=probabilities,
        missing=missing,
        bins=[
            ReliabilityBin(low=low, high=high, count=count, confidence=confidence, accuracy=accuracy)
            for low, high, count, confidence, accuracy in bins
        ],
        bias=biases,
    )
