"""Import of per-sample outcomes: numbers of two models, checks against the annotations, comparisons, and refusals."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from helpers import card, goldieval, json_lines, picture, toy_model

from goldieval import compare, evaluate, load_results
from goldieval.core.errors import GoldievalError
from goldieval.data.manage.outcomes.columns import roles_of
from goldieval.data.manage.outcomes.record import import_outcomes
from goldieval.records.files import find_records, read_outcomes, read_record

ORACLES = Path(__file__).parents[4] / "shared/data/oracles"
SUGARCREPE = {
    "openai-b32": (90.92, 80.08, 69.20, 61.38, 63.96, 77.21, 68.79, 76.56, 73.08),
    "clip-coco": (None, None, None, None, None, None, None, 84.66, 80.40),
}
BIVLC = {"openai-b32": (75.83, 52.40, 49.06), "clip-coco": (82.75, 63.89, 60.96)}
SPLITS = [f"accuracy_{split}" for split in ("replace_obj", "replace_att", "replace_rel", "swap_obj", "swap_att")]
NAMES = [*SPLITS, "accuracy_add_obj", "accuracy_add_att", "accuracy", "mean_accuracy"]

needs_oracles = pytest.mark.skipif(not ORACLES.is_dir(), reason="the answers do not lie beside the checkout")


@needs_oracles
def test_known_scores_of_two_models_and_their_comparison(tmp_path: Path) -> None:
    for model, expected in SUGARCREPE.items():
        record = import_outcomes(
            ORACLES / f"sugarcrepe_{model}.csv", "sugarcrepe-2023", model, out=tmp_path, data_dir=tmp_path
        )
        for name, score in zip(NAMES, expected, strict=True):
            metric = record.metrics[name]
            assert score is None or round(100 * metric.value, 2) == score, name
            assert metric.low < metric.value < metric.high  # type: ignore[operator]
        assert record.data.seen == {"images": 1561, "texts": 15024} and record.metrics["accuracy"].clusters == 1561
    for model, scores in BIVLC.items():
        record = import_outcomes(ORACLES / f"bivlc_{model}.csv", "bivlc", model, out=tmp_path, data_dir=tmp_path)
        found = [record.metrics[f"{side}_score"].value for side in ("text", "image", "group")]
        assert [round(100 * value, 2) for value in found] == list(scores)
    result = compare("imported:openai-b32", "imported:clip-coco", tmp_path)
    assert {(row.task, row.metric, row.verdict) for row in result.rows} == {
        ("sugarcrepe-2023", "accuracy", "better"),
        ("bivlc", "group_score", "better"),
    }
    assert all("not a run of goldieval" in record.model.notice for record in load_results(tmp_path))


ITEMS = [  # split, key, picture, true caption, false caption
    ("add_att", "0", "1.jpg", "a dog", "a blue dog"),
    ("add_att", "1", "2.jpg", "a cat", "a green cat"),
    ("swap", "0", "1.jpg", "a dog on a box", "a box on a dog"),
    ("swap", "1", "1.jpg", "a dog", "a blue dog"),  # the same captions in another split
]


@pytest.fixture
def task(tmp_path: Path) -> Path:
    """A card with its annotations; the pictures are not here."""
    data = tmp_path / "data"
    data.mkdir()
    for split in ("add_att", "swap"):
        items = {
            key: {"filename": file, "caption": true, "negative_caption": false}
            for name, key, file, true, false in ITEMS
            if name == split
        }
        (data / f"{split}.json").write_text(json.dumps(items))
    source = {"files": ["add_att.json", "swap.json"], "images": "pictures"}
    more = {"params": {"strata": ["add_att", "swap"]}, "expect": {"images": 2, "texts": 8}, "headline": "accuracy"}
    return card(tmp_path, "contrast", "choice", source=source, **more)


def rows_of(right: list[int], order: list[int] | None = None) -> list[dict[str, Any]]:
    rows = []
    for number in order or range(len(ITEMS)):
        split, _, file, true, false = ITEMS[number]
        kind, _, what = split.partition("_")
        rows.append(
            {"filename": f"/elsewhere/{file}", "caption": true, "negative_caption": false, "type": kind}
            | {"subtype": what or "-", "correct": str(right[number])}
        )
    return rows


def table(file: Path, rows: list[dict[str, Any]]) -> Path:
    with file.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return file


def test_items_get_the_ids_of_the_annotations_whatever_the_order_of_rows(task: Path, tmp_path: Path) -> None:
    file = table(tmp_path / "a.csv", rows_of([1, 0, 1, 0], [3, 1, 0, 2]))
    record = import_outcomes(file, str(task), "a", out=tmp_path / "r")
    assert {name: metric.value for name, metric in record.metrics.items()} == {
        "accuracy": 0.5, "accuracy_add_att": 0.5, "accuracy_swap": 0.5, "mean_accuracy": 0.5,
    }  # fmt: skip
    assert record.status == "ok" and record.metrics["accuracy"].chance == 0.5 and record.metrics["accuracy"].n == 4
    read = "correct=correct,image=filename,true=caption,false=negative_caption,split=type+subtype"
    assert record.warnings == [f"columns read: {read}"]
    (written,) = find_records(tmp_path / "r")
    columns = read_outcomes(written, read_record(written))
    assert columns["sample_id"].tolist() == ["add_att-0-0", "add_att-1-0", "swap-0-0", "swap-1-0"]
    assert columns["cluster_id"].tolist() == ["1.jpg", "2.jpg", "1.jpg", "1.jpg"]
    assert columns["rank_low"].tolist() == [1, 2, 1, 2] and columns["wrong_content"][3] == "a blue dog"
    assert all(score is None or np.isnan(score) for score in columns["right_score"])


def test_provenance_is_on_the_record_and_on_the_screens(task: Path, tmp_path: Path) -> None:
    file = table(tmp_path / "a.csv", rows_of([1, 0, 1, 0]))
    out = tmp_path / "r"
    shown = goldieval("data", "outcomes", str(file), "--task", str(task), "--model", "a", "--out", str(out)).out
    record = load_results(out)[0]
    assert record.model.spec == "imported:a" and record.model.family == record.task.scoring == "imported"
    assert record.data.origins[0].startswith("a.csv sha256:") and len(record.data.origins[0]) == 13 + 64
    assert "imported from a.csv (SHA-256 " in shown and "not a run of goldieval" in shown
    for command in (["show", str(out)], ["compare", "imported:a", "imported:a", "--out", str(out)]):
        assert "not a run of goldieval" in " ".join(goldieval(*command).out.split())


def test_tables_and_pages_show_imported_rows_apart(task: Path, tmp_path: Path) -> None:
    out, page = tmp_path / "r", tmp_path / "page.html"
    import_outcomes(table(tmp_path / "a.csv", rows_of([1, 0, 1, 0])), str(task), "a", out=out)
    ran = goldieval("table", "--out", str(out), "--html", str(page), "--tasks-dir", str(task.parent))
    assert ran.code == 0
    told = " ".join(goldieval("table", "--out", str(out), "--tasks-dir", str(task.parent)).out.split())
    assert "imported from other harnesses imported:a *" in told and "measured here" not in told.partition("Rows")[0]
    assert "Rows marked * are imported from other programs, not measured here." in told
    assert "imported from a.csv (SHA-256" in told
    written = page.read_text()
    assert "0 models, 0 tasks, 0 numbers measured here" in written
    assert "1 row imported with the outcome of every sample" in written


def test_the_text_only_answers_of_sugarcrepe_plus(tmp_path: Path) -> None:
    items = [
        {"filename": "a.jpg", "caption": f"p {n}", "caption2": f"q {n}", "negative_caption": f"n {n}"} for n in range(4)
    ]
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "swap.json").write_text(json.dumps(items))
    source = {"files": ["swap.json"], "true": ["caption", "caption2"], "all_true": True}
    file = card(tmp_path, "contrast", "choice", source=source, params={"text_only": True}, headline="accuracy")
    rows = [item | {"correct": n % 2, "tot_correct": int(n < 3)} for n, item in enumerate(items)]
    record = import_outcomes(table(tmp_path / "a.csv", rows), str(file), "a", out=None)
    found = {name: (metric.value, metric.chance) for name, metric in record.metrics.items()}
    assert found == {"accuracy": (0.5, pytest.approx(1 / 3)), "text_only": (0.75, pytest.approx(1 / 3))}


def test_imported_and_own_records_of_the_same_items_are_compared(tmp_path: Path) -> None:
    rows = [{"image": f"{row}.png", "caption": f"{row} is true", "negative_caption": f"no {row}"} for row in range(4)]
    for row in range(4):
        picture(tmp_path / "data" / f"{row}.png", row)
    json_lines(tmp_path / "data" / "items.jsonl", rows)
    file = card(
        tmp_path, "contrast", "choice", source={"files": ["items.jsonl"], "image": "image"}, headline="accuracy"
    )
    (own,) = evaluate(toy_model(tmp_path), str(file), out=tmp_path / "r", cache=False)
    answers = table(tmp_path / "a.csv", [{**row, "hit": "1"} for row in rows])
    import_outcomes(answers, str(file), "a", columns={"correct": "hit"}, out=tmp_path / "r")
    (row,) = compare(own.model.spec, "imported:a", tmp_path / "r").rows
    assert row.b == 1.0 and row.n == 4 and "scoring" in row.note


def test_without_annotations_samples_are_told_apart_by_their_content(task: Path, tmp_path: Path) -> None:
    (tmp_path / "data" / "swap.json").unlink()
    for name, order in (("a", [0, 1, 2, 3]), ("b", [3, 2, 1, 0])):
        file = table(tmp_path / f"{name}.csv", rows_of([1, 0, 1, int(name == "b")], order))
        record = import_outcomes(file, str(task), name, out=tmp_path / "r")
        assert "were not compared with the task's annotations: cannot read" in record.warnings[1]
    (row,) = compare("imported:a", "imported:b", tmp_path / "r").rows
    assert (row.a, row.b, row.gains, row.losses) == (0.5, 0.75, 1, 0)


def test_ranks_and_predictions(task: Path, tmp_path: Path) -> None:
    ranks = [{**row, "place": 1 + number % 2} for number, row in enumerate(rows_of([0] * 4))]
    for row in ranks:
        del row["correct"]
    by_rank = import_outcomes(table(tmp_path / "r.csv", ranks), str(task), "a", columns={"rank": "place"}, out=None)
    told = [{**row, "prediction": "x" if number % 2 else "y", "answer": "y"} for number, row in enumerate(ranks)]
    by_name = import_outcomes(table(tmp_path / "p.csv", told), str(task), "b", out=None)
    assert by_rank.metrics["accuracy"].value == by_name.metrics["accuracy"].value == 0.5


def crossed_card(tmp_path: Path) -> Path:
    source = {"file": "none.jsonl", "example": "", "strata": ["type"]}
    params = {"sets": True, "strata": ["add", "swap"]}
    return card(tmp_path, "crossed", "choice", source=source, params=params, headline="group_score")


def test_sets_of_four_answers(tmp_path: Path) -> None:
    answers = [(1, 1, 1, 1), (1, 1, 0, 1), (0, 1, 1, 1), (1, 1, 1, 1)]
    names = ("text_score_i0", "text_score_i1", "image_score_c0", "image_score_c1")
    rows = [
        {"image": f"<PIL.JpegImageFile at 0x{number}>", "caption": f"a {number}", "negative_caption": f"b {number}"}
        | {"type": "add" if number < 2 else "Swap"}
        | {name: str(bool(value)) for name, value in zip(names, each, strict=True)}
        for number, each in enumerate(answers)
    ]
    task = crossed_card(tmp_path)
    record = import_outcomes(table(tmp_path / "a.csv", rows), str(task), "a", out=tmp_path / "r")
    found = {name: metric.value for name, metric in record.metrics.items()}
    assert (found["text_score"], found["image_score"], found["group_score"]) == (0.75, 0.75, 0.5)
    assert (found["group_score_add"], found["text_score_swap"]) == (0.5, 0.5)
    import_outcomes(table(tmp_path / "b.csv", rows[::-1]), str(task), "b", out=tmp_path / "r")
    (row,) = compare("imported:a", "imported:b", tmp_path / "r").rows
    assert row.metric == "group_score" and (row.gains, row.losses) == (0, 0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: rows[:3], "1 of the 4 items of .* have no row: '1.jpg'"),
        (lambda rows: [*rows, rows[0]], r"no such item left, each is answered by another row: '1\.jpg', 'a dog'"),
        (lambda rows: [{**rows[0], "caption": "a horse"}, *rows[1:]], r"a\.csv:2: .* has no such item: .*'a horse'"),
        (lambda rows: [{**rows[0], "correct": "2"}, *rows[1:]], r"a\.csv:2: 'correct' should be 0 or 1"),
        (lambda rows: [{**rows[0], "correct": ""}, *rows[1:]], r"a\.csv:2: empty correct"),
        (lambda rows: [{"a": 1}], "no column says which answers are right"),
    ],
)
def test_a_table_that_does_not_fit_is_refused_and_nothing_is_written(
    change: Any, message: str, task: Path, tmp_path: Path
) -> None:
    file = table(tmp_path / "a.csv", change(rows_of([1, 0, 1, 0])))
    with pytest.raises(GoldievalError, match=message) as caught:
        import_outcomes(file, str(task), "a", out=tmp_path / "r")
    assert "\n" not in str(caught.value) and not (tmp_path / "r").exists()


def test_other_refusals(task: Path, tmp_path: Path) -> None:
    file = table(tmp_path / "a.csv", rows_of([1, 0, 1, 0]))
    import_outcomes(file, str(task), "a", out=tmp_path / "r")
    import_outcomes(file, str(task), "a", out=tmp_path / "r")  # the same file again
    other = table(tmp_path / "b.csv", rows_of([1, 1, 1, 1]))
    for call, message in (
        (lambda: import_outcomes(other, str(task), "a", out=tmp_path / "r"), r"imported from a\.csv .* Choose another"),
        (lambda: import_outcomes(file, "cifar10", "a", out=None), "4 rows, but cifar10 has 10,000 images"),
        (lambda: import_outcomes(file, "coco-karpathy", "a", out=None), "this is retrieval; outcomes of choice and"),
        (lambda: import_outcomes(file, "compositional", "a", out=None), "name one task"),
        (lambda: import_outcomes(file, str(task), "\x1b[2J", out=None), "printable"),
        (lambda: import_outcomes(tmp_path / "no.csv", str(task), "a", out=None), "cannot read .*no.csv"),
        (lambda: import_outcomes(file, str(crossed_card(tmp_path)), "a", out=None), "no column for text_0, text_1"),
        (lambda: roles_of(["a"], {"corect": "a"}), "no role 'corect'. Did you mean correct"),
        (lambda: roles_of(["a"], {"correct": "b"}), "the table has no column 'b'; it has a"),
    ):
        with pytest.raises(GoldievalError, match=message):
            call()


def classes_card(tmp_path: Path) -> Path:
    """Twelve images of six classes, which are not here, and a file with their names."""
    names = ["cat", "dog", "fox", "hen", "owl", "pig"]
    params = {"prompts": ["a {c}"], "class_names": names}
    expect = {"images": 12, "classes": 6}
    return card(tmp_path, "list", "zeroshot", source={"file": "l.txt", "images": "."}, params=params, expect=expect)


def predictions(tmp_path: Path, name: str, wrong: int) -> Path:
    rows = [
        {"file": f"val/{n}.jpg", "true_labels": n % 6, "pred_labels": ["cat", "dog"][n] if n < wrong else n % 6}
        | {"prob": 0.5 + n / 24}
        for n in range(12)
    ]
    return table(tmp_path / f"{name}.csv", rows)


def test_predictions_of_a_classification(tmp_path: Path) -> None:
    task = classes_card(tmp_path)
    a = import_outcomes(predictions(tmp_path, "a", 0), str(task), "a", out=tmp_path / "r")
    with (tmp_path / "b.csv").open("w") as out:  # class names, other columns, another order
        names = ["cat", "dog", "fox", "hen", "owl", "pig"]
        lines = [f"{n}.jpg,{names[n % 6]},{'pig' if n < 3 else names[n % 6]}" for n in reversed(range(12))]
        out.write("\n".join(["image,label,pred", *lines]))
    b = import_outcomes(tmp_path / "b.csv", str(task), "b", out=tmp_path / "r")
    assert a.metrics["acc1"].value == 1.0 and b.metrics["acc1"].value == 9 / 12
    assert b.metrics["mean_per_class_recall"].value == pytest.approx(1 - 3 / 2 / 6) and "acc5" not in b.metrics
    assert a.metrics["ece"].value == pytest.approx(np.mean([0.5 - n / 24 for n in range(12)])) and a.calibration
    assert b.calibration is None and "ece" not in b.metrics and b.task.class_names_sha256
    (row,) = compare("imported:a", "imported:b", tmp_path / "r").rows
    assert (row.metric, row.gains, row.losses) == ("acc1", 0, 3)


def test_ranks_of_a_classification_give_top_5(tmp_path: Path) -> None:
    rows = [{"image": f"{n}.jpg", "label": n % 6, "rank": 1 + n % 6} for n in range(12)]
    record = import_outcomes(table(tmp_path / "a.csv", rows), str(classes_card(tmp_path)), "a", out=None)
    assert (record.metrics["acc1"].value, record.metrics["acc5"].value) == (2 / 12, 10 / 12)


def test_groups_are_those_of_the_table_and_the_worst_of_unknown_ranks_has_no_top_5(tmp_path: Path) -> None:
    task = classes_card(tmp_path)
    content = yaml.safe_load(task.read_text())
    content["params"]["groups"], content["headline"] = ["asia", "europe"], "worst_group_acc1"
    task.write_text(yaml.safe_dump(content))
    rows = [{"label": n % 6, "prediction": 0 if n == 7 else n % 6} for n in range(12)]
    with pytest.raises(GoldievalError, match=r"no row is of asia, europe\. Name their column"):
        import_outcomes(table(tmp_path / "a.csv", rows), str(task), "a", out=None)
    rows = [row | {"region": "Asia" if n < 9 else ("Europe", "Africa")[n % 2]} for n, row in enumerate(rows)]
    file, region = table(tmp_path / "a.csv", rows), {"group": "region"}
    record = import_outcomes(file, str(task), "a", columns=region, out=None)
    assert record.metrics["worst_group_acc1"].value == 8 / 9 and record.metrics["acc1_in_europe"].value == 1.0
    assert not any("acc5" in name for name in record.metrics)


def test_the_classes_of_the_annotations_decide(tmp_path: Path) -> None:
    task = classes_card(tmp_path)
    (tmp_path / "data").mkdir(exist_ok=True)
    names = ["cat", "dog", "fox", "hen", "owl", "pig"]
    (tmp_path / "data" / "l.txt").write_text("\n".join(f"{n}.jpg {names[n % 6]}" for n in range(12)))
    source = {"file": "l.txt", "images": ".", "label": 1}
    task = card(tmp_path, "list", "zeroshot", source=source, params={"prompts": ["a {c}"]}, expect={"images": 12})
    rows = [{"image": f"{n}.jpg", "prediction": names[n % 6] if n else "pig"} for n in range(12)]
    record = import_outcomes(table(tmp_path / "a.csv", rows), str(task), "a", out=None)
    assert record.metrics["acc1"].value == 11 / 12 and not any("not compared" in line for line in record.warnings)
    for change, message in (
        ({"image": "13.jpg"}, r"a\.csv:2: mine has no such image: '13\.jpg'"),
        ({"image": "1.jpg"}, r"a\.csv:3: .*a\.csv:2 is about the same image: '1.jpg'"),
        ({"prediction": "horse"}, "should be a class number from 0 to 5, or the name of a class, but is 'horse'"),
        ({"prediction": "7"}, "but is '7'"),
    ):
        with pytest.raises(GoldievalError, match=message):
            import_outcomes(table(tmp_path / "a.csv", [rows[0] | change, *rows[1:]]), str(task), "a", out=None)


def test_images_of_the_same_name_in_several_folders_are_told_apart(tmp_path: Path) -> None:
    names = ["cat", "dog", "fox"]
    paths = [f"{name}/{n}.jpg" for name in names for n in range(4)]
    rows = [{"image": f"/elsewhere/val/{path}", "label": path[:3], "prediction": path[:3]} for path in paths]
    params = {"prompts": ["a {c}"], "class_names": names}
    source = {"file": "l.txt", "images": ".", "label": "folder"}
    task = card(tmp_path, "list", "zeroshot", source=source, params=params, expect={"images": 12, "classes": 3})
    import_outcomes(table(tmp_path / "a.csv", rows), str(task), "a", out=tmp_path / "r")
    (written,) = find_records(tmp_path / "r")
    assert set(read_outcomes(written, read_record(written))["sample_id"]) == set(paths)
    with pytest.raises(GoldievalError, match=r"a\.csv:13: .*a\.csv:2 is about the same image"):
        import_outcomes(table(tmp_path / "a.csv", [*rows[:11], rows[0]]), str(task), "b", out=None)
    for path in paths:
        picture(tmp_path / "data" / path)
    (tmp_path / "data" / "l.txt").write_text("\n".join(paths))
    matched = import_outcomes(table(tmp_path / "b.csv", rows[::-1]), str(task), "c", out=None)
    assert matched.metrics["acc1"].value == 1.0 and not any("not compared" in line for line in matched.warnings)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"label": "cat", "prediction": "dog", "correct": "1"}, "'correct' contradicts the prediction"),
        ({"label": "0", "prediction": "0", "rank": "2"}, "'rank' contradicts the prediction"),
        ({"label": "1", "prediction": "2"}, "'1' is the number or the name of several classes"),
    ],
)
def test_rows_that_contradict_themselves_are_refused(row: dict[str, str], message: str, tmp_path: Path) -> None:
    names = ["cat", "dog", "1"]
    params = {"prompts": ["a {c}"], "class_names": names}
    task = card(tmp_path, "list", "zeroshot", source={"file": "l.txt", "images": "."}, params=params, expect={})
    with pytest.raises(GoldievalError, match=message):
        import_outcomes(table(tmp_path / "a.csv", [{"image": "1.jpg"} | row]), str(task), "a", out=None)


def test_without_annotations_unknown_splits_are_refused_and_repeated_rows_are_said(task: Path, tmp_path: Path) -> None:
    (tmp_path / "data" / "swap.json").unlink()
    rows = rows_of([1, 0, 1, 0])
    with pytest.raises(GoldievalError, match="'swapped' is no split of mine, which has add_att, swap"):
        import_outcomes(table(tmp_path / "a.csv", [*rows[:3], rows[3] | {"type": "swapped"}]), str(task), "a", out=None)
    twice = import_outcomes(table(tmp_path / "a.csv", [*rows[:3], rows[2]]), str(task), "a", out=None)
    assert any("1 row names the same item as another row, such as" in line for line in twice.warnings)


def test_an_answer_that_is_there_twice_in_a_row_is_refused(task: Path, tmp_path: Path) -> None:
    lines = [json.dumps(row)[:-1] + ', "correct": "1"}' for row in rows_of([1, 0, 1, 0])]
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    with pytest.raises(GoldievalError, match=r"a\.jsonl:1: invalid JSON: an object has the key 'correct' twice"):
        import_outcomes(tmp_path / "a.jsonl", str(task), "a", out=None)
    with pytest.raises(GoldievalError, match="correct is one column; only those of split are joined"):
        roles_of(["a", "b"], {"correct": "a+b"})
