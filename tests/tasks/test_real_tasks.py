"""The shipped cards over the real annotations and pictures in ../shared/data; skipped where they do not lie there."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import card, embeddings_folder, picture, toy_model
from open_clip import SimpleTokenizer

from goldieval import evaluate, load_task
from goldieval.data.samples import Dataset
from goldieval.engine.truncation import truncation
from goldieval.models.token_counts import token_counts
from goldieval.tasks.prompts import CLASS_NAMES, resolve

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
TEXTS = DATA / "annotations"
pytestmark = pytest.mark.skipif(not TEXTS.is_dir(), reason=f"no real data in {DATA}")


@pytest.fixture(autouse=True)
def given(monkeypatch: pytest.MonkeyPatch) -> None:
    """Links may lead to the real data."""
    monkeypatch.setenv("GOLDIEVAL_FOLDERS", str(DATA))


# shared/data/README.md: items of SugarCrepe whose picture is in coco_mini.
SUGARCREPE = {
    "add_att": 39,
    "add_obj": 154,
    "replace_att": 61,
    "replace_obj": 118,
    "replace_rel": 98,
    "swap_att": 45,
    "swap_obj": 18,
}


def prepared(name: str, folder: Path) -> Dataset:
    """Read with the shipped card; its hash of the prepared texts is checked on the way."""
    return load_task(name).card.source.prepared(folder)[0]


def flair(name: str) -> Any:
    return json.loads((TEXTS / "flair" / name).read_text())


@pytest.fixture
def coco(tmp_path: Path) -> Path:
    """A data root with the real captions and SugarCrepe's files, and the 238 pictures that are here."""
    folder = tmp_path / "coco"
    (folder / "annotations").mkdir(parents=True)
    (folder / "annotations/captions_val2017.json").symlink_to(TEXTS / "coco_val2017/captions_val2017.json")
    for name in ("sugarcrepe", "sugarcrepe_pp", "valse"):
        (folder / name).symlink_to(TEXTS / name)
    (folder / "val2017").symlink_to(DATA / "coco_mini/images/val2017")
    return tmp_path


def test_iiw_sentences_are_flairs_list_in_content_and_order() -> None:
    assert load_task("iiw-fg").card.source.prepared_sha256
    dataset, theirs = prepared("iiw-fg", TEXTS / "imageinwords"), flair("imageinwords_test_annotations.json")
    assert dataset.owner is not None
    ours = [(dataset.images[row].id, text.text) for row, text in zip(dataset.owner, dataset.texts, strict=True)]
    assert ours == [(entry["image"], entry["caption"]) for entry in theirs["annotations"]]
    assert (len(dataset.images), len(ours)) == (612, 6_204)


def test_long_texts_are_almost_all_cut_at_77_tokens() -> None:
    long = prepared("iiw-long", TEXTS / "imageinwords")
    assert len(long.texts) == 612
    tokenizer = SimpleTokenizer()
    found = truncation(token_counts(tokenizer, [text.text for text in long.texts]), 77)
    assert found is not None and (round(100 * found.share, 1), found.median - 2, found.longest - 2) == (
        99.0,
        224.5,
        756,
    )
    urban = [entry["caption"] for entry in flair("Urban1k_annotations_annotations.json")["annotations"]]
    found = truncation(token_counts(tokenizer, urban), 77)
    assert found is not None and found.texts == 1_000 and round(100 * found.share, 1) == 99.9


def test_val2017_has_12_images_of_six_captions_and_one_of_seven(coco: Path) -> None:
    whole, first5 = prepared("coco-val2017", coco / "coco"), prepared("coco-val2017-first5", coco / "coco")
    assert whole.owner is not None and first5.owner is not None
    counts = Counter(np.bincount(whole.owner).tolist())
    assert len(whole.texts) == 25_014 and counts == {5: 4_987, 6: 12, 7: 1}
    assert len(first5.texts) == 25_000 and set(np.bincount(first5.owner).tolist()) == {5}
    assert {text.id for text in first5.texts} < {text.id for text in whole.texts}


def test_flickr_val_has_1014_images_of_five_captions(tmp_path: Path) -> None:
    (tmp_path / "flickr30k_val.json").symlink_to(TEXTS / "flair/flickr30k-images_flickr30k_val.json")
    dataset = prepared("flickr30k-val", tmp_path)
    assert dataset.owner is not None and len(dataset.images) == 1_014
    assert set(np.bincount(dataset.owner).tolist()) == {5}


def test_dci_takes_all_three_lists_of_the_real_splits(tmp_path: Path) -> None:
    top = tmp_path / "densely_captioned_images"
    (top / "photos").mkdir(parents=True)
    (top / "annotations").mkdir()
    lists = flair("dci_densely_captioned_images_splits.json")
    assert {name: len(files) for name, files in lists.items()} == {"train": 7_599, "valid": 98, "test": 108}
    (top / "splits.json").write_text(json.dumps(lists))
    for files in lists.values():
        for name in files:
            entry = {"image": f"{name}.jpg", "short_caption": "Short.", "extra_caption": f"Long {name}\nand more."}
            (top / "annotations" / name).write_text(json.dumps(entry))
    dataset = prepared("dci", tmp_path)
    assert len(dataset.images) == len(dataset.texts) == 7_805
    assert dataset.texts[0].text.startswith("Short. Long 112956-data. json. and more")


