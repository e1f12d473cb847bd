"""Benchmarks of questions by hand: annotators, options, POPE's splits, MME's pairs, and files for a server."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from family_cases import pictures, values
from family_cases import vqa_task as task

from goldieval.core.errors import TaskError
from goldieval.data.samples import Dataset, TextSample
from goldieval.families import vqa
from goldieval.families.base import Scored
from goldieval.metrics.question_pairs import SUBTASKS
from goldieval.metrics.registry import metric_of
from goldieval.tasks.card import Task


def questions(owner: Sequence[int], answers: Sequence[str] | None, **parts: Any) -> Dataset:
    texts = [TextSample(str(row), f"question {row}?") for row in range(len(owner))]
    true = None if answers is None else np.array(answers, dtype=object)
    return Dataset(pictures(max(owner) + 1), texts=texts, owner=np.array(owner), answers=true, **parts)


def scored(card: Task, data: Dataset, given: Sequence[str]) -> Scored:
    return vqa.FAMILY.score(vqa.FAMILY.prepare(card, data), given)


def test_credit_of_annotators_is_averaged_and_chance_is_that_of_the_frequent_answer() -> None:
    references = [["red"] * 10, ["two"] * 2 + ["2"] * 1 + ["many"] * 7, ["red"] * 1 + ["blue"] * 9]
    data = questions([0, 1, 1], ["red", "many", "blue"], references=references, types=np.array(["c", "n", "c"]))
    found = scored(task(rule="vqa-evalai"), data, ["Red. ", "Two", "red"])
    assert found.outcomes["right"].tolist() == pytest.approx([1.0, 0.9, 0.3])
    assert found.metrics["accuracy"].value == pytest.approx(2.2 / 3)
    assert found.metrics["accuracy"].chance == pytest.approx((1 + 1 + 0.3) / 3)  # red, many, red
    assert found.metrics["accuracy"].clusters == 2
    assert found.outcomes["given"].tolist() == ["Red.", "Two", "red"]
    assert found.outcomes["parsed"].tolist() == ["red", "2", "red"]
    assert found.outcomes["references"][1] == references[1]
    again = metric_of("accuracy").values(found.outcomes)
    assert again is not None and again.values.mean() == pytest.approx(2.2 / 3)


def test_few_annotators_are_refused_or_said() -> None:
    lonely = questions([0, 0], ["a b", "c"], references=[["a b"] * 10, ["c"]])
    with pytest.raises(TaskError, match=r"there is one for 1 questions \(1\)\. Choose rule: exact"):
        vqa.FAMILY.prepare(task(rule="vqa"), lonely)
    with pytest.raises(TaskError, match="compares an answer with those of several annotators"):
        vqa.FAMILY.prepare(task(rule="vizwiz"), questions([0], ["a"]))
    few = questions([0], ["a"], references=[["cat"] * 3])
    assert scored(task(rule="vqa"), few, ["cat"]).warnings == [
        "1 questions have fewer than four annotators, so that no answer earns full credit"
    ]


def test_letters_come_from_letters_or_from_texts_of_options() -> None:
    options = [["meiosis", "Mitosis"], ["cat", "dog", "cow"], ["B", "A"]]
    data = questions([0, 0, 1], ["mitosis", "C", "A"], options=options)
    found = scored(task(rule="letter"), data, ["B. mitosis", "C", "The answer is A."])
    assert found.outcomes["answer"].tolist() == ["B", "C", "A"] and found.outcomes["right"].all()
    assert found.outcomes["right"].dtype == bool
    assert found.metrics["accuracy"].chance == pytest.approx((1 / 2 + 1 / 3 + 1 / 2) / 3)
    with pytest.raises(TaskError, match=r"neither the letter nor the text of one option: 1 questions \(0\)"):
        vqa.FAMILY.prepare(task(rule="letter"), questions([0], ["D"], options=[["a", "b"]]))
    with pytest.raises(TaskError, match="needs questions with options"):
        vqa.FAMILY.prepare(task(rule="letter"), questions([0], ["A"]))
    with pytest.raises(TaskError, match="more than 26 options"):
        vqa.FAMILY.prepare(task(rule="letter"), questions([0], ["A"], options=[[str(n) for n in range(27)]]))


SPLITS = ("random", "popular", "adversarial")
# of each split: yes and right, yes and wrong, no and wrong, no and right
TABLES = {"random": (4, 1, 2, 5), "popular": (4, 2, 2, 4), "adversarial": (5, 3, 1, 3)}


def pope(tables: dict[str, tuple[int, int, int, int]], per_image: int = 6) -> tuple[Dataset, list[str]]:
    truth, given, splits = [], [], []
    for split, counts in tables.items():
        for (says, true), count in zip(
            (("Yes", "yes"), ("Yes", "no"), ("No", "yes"), ("No", "no")), counts, strict=True
        ):
            truth += [true] * count
            given += [says] * count
            splits += [split] * count
    strata = {split: np.array(splits) == split for split in tables}
    return questions([row // per_image for row in range(len(truth))], truth, strata=strata), given


def test_pope_by_hand() -> None:
    data, given = pope(TABLES)
    found = values(scored(task("mean_f1", rule="yes-no", strata=list(SPLITS)), data, given))
    f1 = {}
    for split, (tp, fp, fn, tn) in TABLES.items():
        f1[split] = 2 * tp / (2 * tp + fp + fn)
        assert found[f"precision_{split}"] == pytest.approx(tp / (tp + fp))
        assert found[f"recall_{split}"] == pytest.approx(tp / (tp + fn))
        assert found[f"f1_{split}"] == pytest.approx(f1[split])
        assert found[f"yes_rate_{split}"] == pytest.approx((tp + fp) / 12)
        assert found[f"accuracy_{split}"] == pytest.approx((tp + tn) / 12)
    assert found["mean_f1"] == pytest.approx(sum(f1.values()) / 3)
    tp, fp, fn, tn = np.sum(list(TABLES.values()), axis=0)
    assert found["f1"] == pytest.approx(2 * tp / (2 * tp + fp + fn)) and found["f1"] != found["mean_f1"]
    assert found["mean_accuracy"] == pytest.approx(found["accuracy"])  # splits of one size
    assert found["mean_yes_rate"] == pytest.approx((tp + fp) / 36)


def test_screens_show_the_means_and_f1_of_every_split() -> None:
    names = task("mean_f1", rule="yes-no", strata=list(SPLITS)).card.metrics()
    shown = [name for name in names if metric_of(name).in_summary]
    assert shown[:6] == ["accuracy", "mean_accuracy", *(f"mean_{x}" for x in ("precision", "recall", "f1", "yes_rate"))]
    assert [metric_of(name).label for name in shown if metric_of(name).stratum] == [f"F1 {split}" for split in SPLITS]
    assert metric_of("accuracy_plus_ocr").label == "accuracy+ ocr" and metric_of("accuracy_plus").stratum == ""
    assert metric_of("accuracy_plush").stratum == "plush" and metric_of("mme_total").label == "perception + cognition"


def test_who_always_says_yes_is_at_chance_and_who_never_does_has_no_precision() -> None:
    data, _ = pope(TABLES)
    card = task("mean_f1", rule="yes-no", strata=list(SPLITS))
    always = scored(card, data, ["yes"] * 36).metrics
    for name in ("precision", "recall", "f1", "f1_random", "mean_f1"):
        assert always[name].chance == pytest.approx(always[name].value), name
    assert always["mean_f1"].chance == pytest.approx(2 / 3) and always["recall"].value == 1
    assert always["yes_rate"].chance is None and always["accuracy"].chance == 0.5
    never = values(scored(card, data, ["No"] * 36))
    assert (never["precision"], never["recall"], never["f1"], never["yes_rate"]) == (0, 0, 0, 0)


def test_intervals_and_tests_of_f1_are_by_picture() -> None:
    data, given = pope({split: tuple(20 * count for count in counts) for split, counts in TABLES.items()})  # type: ignore[misc]
    card = task("mean_f1", rule="yes-no", strata=list(SPLITS))
    one = scored(card, data, given)
    truth = list(data.answers) if data.answers is not None else []
    better = [truth[row] if row % 3 == 0 else answer for row, answer in enumerate(given)]
    two = scored(card, data, better)
    metric = metric_of("mean_f1")
    a, b = metric.values(one.outcomes), metric.values(two.outcomes)
    assert a is not None and b is not None
    measured = one.metrics["mean_f1"]
    assert measured.clusters == 120 and measured.n == 720
    assert measured.low is not None and measured.high is not None
    assert measured.low < measured.value < measured.high
    influence = metric.influence(a)
    half = (measured.high - measured.low) / 2
    assert 1.9 * np.sqrt((influence**2).sum()) == pytest.approx(half, rel=0.1)
    test = metric.paired(a, b)
    assert test.difference == pytest.approx(two.metrics["mean_f1"].value - measured.value)
    assert test.low is not None and test.low > 0 and test.p < 0.01
    misses = [int((each.outcomes["right"] == 0).sum()) for each in (one, two)]
    assert (test.gains, test.losses, test.n) == (misses[0] - misses[1], 0, 720)
    assert metric.paired(a, a).p == 1


def mme(subtasks: Sequence[str] = SUBTASKS, pictures_each: int = 4) -> tuple[Dataset, list[str]]:
    """Every subtask of one number has as many of its first pictures right twice, the others once or never."""
    generator = np.random.default_rng(1)
    owner, truth, types, given = [], [], [], []
    for number, subtask in enumerate(subtasks):
        for picture in range(pictures_each):
            for answer in ("yes", "no"):
                owner.append(number * pictures_each + picture)
                truth.append(answer)
                types.append(subtask)
                given.append(str(generator.choice(["Yes", "No.", "Maybe"])))
    strata = {name: np.array(types) == name for name in subtasks}
    return questions(owner, truth, types=np.array(types), strata=strata), given


def official_sum(data: Dataset, given: Sequence[str], subtasks: Sequence[str]) -> float:
    """MME's own sums, written out: accuracy and accuracy+ of each subtask in percent."""
    assert data.answers is not None and data.types is not None
    total = 0.0
    for subtask in subtasks:
        rows = np.flatnonzero(data.types == subtask)
        right = [given[row].lower().startswith(data.answers[row]) for row in rows]
        both = [right[at] and right[at + 1] for at in range(0, len(right), 2)]
        total += 100 * np.mean(right) + 100 * np.mean(both)
    return total


