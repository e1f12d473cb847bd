"""The heads of a dense probe on a frozen tower: a learning rate chosen on held-out pictures, then a head per seed.

Heads are shared among ranks; every rank has all of them afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from goldieval.core.errors import TaskError
from goldieval.core.group import share
from goldieval.families.dense_probe_check import Checked
from goldieval.families.dense_probe_features import DESCRIPTIONS, Run, features_of
from goldieval.families.dense_probe_fit import SOLVER, HeadPlan, Training
from goldieval.families.dense_probe_head import Head, head_of
from goldieval.families.dense_probe_predict import Predict, by_heads, predicted
from goldieval.families.finished import NoParts
from goldieval.families.probe_data import lowest_hashes
from goldieval.metrics.crossed_sums import ONE_SEED
from goldieval.records.parts import Probe

HEAD = "batch normalisation over patches and a 1x1 convolution"
HELD_OUT_BY = "the images whose sha256 of 0/id is lowest"


@dataclass(frozen=True)
class Fitted:
    """Trained heads, or towers with heads.

    Attributes:
        predict: predicts a picture, one map per seed.
        probe: how they were trained, for the record.
        warnings: what a reader of the numbers must know.
    """

    predict: Predict
    probe: Probe
    warnings: list[str] = field(default_factory=list)


Fit = Callable[[Run, Checked], Fitted]


@dataclass(frozen=True)
class Choice:
    """The learning rate.

    Attributes:
        rate: the best one.
        rates: all that were tried, ascending.
        scores: score of each on the held-out pictures; empty if there was nothing to choose.
        heldout: number of held-out pictures.
    """

    rate: float
    rates: list[float]
    scores: list[float]
    heldout: int

    @property
    def warnings(self) -> list[str]:
        """A line if the best rate is at an end of those that were tried."""
        ends = {self.rates[0]: "smaller", self.rates[-1]: "larger"}
        if not self.scores or self.rate not in ends:
            return []
        return [
            f"the chosen learning rate {self.rate:g} is at the end of those tried: "
            f"try {ends[self.rate]} ones with --set learning_rates=[...]"
        ]


def frozen(run: Run, checked: Checked) -> Fitted:
    """Train the heads of a task on the features of its frozen tower.

    Args:
        run: the task and the model.
        checked: its pictures.

    Raises:
        TaskError: the features are invalid, or no held-out picture has a pixel to score.
    """
    prepared, params = run.prepared, run.prepared.params
    features = features_of(run)
    features.prepare(prepared.train.tolist())
    run.group.all_gather(None)  # the features of all ranks are stored
    training = Training(features, checked.sizes, run.device)
    choice = _chosen(training, checked)
    first = len(choice.rates)
    rows = tuple(prepared.train.tolist())
    plans = [HeadPlan(first + seed, rows, seed, choice.rate) for seed in range(params.seeds)]
    heads = _trained(training, plans, ("train", f"training {len(plans)} heads"))
    probe = Probe(
        method="dense-linear",
        features=DESCRIPTIONS[params.features],
        solver=f"{HEAD}, {SOLVER}",
        train=len(rows),
        settings={"target": params.target, **prepared.target.settings},
        heldout=choice.heldout,
        heldout_by=HELD_OUT_BY if choice.heldout else "",
        learning_rates=choice.rates,
        heldout_metric=prepared.target.heldout_score if choice.heldout else "",
        heldout_scores=choice.scores,
        learning_rate=choice.rate,
        heads=len(heads),
        steps=training.steps(plans[0]),
    )
    one = [ONE_SEED] if len(heads) == 1 else []
    return Fitted(by_heads(features, heads), probe, choice.warnings + one)


def _chosen(training: Training, checked: Checked) -> Choice:
    """Train a head of seed 0 with each learning rate on a part of the training pictures, and score it on the others."""
    run, prepared, params = training.run, training.prepared, training.params
    rates = sorted(params.learning_rates)
    if len(rates) == 1:
        return Choice(rates[0], rates, [], 0)
    held, rest = held_out([prepared.dataset.images[row].id for row in prepared.train], params.heldout)
    held, rest = prepared.train[held], prepared.train[rest]
    _check_content(training, checked, held, rest)
    plans = [HeadPlan(number, tuple(rest.tolist()), 0, rate) for number, rate in enumerate(rates)]
    heads = _trained(training, plans, ("choose", "choosing the learning rate"))
    phase = "heldout", "scoring held-out training images"
    results = predicted(run, held.tolist(), by_heads(training.features, heads), phase, NoParts(), draws=0)
    counts = np.stack([result.counts for result in results])
    scores = [prepared.target.heldout(counts[:, number]) for number in range(len(rates))]
    return Choice(rates[int(np.argmax(scores))], rates, scores, len(held))


def held_out(ids: Sequence[str], fraction: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows that are held out and the others; at least one of each of two or more.

    Args:
        ids: ids of the training pictures.
        fraction: fraction to hold out.
    """
    count = min(max(1, int(fraction * len(ids))), len(ids) - 1)
    held = lowest_hashes(ids, np.zeros(len(ids), dtype=np.int64), count, 0)
    return held, np.setdiff1d(np.arange(len(ids)), held)


def _check_content(training: Training, checked: Checked, held: np.ndarray, rest: np.ndarray) -> None:
    """Raise TaskError if nothing can be learned without the held-out pictures, or these have nothing to score."""
    if not checked.content(held).any():
        raise TaskError(
            f"none of the {len(held):,} held-out training images has a pixel to score: raise --limit or params.heldout."
        )
    try:
        training.prepared.target.check_train(checked.content(rest))
    except TaskError as error:
        raise TaskError(f"without the {len(held):,} held-out training images, {error}") from None


def _trained(training: Training, plans: Sequence[HeadPlan], phase: tuple[str, str]) -> list[Head]:
    """Train heads, of which every rank takes a share; return all of them on every rank."""
    run = training.run
    mine = [plan for _, plan in share(plans, run.group)]
    own = []
    with run.working(*phase, sum(training.steps(plan) for plan in mine)) as meter:
        for plan in mine:
            own.append(training.trained(plan, meter).arrays())
    arrays: list[dict[str, np.ndarray]] = [{}] * len(plans)
    for rank, part in enumerate(run.group.all_gather(own)):
        arrays[rank :: run.group.size] = part
    return [head_of(each, training.device) for each in arrays]
