"""Averages in the files of suites: what they average, every mistake in one line, and the shipped ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from average_cases import average, cards, member

from goldieval.core.errors import GoldievalError
from goldieval.tasks.averages import Average
from goldieval.tasks.catalogue import Catalogue


def shares(*members: dict[str, Any]) -> list[float]:
    return [round(term.share, 6) for term in Average.model_validate(average(members=members)).terms()]


def test_members_weigh_the_same_whatever_the_number_of_their_metrics() -> None:
    assert shares(member("one"), member("two", ["t2i_r1", "i2t_r1"])) == [0.5, 0.25, 0.25]
    assert shares(member("one", weight=3), member("two")) == [0.75, 0.25]


def test_groups_weigh_the_same_whatever_the_number_of_their_members() -> None:
    members = [member("one", group="a"), member("two", group="b"), member("three", group="b", weight=3)]
    assert shares(*members) == [0.5, 0.125, 0.375]
    found = Average.model_validate(average(members=members))
    assert found.protocol == "mean of the weighted means of 2 groups (a, b), 3 members"


def test_the_hash_is_that_of_what_is_averaged() -> None:
    one, two = member("one"), member("two")
    first, *others = (
        Average.model_validate(average(members=members, label=label)).hash
        for members, label in (([one, two], "a"), ([two, one], "b"), ([one, {**two, "weight": 2}], "a"))
    )
    assert first == others[0] != others[1]


@pytest.mark.parametrize(
    ("defined", "line"),
    [
        (average(members=[member("one"), member("twoo")]), "average mean: twoo is not a task of this suite."),
        (average(members=[member("one"), member("two", "acc")]), "average mean: task two has no metric 'acc'."),
        (average(members=[member("one"), member("two", weight=0)]), "members.1.weight: Input should be greater"),
        (average(members=[member("one"), member("two", weight=float("nan"))]), "members.1.weight: Input should be"),
        (average(members=[member("one"), member("one")]), "one acc1 is a member twice; give it a weight instead."),
        (average(members=[member("one"), member("two", [])]), "members.1.metric: List should have at least 1 item"),
        (average(members=[member("one"), member("two", group="x")]), "one has no group; all members have one"),
        (average(members=[member("one")]), "members: List should have at least 2 items"),
        (average(name="one"), "average one: this name is taken."),
        (average(weights=[1, 2, 3]), "averages.0.weights: unknown key"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line_that_names_the_file(tmp_path: Path, defined: dict[str, Any], line: str) -> None:
    catalogue = Catalogue(cards(tmp_path, defined))
    assert "all" not in catalogue.suites and not catalogue.averages.keys() & {"mean", "one"}
    with pytest.raises(GoldievalError) as error:
        catalogue.select(["all"])
    assert line in str(error.value) and "all.yaml" in str(error.value)
    assert "\n" not in str(error.value)


def test_the_name_of_an_average_is_given_once(tmp_path: Path) -> None:
    assert "this name is taken" in Catalogue(cards(tmp_path, average(), average())).errors["all"]


def test_drawn_scenes_are_never_averaged_with_real_data(tmp_path: Path) -> None:
    mixed = average(members=[member("one"), member("shapes-zeroshot")])
    catalogue = Catalogue(cards(tmp_path, mixed))
    assert "shapes-zeroshot is not a task of this suite" in catalogue.errors["all"]
    (tmp_path / "suites" / "all.yaml").unlink()
    catalogue = Catalogue(cards(tmp_path, mixed, of=["one", "shapes-zeroshot"]))
    assert "shapes-zeroshot is of drawn scenes, which are never averaged with real data." in catalogue.errors["all"]


@pytest.mark.parametrize("metric", ["t2i_mean_rank", "i2t_median_rank"])
def test_ranks_are_not_averaged(tmp_path: Path, metric: str) -> None:
    members = [member("coco-karpathy", metric), member("flickr30k-test", "t2i_r1")]
    catalogue = Catalogue(cards(tmp_path, average(members=members), of=["coco-karpathy", "flickr30k-test"]))
    assert f"{metric} of coco-karpathy is no percentage of which more is better." in catalogue.errors["all"]


def test_averages_are_selected_with_their_suite_or_with_all_of_their_tasks(tmp_path: Path) -> None:
    catalogue = Catalogue(cards(tmp_path, average(), average("pair", [member("one"), member("two")])))
    for names, expected in ((["all"], ["mean", "pair"]), (["one", "two"], ["pair"]), (["one"], [])):
        assert [each.name for each in catalogue.select(names).averages] == expected


def test_the_tasks_that_replace_a_suite_have_none_of_its_averages(tmp_path: Path) -> None:
    home = {"shapes": {"heading": "drawn", "tasks": ["shapes-zeroshot"]}}
    catalogue = Catalogue(cards(tmp_path, home=home))
    assert catalogue.select(["all"], "shapes").averages == []


def test_every_shipped_suite_can_be_used() -> None:
    catalogue = Catalogue()
    assert catalogue.errors == {}
    defined = [each.name for suite in catalogue.suites.values() for each in suite.averages]
    assert sorted(defined) == sorted(catalogue.averages)
    for name in catalogue.suites:
        assert catalogue.select([name]).tasks