def test_mme_by_hand() -> None:
    data, given = mme()
    card = task("perception", rule="mme", strata=list(SUBTASKS))
    found = scored(card, data, given)
    scores = values(found)
    assert scores["perception"] == pytest.approx(official_sum(data, given, SUBTASKS[:10]))
    assert scores["cognition"] == pytest.approx(official_sum(data, given, SUBTASKS[10:]))
    assert scores["mme_total"] == pytest.approx(scores["perception"] + scores["cognition"])
    assert found.metrics["perception"].chance == 750 and found.metrics["cognition"].chance == 300
    assert found.metrics["accuracy_plus"].chance == 0.25 and found.metrics["accuracy"].chance == 0.5
    assert next(iter(found.metrics)) == "perception" and not found.warnings
    rows = np.flatnonzero(data.types == "ocr")
    right = found.outcomes["right"][rows].reshape(-1, 2)
    assert scores["accuracy_ocr"] == right.mean() and scores["accuracy_plus_ocr"] == right.all(axis=1).mean()
    perfect = values(scored(card, data, list(data.answers)))  # type: ignore[arg-type]
    assert (perfect["perception"], perfect["cognition"], perfect["mme_total"]) == (2000, 800, 2800)
    measured = found.metrics["perception"]
    assert measured.low is not None and measured.low < measured.value - 20 and measured.clusters == 40


