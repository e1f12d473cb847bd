"""Every shipped card runs end to end on tiny data in its own source's format, so that each reader really reads."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import pytest
from helpers import card, json_lines, picture, toy_model
from PIL import Image
from synthetic_records import made
from tiny_data import stand_in

from goldieval import evaluate, load_task
from goldieval.core.errors import GoldievalError
from goldieval.records.files import find_records, read_outcomes, read_record
from goldieval.report.thumbnails import SIDE, Thumbnails
from goldieval.tasks.card import Task, load_card
from goldieval.tasks.catalogue import packaged

DENSE = ("regions", "segmentation", "dense-probe")  # families that need patch features
SHIPPED = sorted(packaged("tasks").glob("*.yaml"))


@pytest.fixture(params=SHIPPED, ids=lambda file: file.stem)
def shipped(request: pytest.FixtureRequest) -> Task:
    return load_card(request.param)


def test_card_runs_on_a_stand_in_of_its_own_format(shipped: Task, tmp_path: Path) -> None:
    copy = stand_in(shipped, tmp_path)
    generates = shipped.card.family == "vqa"
    model = toy_model(tmp_path) if shipped.card.source.on_disk and not generates else "goldiclip"
    model = "random" if shipped.card.family in DENSE and shipped.card.source.on_disk else model
    (record,) = evaluate(model, str(copy), out=None, cache=False)
    assert record.status == "ok", record.reason
    assert record.headline is not None and record.task.headline == shipped.card.headline
    assert (record.headline.chance is None) == (shipped.card.headline == "answered")  # the share of answers is no score
    assert bool(record.data.prepared_sha256) == (shipped.card.source.prepare is not None)
    assert set(shipped.card.metrics()) >= {name for name in record.metrics if not name.endswith("_rank")}
    if shipped.card.family == "zeroshot":
        assert {"acc1", "mean_per_class_recall"} <= set(record.metrics)


def test_a_page_finds_the_pictures_of_every_format(shipped: Task, tmp_path: Path) -> None:
    """By the id that outcomes name, whether they lie in files, tars or tables or are drawn."""
    content = stand_in(shipped, tmp_path).read_text().replace(f"name: {shipped.name}\n", "name: mine\n")
    (tmp_path / "tasks").mkdir()
    file = tmp_path / "tasks" / "mine.yaml"
    file.write_text(content)
    images = load_card(file).card.source.image_samples(tmp_path / "data")[:3]
    pictures = Thumbnails(tmp_path, tmp_path / "tasks").of(made("cifar10", "a", name="mine"))
    addresses = [pictures.address(image.id, image.path) for image in images]
    assert pictures.unavailable == "" and pictures.address("no such id", "") == "" and pictures.not_found == 1
    for image, address in zip(images, addresses, strict=True):
        found = Image.open(io.BytesIO(base64.b64decode(address.removeprefix("data:image/jpeg;base64,"))))
        whole = image.source.open()
        whole.thumbnail((SIDE, SIDE))
        assert found.size == whole.size


def test_a_page_says_why_pictures_are_missing(tmp_path: Path) -> None:
    pictures = Thumbnails(tmp_path).of(made("coco-karpathy", "a"))
    assert pictures.address("1", "1.jpg") == "" and pictures.not_found == 0
    assert "cannot read" in pictures.unavailable and "nshards.txt" in pictures.unavailable


def test_outcomes_say_which_texts_the_context_cuts(tmp_path: Path) -> None:
    """Half of the captions are made longer than the shipped model's 77 tokens; the tokenizer itself is the oracle."""
    rows = [{"image": f"{row}.png", "caption": "a red circle " * (40 if row % 2 else 2)} for row in range(6)]
    for row in range(6):
        picture(tmp_path / "data" / f"{row}.png", row)
    json_lines(tmp_path / "data" / "captions.jsonl", rows)
    file = card(tmp_path, "table", "retrieval", source={"file": "captions.jsonl", "caption": "caption"})
    (record,) = evaluate("goldiclip", str(file), out=tmp_path / "results", cache=False)
    assert record.truncation is not None and record.truncation.cut == 3
    (written,) = find_records(tmp_path / "results")
    columns = read_outcomes(written, read_record(written))
    by_text = columns["direction"] == "t2i"
    assert columns["cut"][by_text].tolist() == [False, True] * 3 and not columns["cut"][~by_text].any()


@pytest.mark.parametrize(
    "example", ["my-descriptions", "my-contrast", "my-probe", "my-boxes", "my-dense-probe", "my-depth", "my-questions"]
)
def test_worked_example_of_the_docs_runs(example: str, tmp_path: Path) -> None:
    task = load_card(Path(__file__).parents[2] / "docs/examples" / f"{example}.yaml")
    plain = "goldiclip" if task.card.family == "vqa" else toy_model(tmp_path)
    model = "random" if task.card.family in DENSE else plain
    (record,) = evaluate(model, str(stand_in(task, tmp_path)), out=None, cache=False)
    assert record.status == "ok" and record.headline is not None, record.reason


def test_pictures_that_are_missing_fail_a_task_and_are_left_out_of_a_subset(tmp_path: Path) -> None:
    copy = stand_in(load_task("sugarcrepe"), tmp_path)
    (tmp_path / "data/val2017/1.png").unlink()
    model = toy_model(tmp_path)
    (whole,) = evaluate(model, str(copy), out=None, cache=False)
    assert whole.status == "failed" and "1 of 2 images cannot be read" in whole.reason
    (part,) = evaluate(model, str(copy), out=None, cache=False, subset="present")
    assert part.status == "ok" and part.metrics["accuracy"].n == 7
    assert part.task.subset == "present" and "only the 1 of 2 pictures that are present" in part.task.protocol
    assert part.setting != whole.setting and part.data.seen == whole.data.seen
    with pytest.raises(GoldievalError, match="the only subset is present"):
        evaluate(model, str(copy), out=None, subset="all")


def test_card_says_where_its_data_come_from_and_pins_what_can_be_pinned(shipped: Task) -> None:
    """A hub repository is pinned by a commit, or resolved and recorded when it is fetched; a file has an address."""
    source = shipped.card.source
    assert shipped.card.licence
    if not source.on_disk:
        return
    assert source.hub or source.urls or source.manual
    assert source.revision == "main" or (source.hub and len(source.revision) == 40)
    assert source.megabytes or source.hub or source.manual or not all(url.bytes for url in source.urls)
    known = sum(url.bytes or 0 for url in source.urls) / 1e6
    assert not source.urls or abs((source.megabytes or 0) - known) < 5


def test_every_reader_of_files_has_a_card_or_a_test_of_its_own() -> None:
    readers = {load_card(file).card.source.reader for file in SHIPPED}
    assert readers >= {"caption-lines", "image-pairs", "judged", "language-table", "parallel-lines"}
    assert readers >= {"coco", "contrast", "crossed", "folder", "sidecar", "table", "tables", "vqa", "webdataset"}
    assert readers >= {"boxes", "coco-boxes"}
