"""The field: columns from published, imported and measured numbers, their intervals, and who cannot be told apart."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path
from typing import Any

import pytest
from helpers import goldieval, one_line
from synthetic_records import made, share, write

from goldieval.metrics.effective import Z95
from goldieval.metrics.intervals import wilson
from goldieval.report.built_table import sources_of
from goldieval.report.field import average
from goldieval.report.field.collected import Field, field_of
from goldieval.report.field.leaders import lead_of, quantile
from goldieval.report.field.models import architecture_class, size_class
from goldieval.report.field.numbers import FieldColumn
from goldieval.report.field.page import MOST, field_page
from goldieval.report.published import Published
from goldieval.report.table_sources import TableSources
from goldieval.report.task_sizes import TaskSize
from goldieval.tasks.averages import Average, Member


@pytest.fixture(scope="module")
def sources() -> TableSources:
    return sources_of([])[0]


@pytest.fixture(scope="module")
def field(sources: TableSources) -> Field:
    return field_of(sources)


def column(field: Field, task: str, metric: str) -> FieldColumn:
    (found,) = [each for each in field.columns if (each.task, each.metric) == (task, metric)]
    return found


def test_every_published_number_is_there_once(field: Field, sources: TableSources) -> None:
    readable = [score for score in sources.published.scores if score.value is not None]
    assert sum(len(each.numbers) for each in field.columns) == len(readable) > 4_000
    assert all(each.numbers for each in field.columns)


def test_intervals_follow_from_n_alone_and_only_for_shares(field: Field) -> None:
    imagenet = column(field, "imagenet", "acc1")
    assert imagenet.n == 50_000 and imagenet.interval_note
    for number in imagenet.numbers[:5]:
        assert (number.low, number.high) == wilson(number.value * 50_000, 50_000)
    for task, metric in (("pets", "mean_per_class_recall"), ("iwildcam", "macro_f1"), ("voc20", "miou")):
        assert {number.low for number in column(field, task, metric).numbers} == {None}
    assert column(field, "sugarcrepe", "accuracy_swap_obj").n == 224  # images, not the 245 items


def test_one_number_for_each_model_is_compared_under_the_usual_protocol(field: Field) -> None:
    for each in field.columns:
        compared = [number.model.name for number in each.numbers if number.compared]
        assert len(compared) == len(set(compared))
        assert {n.score.protocol for n in each.numbers if n.compared} <= {each.protocol}
    flair = [n for n in column(field, "coco-val2017", "t2i_r1").numbers if n.model.name.startswith("FLAIR Merged")]
    assert flair and not any(number.compared for number in flair)  # text-conditioned, the others are not


def test_the_leader_and_whom_it_cannot_be_told_from(field: Field) -> None:
    """By hand: two shares of n samples differ if their difference exceeds the corrected quantile of its error."""
    imagenet = column(field, "imagenet", "acc1")
    lead = lead_of(imagenet)
    assert lead is not None and lead.leader is imagenet.numbers[0] and not lead.untested
    limit = quantile(len(lead.rivals))
    assert limit > 3 and quantile(1) == pytest.approx(Z95)
    for rival in lead.rivals:
        errors = [(number.high - number.low) / (2 * Z95) for number in (lead.leader, rival)]  # type: ignore[operator]
        differs = lead.leader.value - rival.value > limit * math.hypot(*errors)
        assert differs != (rival in lead.inseparable)
    no_interval = lead_of(column(field, "iwildcam", "macro_f1"))
    assert (
        no_interval is not None and len(no_interval.untested) == len(no_interval.rivals) and not no_interval.inseparable
    )


def test_the_average_of_38_has_the_error_of_its_members(field: Field, sources: TableSources) -> None:
    averages = {number.model.name: number for number in column(field, "datacomp-38", "average").numbers}
    one = averages["OpenAI CLIP B/16"]
    assert one.low is not None and one.high is not None and 0.001 < (one.high - one.low) / 2 < 0.003
    assert averages["SuperCLIP B-512M, short and long"].low is None  # only the average is published
    suite = sources.averages["datacomp-38"]
    half = {(term.task, term.metric): 0.5 for term in suite.terms()}
    known = [("imagenet", 50_000), ("kitti-distance", 711), ("rendered-sst2", 1_821), ("dtd", 1_880)]
    error = average.average_error(suite, half, sources)
    assert error is not None and 0.002 > error > math.sqrt(sum(0.25 / n for _, n in known)) / 38
    both = {name: value for name, value in half.items() if name[0] != "flickr30k-test"}
    mean = average.average_error(suite, {**both, ("flickr30k-mean-recall", "mean_r1"): 0.5}, sources)
    assert mean == pytest.approx(error)
    assert average.average_error(suite, both, sources) is None


def test_the_average_of_a_small_suite_by_hand(sources: TableSources) -> None:
    """Two sets of 100 and 400 images; both directions of one task are of the same images."""
    members = [Member(task="a", metric=["t2i_r1", "i2t_r1"]), Member(task="b", metric=["acc1"], weight=3)]
    suite = Average(name="x", label="x", members=members)
    sizes = [TaskSize("a", "*", 100, "images", "s"), TaskSize("b", "*", 400, "images", "s")]
    own = TableSources(Published({}, [], sizes), {})
    scores = {("a", "t2i_r1"): 0.2, ("a", "i2t_r1"): 0.5, ("b", "acc1"): 0.1}
    of_a = (math.sqrt(0.16 / 100) + math.sqrt(0.25 / 100)) / 2
    expected = math.hypot(0.25 * of_a, 0.75 * math.sqrt(0.09 / 400))
    assert average.average_error(suite, scores, own) == pytest.approx(expected)


def test_imported_numbers_join_the_model_with_the_same_weights_and_stand_there_once(tmp_path: Path) -> None:
    names = "name,pretrained,ImageNet-A,ImageNet-R"
    rows = ["ViT-B-16,openai,0.49951,0.9", "ViT-Z-9,cc12m,0.3,0.4"]  # the first is published as 49.95
    (tmp_path / "a.csv").write_text("\n".join([names, *rows]) + "\n")
    found = field_of(sources_of([], [tmp_path / "a.csv"])[0])
    assert found.repeated == 1
    mine = [number for number in column(found, "imagenet-r", "acc1").numbers if number.score.kind == "imported"]
    assert {number.model.name for number in mine} == {"OpenAI CLIP B/16", "ViT-Z-9/cc12m"}
    assert {number.model.size for number in mine} == {"40 M to 500 M", "4 M to 30 M"}
    compared = {number.model.name: number.compared for number in mine}
    assert compared == {"OpenAI CLIP B/16": False, "ViT-Z-9/cc12m": True}


def test_records_of_whole_tasks_are_compared_with_their_own_intervals(tmp_path: Path) -> None:
    spec = "open_clip:ViT-B-16-quickgelu/openai"
    records = [made("imagenet", spec, metrics={"acc1": share(0.68, 50_000)}), made("shapes-retrieval", spec)]
    records.append(made("cifar10", "x", metrics={"acc1": share(0.5, 100)}, limit=100))
    found = field_of(sources_of([write(tmp_path / "results", *records)])[0])
    ours = [(each.task, number) for each in found.columns for number in each.numbers if number.score.kind == "ours"]
    ((task, number),) = ours
    assert task == "imagenet" and number.compared and number.low == share(0.68, 50_000).low
    assert (number.model.kind, number.model.size) == ("ViT-B/16", "40 M to 500 M")


@pytest.mark.parametrize(
    ("architecture", "kind"),
    [("ViT-L/14-336", "ViT-L"), ("ViT-H/14", "larger than ViT-L"), ("So400m/16", "larger than ViT-L"),
     ("MobileCLIP2-S0", "smaller than ViT-B"), ("ViT-39M/16", "smaller than ViT-B"),
     ("RN101", "ResNet, ConvNeXt, Swin"), ("EVA02-E-14-plus", "larger than ViT-L"),
     ("ViT-B-32-256", "ViT-B/32"), ("NegCLIP", "not known")],
)  # fmt: skip
def test_classes_of_architecture(architecture: str, kind: str) -> None:
    assert architecture_class(architecture) == kind


def test_classes_of_training_size() -> None:
    assert [size_class(pairs) for pairs in (None, 1_400_000, 30_000_000, 400_000_000, 2_000_000_000, 10**10)] == [
        "not known", "up to 3 M", "4 M to 30 M", "40 M to 500 M", "600 M to 2.5 B", "more than 2.5 B",
    ]  # fmt: skip


# Output


def test_in_a_terminal_it_fits_eighty_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    ran = goldieval("table", "field")
    assert ran.code == 0 and max(map(len, ran.out.splitlines())) <= 80
    (line,) = [line for line in ran.out.splitlines() if line.startswith("imagenet, top-1")]
    assert "PE-Core G/14-448" in line and "85.4" in line


def test_csv_has_every_number(field: Field) -> None:
    rows = list(csv.DictReader(goldieval("table", "field", "--format", "csv").out.splitlines()))
    assert len(rows) == sum(len(each.numbers) for each in field.columns)
    (row,) = [row for row in rows if (row["task"], row["model"]) == ("datacomp-38", "MobileCLIP2-S0")]
    assert (row["value"], row["unit"], row["source"]) == ("0.597", "fraction", "apple/ml-mobileclip README @4144bb1")


@pytest.mark.parametrize(
    ("arguments", "line"),
    [(("--format", "latex"), "the field has --format terminal or csv"), (("--digits", "2"), "table field has only"),
     (("--html", "missing/x.html"), "--html missing/x.html")],
)  # fmt: skip
def test_what_it_cannot_do_is_one_line(arguments: tuple[str, ...], line: str) -> None:
    ran = goldieval("table", "field", *arguments)
    assert ran.code == 2 and line in one_line(ran.err)


HOSTILE = "</script><script>window.ran=1</script><img src=x onerror=alert(1)>"


def hostile(folder: Path) -> Field:
    """Return a field with an imported model whose name is hostile."""
    content: dict[str, Any] = {"dataset": "cifar10", "model": HOSTILE, "pretrained": "x", "metrics": {"acc1": 0.9999}}
    (folder / "a.json").write_text(json.dumps(content))
    return field_of(sources_of([], [folder / "a.json"])[0])


def test_no_text_ends_the_data_of_the_page(tmp_path: Path) -> None:
    page = field_page(hostile(tmp_path))
    assert page.count("</script>") == 2 and "\\u003c/script>" in page


def test_the_page_has_a_bound_and_says_what_it_leaves_out(tmp_path: Path) -> None:
    languages = [
        f"crossmodal3600 image_retrieval_recall@1 {a}{b}" for a in "abcdefghijklmnopqrst" for b in "abcdefghij"
    ]
    rows = [f"m{number},v,0.1,{','.join(['0.5'] * len(languages))}" for number in range(MOST // len(languages) + 10)]
    (tmp_path / "a.csv").write_text("\n".join([f"model,version,avg,{','.join(languages)}", *rows]) + "\n")
    page = field_page(field_of(sources_of([], [tmp_path / "a.csv"])[0]))
    assert "numbers of parts of" in page and "xm3600-languages" in page and len(page) < 3_000_000