def test_sums_are_compared_by_picture() -> None:
    data, given = mme(pictures_each=20)
    card = task("perception", rule="mme", strata=list(SUBTASKS))
    one, two = scored(card, data, given), scored(card, data, list(data.answers))  # type: ignore[arg-type]
    metric = metric_of("perception")
    a, b = metric.values(one.outcomes), metric.values(two.outcomes)
    assert a is not None and b is not None and metric.unit.text(1562.4) == "1,562"
    test = metric.paired(a, b)
    assert test.difference == pytest.approx(2000 - one.metrics["perception"].value)
    assert test.low is not None and test.high is not None and test.low < test.difference < test.high
    assert test.low > 500 and test.minimum_detectable_difference() > 10
    assert metric.score(a) == pytest.approx(one.metrics["perception"].value)
    measured = one.metrics["perception"]
    assert measured.low is not None and measured.high is not None
    half = (measured.high - measured.low) / 2
    assert 1.97 * np.sqrt((metric.influence(a) ** 2).sum()) == pytest.approx(half, rel=0.1)


def test_one_picture_of_two_subtasks_is_two_pairs_and_one_cluster() -> None:
    types = ["count", "count", "scene", "scene"]
    data = questions([0, 0, 0, 0], ["yes", "no"] * 2, types=np.array(types))
    found = scored(task("accuracy_plus", rule="mme"), data, ["yes", "no", "yes", "yes"])
    metric = found.metrics["accuracy_plus"]
    assert (metric.value, metric.n, metric.clusters) == (0.5, 2, 1)
    with pytest.raises(TaskError, match=r"two questions a picture and subtask, unlike 3 questions \(0, 1, 2\)"):
        vqa.FAMILY.prepare(task(rule="mme"), questions([0, 0, 0], ["yes", "no", "no"]))