def test_run_reports_captions_that_several_images_share(tmp_path: Path) -> None:
    content = json.loads((TEXTS / "coco_val2017/captions_val2017.json").read_text())
    columns = {"records": "annotations", "image": "image_id", "caption": "caption", "caption_id": "id"}
    source = {"path": ".", "file": "captions.json", "pictures": False} | columns
    (tmp_path / "captions.json").symlink_to(TEXTS / "coco_val2017/captions_val2017.json")
    file = card(tmp_path, "table", "retrieval", source=source, expect={"images": 5000, "texts": 25014})
    rng = np.random.default_rng(0)
    images, texts = ([str(entry["id"]) for entry in content[key]] for key in ("images", "annotations"))
    vectors = [rng.normal(size=(len(ids), 8)).astype(np.float32) for ids in (images, texts)]
    folder = embeddings_folder(tmp_path, vectors[0], images, vectors[1], texts)
    (record,) = evaluate(f"embeddings:{folder}", str(file), out=None)
    found = record.data.duplicates
    assert record.status == "ok" and found is not None and record.truncation is None
    assert (found.captions, found.images, found.raw_captions, found.raw_images) == (336, 304, 321, 292)


def test_val2017_runs_on_the_pictures_that_are_here_and_says_so(coco: Path) -> None:
    (record,) = evaluate("random", "coco-val2017", data_dir=coco, subset="present", out=None, cache=False)
    assert record.status == "ok" and record.task.subset == "present"
    assert (record.metrics["i2t_r1"].n, record.metrics["t2i_r1"].n) == (238, 1_191)
    assert record.data.seen == {"images": 5_000, "texts": 25_014}
    assert record.task.protocol.endswith("+ only the 238 of 5,000 pictures that are present")
    assert record.truncation is not None and record.truncation.cut == 0 and record.truncation.texts == 1_191
    found = record.metrics["t2i_r5"]
    assert found.low <= (found.chance or 0) <= found.high


def test_sugarcrepe_runs_on_the_pictures_that_are_here(coco: Path) -> None:
    (record,) = evaluate("random", "sugarcrepe", data_dir=coco, subset="present", out=None, cache=False)
    assert record.status == "ok" and record.data.seen["texts"] == 2 * 7_511
    assert {name: record.metrics[f"accuracy_{name}"].n for name in SUGARCREPE} == SUGARCREPE
    assert record.metrics["accuracy"].n == sum(SUGARCREPE.values()) == 533
    splits = np.array([record.metrics[f"accuracy_{name}"].value for name in SUGARCREPE])
    assert record.metrics["mean_accuracy"].value == pytest.approx(splits.mean())
    assert record.headline is not None
    assert record.headline.value == pytest.approx(splits @ np.array(list(SUGARCREPE.values())) / 533)
    assert record.headline.low < 0.5 < record.headline.high and record.headline.chance == 0.5


@pytest.mark.parametrize(
    ("name", "items", "whole", "pictures"),
    [("sugarcrepe-pp", 340, 4_757, 96), ("valse-plurals", 38, 851, 37), ("valse-relations", 30, 535, 28)],
)
def test_compositional_tasks_run_on_the_pictures_that_are_here_and_say_so(
    name: str, items: int, whole: int, pictures: int, coco: Path, tmp_path: Path
) -> None:
    (record,) = evaluate(toy_model(tmp_path), name, data_dir=coco, out=None, subset="present", cache=False)
    assert record.status == "ok", record.reason
    assert record.metrics["accuracy"].n == items and record.metrics["accuracy"].blind is not None
    assert f"subset: {items} of {whole:,} items, those whose pictures are here" in record.warnings
    assert f"only the {pictures} of " in record.task.protocol and record.task.subset == "present"
    if name == "sugarcrepe-pp":
        assert {"text_only", "mean_text_only", "mean_accuracy"} <= set(record.metrics)


def test_caltech_names_are_in_torchvisions_order_of_folders() -> None:
    task = load_task("caltech101-101")
    source = task.card.source.model_copy(update={"folder_name": "images"})
    dataset = source.read(DATA / "caltech101")
    names = resolve(task, task.card.params.class_names, CLASS_NAMES)  # type: ignore[union-attr, arg-type]
    assert dataset.class_names is not None and len(names) == len(dataset.class_names) == 101
    start = [(name[:3].lower(), folder[:3].lower()) for name, folder in zip(names, dataset.class_names, strict=True)]
    # "off-center face" and "centered face" are Faces and Faces_easy; three folders have another spelling.
    assert sum(ours == theirs for ours, theirs in start) >= 90


def test_subset_without_any_picture_is_one_line(coco: Path, tmp_path: Path) -> None:
    (coco / "coco/val2017").unlink()
    picture(coco / "coco/val2017/other.png")
    (record,) = evaluate("random", "coco-val2017", data_dir=coco, subset="present", out=None, cache=False)
    assert record.status == "failed" and "none of the 5,000 images exists" in record.reason
