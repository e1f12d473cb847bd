"""Zero-shot classification by groups of images, and associations: by hand, from the command line, and compared."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from family_cases import compared, pictures
from helpers import card, goldieval, json_lines, one_line, picture, records, toy_model

import goldieval as library
from goldieval.core.errors import TaskError
from goldieval.data.samples import Dataset, TextSample
from goldieval.families import association, zeroshot
from goldieval.families.base import Scored
from goldieval.scoring.similarities import GlobalSimilarity
from goldieval.tasks.card import Task
from goldieval.tasks.card_types import CARD_TYPES

BASE: dict[str, Any] = {
    "name": "tiny", "version": 1, "protocol": "by hand", "title": "Tiny", "licence": "none",
    "source": {"reader": "folder", "path": "."},
}  # fmt: skip


def task(family: str, headline: str, **params: Any) -> Task:
    return Task(CARD_TYPES[family](**BASE, family=family, headline=headline, params=params), Path("card.yaml"))


def grouped(rows: list[tuple[str, int, int]], groups: list[str], classes: int = 8, **params: Any) -> Scored:
    """Score images of a group each, whose true class stands at a place of the model's ranking."""
    names = np.array([name for name, _, _ in rows], dtype=object)
    dataset = Dataset(pictures(len(rows)), np.array([label for _, label, _ in rows]), [f"c{n}" for n in range(classes)])
    dataset.strata = {name: names == name for name in sorted(set(names.tolist()) - {""})}
    images = torch.zeros(len(rows), classes)
    for row, (_, label, place) in enumerate(rows):
        others = [number for number in range(classes) if number != label]
        images[row, [*others[:place], label, *others[place:]]] = torch.linspace(1, 0.1, classes)
    of = task("zeroshot", "worst_group_acc1" if len(groups) > 1 else "acc1", prompts=["{c}"], groups=groups, **params)
    prepared = zeroshot.FAMILY.prepare(of, dataset)
    unit = torch.nn.functional.normalize(images, dim=1)
    return compared(zeroshot.FAMILY, prepared, GlobalSimilarity(unit, torch.eye(classes)))


ROWS = [("a", 0, 0), ("a", 1, 0), ("a", 2, 4), ("b", 3, 0), ("b", 4, 2), ("b", 5, 7), ("", 6, 7)]


def test_every_group_and_the_worst_are_measured_and_others_count_in_the_whole_only() -> None:
    found = grouped(ROWS, ["b", "a"])
    values = {name: round(metric.value, 6) for name, metric in found.metrics.items() if "acc" in name}
    assert values == {
        "acc1": round(3 / 7, 6), "acc5": round(5 / 7, 6), "worst_group_acc1": round(1 / 3, 6),
        "worst_group_acc5": round(2 / 3, 6), "acc1_in_b": round(1 / 3, 6), "acc1_in_a": round(2 / 3, 6),
        "acc5_in_b": round(2 / 3, 6), "acc5_in_a": 1.0,
    }  # fmt: skip
    assert found.outcomes["group"].tolist() == ["a", "a", "a", "b", "b", "b", ""]
    assert found.metrics["worst_group_acc1"].n == 6 and found.metrics["acc1_in_a"].n == 3
    assert found.metrics["worst_group_acc1"].chance == 1 / 8 and found.metrics["worst_group_acc5"].chance == 5 / 8
    assert "fewer than 10 images" in found.metrics["worst_group_acc1"].unreliable
    assert any("chance alone lowers the worst of 2 groups" in line for line in found.warnings)


def test_a_group_that_is_not_listed_cannot_be_the_worst() -> None:
    rows = [*ROWS, *[("c", 0, 7)] * 2]
    assert grouped(rows, ["a", "b"]).metrics["worst_group_acc1"].value == pytest.approx(1 / 3)
    assert grouped(rows, ["a", "b", "c"]).metrics["worst_group_acc1"].value == 0
    assert not {"worst_group_acc1", "group"} & {*(one := grouped(rows, [])).metrics, *one.outcomes}


@pytest.mark.parametrize(
    ("groups", "line"),
    [
        (["a", "z"], "params.groups: the data have no group z; they have a, b."),
        (["a", "a"], "params.groups: a is named twice."),
    ],
)
def test_groups_that_the_data_do_not_have_are_refused(groups: list[str], line: str) -> None:
    with pytest.raises(TaskError) as caught:
        grouped(ROWS, groups)
    assert str(caught.value) == line


def test_macro_f1_is_measured_where_a_card_asks_for_it() -> None:
    found = grouped([("a", 0, 0), ("a", 0, 3), ("a", 1, 0)], [], macro_f1=True).metrics
    assert found["macro_f1"].value == pytest.approx((2 / 3 + 2 / 3) / 2)
    assert found["macro_f1"].chance == pytest.approx((2 * 2 / (8 * 2 + 3) + 2 * 1 / (8 * 1 + 3)) / 2)
    assert "macro_f1" not in grouped(ROWS, []).metrics