def test_a_subset_says_that_its_sum_is_smaller() -> None:
    data, given = mme(SUBTASKS[:3])
    data.strata |= {name: np.zeros(len(given), dtype=bool) for name in SUBTASKS[3:]}
    found = scored(task("perception", rule="mme", strata=list(SUBTASKS)), data, given)
    assert found.warnings == ["perception is the sum of 3 of 10 subtasks, at most 600"]
    assert values(found)["perception"] == pytest.approx(official_sum(data, given, SUBTASKS[:3]))
    assert "cognition" not in found.metrics and found.metrics["perception"].chance == 225


def test_other_answers_than_yes_and_no_are_refused() -> None:
    with pytest.raises(TaskError, match=r"needs answers yes or no; another one has 1 questions \(1\)"):
        vqa.FAMILY.prepare(task(rule="yes-no"), questions([0, 0], ["Yes ", "maybe"]))


def test_a_server_gets_cleaned_answers_and_no_score_is_made_up() -> None:
    card = task("answered", rule="vqa-submitted", submission="vqav2")
    found = scored(card, questions([0, 0, 1], None), ["The Dog.", "Two", " "])
    assert json.loads(found.files["answers.json"]) == [
        {"question_id": 0, "answer": "dog"},
        {"question_id": 1, "answer": "2"},
        {"question_id": 2, "answer": ""},
    ]
    assert values(found) == {"answered": pytest.approx(2 / 3)} and found.metrics["answered"].chance is None
    assert "right" not in found.outcomes and found.metrics["answered"].separable is None
    card = task("answered", rule="vqa-evalai", submission="vizwiz")
    assert json.loads(scored(card, questions([1, 0], None), ["a", "b"]).files["answers.json"]) == [
        {"image": "pic1.jpg", "answer": ""},
        {"image": "pic0.jpg", "answer": "b"},
    ]
    with pytest.raises(TaskError, match="needs questions with answers"):
        vqa.FAMILY.prepare(task(rule="vqa"), questions([0], None))
