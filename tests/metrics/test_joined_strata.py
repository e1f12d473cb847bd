"""Metrics of several strata together, such as recall of sentences about objects or relations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from family_cases import pictures
from helpers import goldieval
from pydantic import ValidationError

from goldieval.core.errors import TaskError
from goldieval.data.samples import Dataset
from goldieval.families.aggregates import check_strata, strata_columns
from goldieval.metrics.query_values import rows_of_stratum
from goldieval.metrics.registry import metric_of, names_of
from goldieval.records.files import read_outcomes
from goldieval.records.results import read_records
from goldieval.tasks.retrieval_params import RetrievalParams

GENERATOR = np.random.default_rng(0)
KINDS = np.array(["object", "relation", "background", "object"])[GENERATOR.integers(0, 4, 200)]
GOOD = GENERATOR.random(200) < np.where(KINDS == "background", 0.9, 0.3)
OF_BOTH = np.isin(KINDS, ["object", "relation"])


def columns(hit: np.ndarray = GOOD, of_file: bool = False) -> dict[str, Any]:
    """Return the outcomes of sentences, of which four belong to an image, of 50 images."""
    ranks = np.where(hit, 1, 7)
    made = {
        "direction": np.full(200, "t2i", dtype=object), "sample_id": np.arange(200).astype(str),
        "cluster_id": np.arange(200) // 4, "rank_low": ranks, "rank_high": ranks,
    }  # fmt: skip
    if of_file:
        return made | {"strata": np.array([[kind] for kind in KINDS] + [0], dtype=object)[:-1]}
    return made | {"gallery": np.full(200, 50)} | {f"stratum:{kind}": kind == KINDS for kind in set(KINDS)}


@pytest.mark.parametrize("of_file", [False, True])
def test_a_union_holds_the_queries_of_any_of_its_strata(of_file: bool) -> None:
    metric = metric_of("t2i_r1_object+relation")
    values = metric.values(columns(of_file=of_file))
    assert values is not None and values.rows.tolist() == np.flatnonzero(OF_BOTH).tolist()
    interval = metric.interval(values)
    assert interval.value == pytest.approx(GOOD[OF_BOTH].mean()) and interval.n == OF_BOTH.sum()
    assert interval.low is not None and interval.low < interval.value
    assert metric.score(values) != pytest.approx(GOOD.mean(), abs=0.05)


def test_chance_and_the_paired_test_are_of_its_queries_alone() -> None:
    metric = metric_of("t2i_r1_object+relation")
    assert metric.guess(columns()) == pytest.approx(1 / 50)
    gains = [gains_of(GOOD | (kind == KINDS)) for kind in ("background", "object")]
    assert gains == [0, np.count_nonzero((KINDS == "object") & ~GOOD)]


def gains_of(better: np.ndarray) -> int:
    """Return how many queries a model gains that is right on these, of the paired test with the first model."""
    metric = metric_of("t2i_r1_object+relation")
    a, b = (metric.values(columns(hit, of_file=True)) for hit in (GOOD, better))
    assert a is not None and b is not None
    result = metric.paired(a, b)
    assert (result.n, result.losses, result.b) == (OF_BOTH.sum(), 0, pytest.approx(better[OF_BOTH].mean()))
    return result.gains


def test_a_subset_may_lack_one_of_the_strata() -> None:
    few = {name: column for name, column in columns().items() if name != "stratum:relation"}
    rows = rows_of_stratum(few, "object+relation")
    assert rows is not None and rows.tolist() == np.flatnonzero(KINDS == "object").tolist()
    assert rows_of_stratum(few, "relation") is None and rows_of_stratum(columns(), "size+weather") is None


def test_its_name_says_what_it_is_of() -> None:
    metric = metric_of("t2i_r5_object+relation")
    assert (metric.whole, metric.label, metric.k) == ("t2i_r5", "T2I R@5 object+relation", 5)
    assert not metric.is_proportion and not metric.in_summary
    named = names_of("retrieval", RetrievalParams(k=[1], strata=["a", "a+b"]))
    assert {"t2i_r1_a", "t2i_r1_a+b"} < set(named) and "t2i_r1_b" not in named


@pytest.mark.parametrize(
    ("strata", "said"),
    [("relation+object", "write 'object\\+relation'"), ("a+a", "write 'a'"), ("a+", "pattern"), ("+", "pattern")],
)
def test_one_union_has_one_name(strata: str, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        RetrievalParams(strata=[strata])


def test_the_data_must_have_each_of_its_strata() -> None:
    dataset = Dataset(pictures(2), strata={"a": np.array([True, False]), "b": np.array([False, True])})
    check_strata(dataset, ["a+b"])
    assert list(strata_columns(dataset, ["a", "a+b"])) == ["stratum:a", "stratum:b"]
    with pytest.raises(TaskError, match="no group c; they have a, b"):
        check_strata(dataset, ["a", "b+c"])


def test_as_the_headline_of_a_task_it_is_shown_first_and_compared(tmp_path: Path) -> None:
    """The shipped task whose sentences about backgrounds are not part of its headline."""
    for model in ("random:0", "random:1"):
        ran = goldieval("run", "--model", model, "--tasks", "shapes-finegrained", "--limit", "20", "--out", tmp_path)
        assert ran.code == 0, ran.err
    shown = [" ".join(line.split()) for line in ran.out.splitlines()]
    assert any(line.startswith("shapes-finegrained T2I R@1 object+relation") for line in shown)
    assert any(line.startswith("T2I R@1 background") for line in shown)
    entries = read_records([tmp_path]).entries
    for entry in entries:
        record, outcomes = entry.record, read_outcomes(entry.file, entry.record)
        metric = metric_of(record.task.headline)
        values = metric.values(outcomes)
        assert values is not None and record.headline is not None
        assert (metric.score(values), len(values.values)) == (pytest.approx(record.headline.value), record.headline.n)
        of_parts = [record.metrics[f"t2i_r1_{name}"] for name in ("object", "relation")]
        assert record.headline.n == sum(part.n for part in of_parts)
        assert record.headline.value == pytest.approx(sum(part.value * part.n for part in of_parts) / record.headline.n)
    compared = goldieval("compare", "random:0", "random:1", "--out", tmp_path)
    assert compared.code == 0 and "object+relation" in compared.out, compared.out + compared.err