def user_table(folder: Path, **params: Any) -> Path:
    """A user's table with a column of regions, and a card that asks for the worst one."""
    places = ["North Sea", "Alps"]
    rows = [{"image": f"{row}.png", "label": ["cat", "dog"][row % 2], "place": places[row // 12]} for row in range(24)]
    for row in range(24):
        picture(folder / "data" / f"{row}.png", row)
    json_lines(folder / "data" / "t.jsonl", rows)
    source = {"file": "t.jsonl", "label": "label", "groups": ["place"]}
    asked = {"prompts": ["a {c}"], "groups": ["north_sea", "alps"]} | params
    return card(folder, "table", "zeroshot", source=source, params=asked, headline="worst_group_acc1")


def test_a_users_table_has_groups_and_two_models_are_compared_by_the_worst(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file, models = user_table(tmp_path), []
    for name in "ab":
        folder = tmp_path / name
        folder.mkdir()
        models.append(toy_model(folder))
    text = Path(models[1].removesuffix(":load")).read_text().replace('"0" * 64', '"1" * 64').replace("- 0.5", "- 0.4")
    Path(models[1].removesuffix(":load")).write_text(text.replace("toy-image", "other-image"))
    ran = goldieval("run", "--model", models[0], "--model", models[1], "--tasks", file)
    assert ran.code == 0, ran.err
    for record in records(tmp_path / "results"):
        metrics = record["metrics"]
        of_groups = [metrics[f"acc1_in_{name}"]["value"] for name in ("north_sea", "alps")]
        assert metrics["worst_group_acc1"]["value"] == min(of_groups)
        assert metrics["acc1"]["value"] == pytest.approx(np.mean(of_groups))
    sides = sorted(map(str, (tmp_path / "results").iterdir()))
    (row,) = library.compare(*sides, tmp_path / "results").rows
    assert row.metric == "worst_group_acc1" and row.n == 24 and row.p is not None
    names = [row.metric for row in library.compare(*sides, tmp_path / "results", all_metrics=True).rows]
    assert {"acc1_in_alps", "acc1_in_north_sea"} <= set(names)


def test_a_group_of_the_card_that_no_image_has_is_one_line(tmp_path: Path) -> None:
    ran = goldieval("run", "--model", toy_model(tmp_path), "--tasks", user_table(tmp_path, groups=["alps", "mars"]))
    assert ran.code != 0 and "the data have no group mars; they have alps, north_sea." in ran.out + ran.err
    ran = goldieval("run", "--model", toy_model(tmp_path), "--tasks", user_table(tmp_path, groups=["Alps"]))
    assert ran.code != 0 and "params.groups" in one_line(ran.err)


def test_prompts_of_the_data_need_a_file_of_them(tmp_path: Path) -> None:
    file = user_table(tmp_path, prompts={"in_data": True})
    ran = goldieval("run", "--model", toy_model(tmp_path), "--tasks", file)
    assert ran.code != 0 and "the data have no prompts; name their file in source.templates." in ran.out + ran.err


# Associations

CUES = Dataset(
    pictures(6),
    texts=[TextSample("1", "Apple"), TextSample("2", "pear"), TextSample("3", "fig")],
    owner=np.array([0, 3, 1]),
    positives=np.array([[0, 0], [0, 1], [1, 3], [2, 1], [2, 2], [2, 0]]),
    candidates=np.array([[1, 2], [1, 3], [1, 4], [1, 5], *([text, row] for text in (0, 2) for row in range(3))]),
    strata={"small": np.array([True, False, True])},
)


def test_associations_by_hand() -> None:
    images = torch.tensor([[3, 1, 1], [1, 1, 1], [2, 3, 3], [0, 2, 0], [0, 1, 0], [0, 3, 0]], dtype=torch.float32)
    similarity = GlobalSimilarity(images / 10, torch.eye(3))  # the scores themselves
    prepared = association.FAMILY.prepare(task("association", "jaccard", prompt="{a} {c}", strata=["small"]), CUES)
    assert [text.text for text in prepared.texts] == ["An apple", "A pear", "A fig"]
    found = compared(association.FAMILY, prepared, similarity)
    assert found.outcomes["jaccard"].tolist() == [pytest.approx(1 / 3), 0, 1]
    assert found.outcomes["cluster_id"].tolist() == ["1", "2", "1"], "cues with the same candidates are one cluster"
    assert found.outcomes["rank_low"].tolist() == [1, 3, 1] and found.outcomes["wrong_id"].tolist() == [
        "pic2",
        "pic2",
        "",
    ]
    assert found.metrics["jaccard"].value == pytest.approx(4 / 9) and found.metrics["jaccard"].clusters == 2
    small = found.metrics["jaccard_small"]
    assert small.value == pytest.approx(2 / 3) and small.chance == pytest.approx((1 / 3 * 1 + 2 / 3 * 1 / 3 + 1) / 2)


def test_associations_are_run_and_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    rows = []
    for row in range(12):
        chosen = [f"{number}" for number in rng.permutation(20)[: 5 + row % 2]]
        rows.append({"ID": row, "cue": f"cue {row}", "candidates": chosen, "associations": chosen[:2]})
    for row in range(20):
        picture(tmp_path / "data" / f"{row}.png", row)
    json_lines(tmp_path / "data" / "t.jsonl", rows)
    source = {"file": "t.jsonl", "picture": "{}.png", "sizes": {"five": [5], "six": [6]}}
    params = {"prompt": "{a} {c}", "strata": ["five", "six"]}
    file = card(tmp_path, "association", "association", source=source, params=params, headline="jaccard_five")
    ran = goldieval("run", "--model", toy_model(tmp_path), "--model", "goldiclip", "--tasks", file)
    assert ran.code == 0, ran.err
    for record in records(tmp_path / "results"):
        metrics = {name: metric["value"] for name, metric in record["metrics"].items()}
        assert metrics["jaccard"] == pytest.approx((metrics["jaccard_five"] + metrics["jaccard_six"]) / 2)
    sides = sorted(map(str, (tmp_path / "results").iterdir()))
    (row,) = library.compare(*sides, tmp_path / "results").rows
    assert (row.metric, row.n) == ("jaccard_five", 6)
    page = goldieval("compare", *sides, "--html", "page.html")
    assert page.code == 0 and "cue" in (tmp_path / "page.html").read_text()


def test_association_needs_candidates() -> None:
    with pytest.raises(TaskError, match="association needs candidates"):
        association.FAMILY.prepare(task("association", "jaccard"), Dataset(pictures(2)))
