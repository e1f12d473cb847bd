"""Real features, pictures and captions that lie beside the checkout in ../shared/data; skipped where they do not."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import card, json_lines

from goldieval import evaluate, load_task
from goldieval.families.base import family_of
from goldieval.scoring.cosine import unit

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason=f"no real data in {DATA}")

# shared/data/README.md, "Known answers".
FLICKR8K = {
    "t2i_r1": 0.8943,
    "t2i_r5": 0.9886,
    "t2i_r10": 0.9971,
    "i2t_r1": 0.9714,
    "i2t_r5": 1.0,
    "i2t_r10": 1.0,
}
FEATURES = DATA / "clip_features_flickr8k"


def _class_vectors(*names: str) -> np.ndarray:
    """Text features of "a " + class name from Detic, whose rows are COCO's 80 classes in the order of their ids."""
    instances = json.loads((DATA / "coco_mini" / "annotations" / "instances_val2017.json").read_text())
    classes = [entry["name"] for entry in sorted(instances["categories"], key=lambda entry: entry["id"])]
    array: np.ndarray = np.load(DATA / "clip_text_embeddings_detic" / "coco_clip_a+cname.npy")
    assert len(classes) == len(array) == 80
    return array[[classes.index(name) for name in names]]


def _captions() -> list[dict[str, Any]]:
    return [json.loads(line) for line in (FEATURES / "texts.jsonl").read_text().splitlines()]


def _dogs() -> set[str]:
    """Images of which most captions speak of a dog."""
    said: dict[str, list[bool]] = {}
    for row in _captions():
        words = row["caption"].lower().replace(",", " ").split()
        said.setdefault(row["image_id"], []).append("dog" in words or "dogs" in words)
    return {image for image, mentions in said.items() if sum(mentions) >= 3}


@pytest.fixture
def flickr8k(tmp_path: Path) -> Path:
    """The real CLIP features as an embeddings folder, ids in the order of their rows."""
    rows = _captions()
    for name in ("image_embeddings.npy", "text_embeddings.npy", "texts.jsonl"):
        shutil.copyfile(FEATURES / name, tmp_path / name)
    images = {row["image_row"]: row["image_id"] for row in rows}
    (tmp_path / "image_ids.txt").write_text("".join(f"{images[row]}\n" for row in sorted(images)))
    (tmp_path / "text_ids.txt").write_text("".join(f"{row['row']}\n" for row in rows))
    columns = {"file": "texts.jsonl", "image": "image_id", "caption": "caption", "caption_id": "row"}
    source = {"path": ".", "pictures": False} | columns
    card(tmp_path, "table", "retrieval", source=source, expect={"images": 70, "texts": 350})
    return tmp_path


def test_known_recalls_of_real_clip_features(flickr8k: Path) -> None:
    (record,) = evaluate(f"embeddings:{flickr8k}", str(flickr8k / "card.yaml"), out=None)
    assert record.status == "ok"
    # No score that decides a hit lies within 9e-6 of its rival; processors differ by about 1e-7, ties reach to 1e-6.
    assert {name: round(record.metrics[name].value, 4) for name in FLICKR8K} == FLICKR8K
    assert record.metrics["t2i_r1"].n == 350 and record.metrics["t2i_r1"].clusters == 70
    assert record.ties.gap < 0.001


def test_interval_has_width_where_the_score_is_1(flickr8k: Path) -> None:
    (record,) = evaluate(f"embeddings:{flickr8k}", str(flickr8k / "card.yaml"), out=None)
    for name in FLICKR8K:
        found = record.metrics[name]
        assert 0 < found.high - found.low < 0.2 and found.low <= found.value <= found.high <= 1
    assert record.metrics["i2t_r5"].low == pytest.approx(0.948, abs=1e-3)  # Wilson, 70 of 70


def test_norm_of_features_does_not_change_a_rank(flickr8k: Path) -> None:
    for name in ("image", "text"):
        file = flickr8k / f"{name}_embeddings.npy"
        array = np.load(file)
        file.unlink()
        np.save(file, array * np.random.default_rng(0).uniform(0.1, 20, (len(array), 1)).astype(np.float32))
    (record,) = evaluate(f"embeddings:{flickr8k}", str(flickr8k / "card.yaml"), out=None)
    assert {name: round(record.metrics[name].value, 4) for name in FLICKR8K} == FLICKR8K


def test_shuffled_captions_fall_to_chance(flickr8k: Path) -> None:
    ids = (flickr8k / "text_ids.txt").read_text().split()
    (flickr8k / "text_ids.txt").write_text("\n".join(np.random.default_rng(0).permutation(ids)) + "\n")
    (record,) = evaluate(f"embeddings:{flickr8k}", str(flickr8k / "card.yaml"), out=None)
    found = record.metrics["t2i_r1"]
    assert found.chance == pytest.approx(1 / 70) and found.low <= found.chance <= found.high


def test_a_dog_ranks_the_dog_pictures_first_though_its_vector_is_not_normalised(flickr8k: Path) -> None:
    """Normalisation is tested: float16, norm about 11."""
    dog = _class_vectors("dog")
    assert dog.dtype == np.float16 and 9 < np.linalg.norm(dog) < 13
    images = unit(np.load(flickr8k / "image_embeddings.npy"), "image")
    scores = (images @ unit(dog, "text").T)[:, 0].numpy()
    ids = (flickr8k / "image_ids.txt").read_text().split()
    ranked = [ids[row] for row in np.argsort(-scores)]
    dogs = _dogs()
    assert len(dogs) >= 10
    assert set(ranked[: len(dogs)]) == dogs


def test_class_vectors_of_another_repository_run_as_a_task(flickr8k: Path) -> None:
    """The same through the command's own path: relevance of ids, texts of norm 11 against images of norm 1."""
    (flickr8k / "text_embeddings.npy").unlink()
    np.save(flickr8k / "text_embeddings.npy", _class_vectors("dog", "horse"))
    (flickr8k / "text_ids.txt").write_text("dog\nhorse\n")
    others = [id for id in (flickr8k / "image_ids.txt").read_text().split() if id not in _dogs()]
    rows = [{"id": "dog", "text": "a dog", "image_ids": sorted(_dogs())}]
    rows.append({"id": "horse", "text": "a horse", "image_ids": others})
    json_lines(flickr8k / "relevance.jsonl", rows)
    source = {"path": ".", "file": "relevance.jsonl", "gallery": "image_ids.txt"}
    file = card(flickr8k, "relevance", "retrieval", source=source, params={"k": [1, 10]})
    (record,) = evaluate(f"embeddings:{flickr8k}", str(file), out=None)
    assert record.status == "ok" and record.metrics["t2i_r1"].value == 1
    to_text = record.metrics["i2t_r1"]
    assert to_text.n == 70 and to_text.chance == 0.5 < to_text.low


TABLE = {"reader": "table", "file": "index.jsonl", "image": "file", "label": "label", "classes": "classes.txt"}
FOLDERS = {"reader": "folder", "folder_name": "images", "classes": "classes.txt"}
CAPTIONED = {"reader": "table", "file": "captions_val2017.jsonl", "image": "file", "caption": "captions"}
KARPATHY = {"reader": "coco", "annotations": "annotations/captions_val2017.json", "images": "images/val2017"}
CARDS: list[tuple[str, dict[str, Any], dict[str, int]]] = [
    ("cifar10", FOLDERS, {"images": 1000, "classes": 10}),
    ("cifar10", TABLE, {"images": 1000, "classes": 10}),
    ("caltech101", FOLDERS, {"images": 1010, "classes": 101}),
    ("caltech101", TABLE, {"images": 1010, "classes": 101}),
    ("pacs", TABLE, {"images": 616, "classes": 7}),
    ("clothing", FOLDERS, {"images": 372, "classes": 10}),
    ("coco_mini", CAPTIONED, {"images": 238, "texts": 1191}),
    ("coco_mini", KARPATHY, {"images": 238, "texts": 1191}),
]


@pytest.mark.parametrize(("name", "source", "counts"), CARDS, ids=[f"{n}-{s['reader']}" for n, s, _ in CARDS])
def test_users_card_over_real_data_reads_the_right_counts(
    tmp_path: Path, name: str, source: dict[str, Any], counts: dict[str, int]
) -> None:
    family = "retrieval" if "texts" in counts else "zeroshot"
    place = {"path": str(DATA / name)}
    task = load_task(str(card(tmp_path, source["reader"], family, source=place | source)))
    folder = task.folder(tmp_path)
    assert not task.card.source.missing(folder)
    prepared = family_of(family).prepare(task, task.card.source.read(folder))
    dataset = prepared.dataset
    found = {"images": len(dataset.images)} | ({"texts": len(dataset.texts)} if dataset.texts else {})
    if dataset.labels is not None:
        found["classes"] = len(np.unique(dataset.labels))
        assert dataset.class_names == (DATA / name / "classes.txt").read_text().split("\n")[: found["classes"]]
        assert all(dataset.class_names[label] in image.path for image, label in _pairs(dataset))
    assert found == counts
    assert dataset.images[0].source.open().mode == "RGB"


def _pairs(dataset: Any) -> list[tuple[Any, int]]:
    return list(zip(dataset.images, dataset.labels, strict=True))


def test_two_readers_of_the_same_captions_agree(tmp_path: Path) -> None:
    found = []
    for number, source in enumerate((CAPTIONED, KARPATHY)):
        source = source | {"path": str(DATA / "coco_mini")}
        task = load_task(str(card(tmp_path / str(number), source["reader"], "retrieval", source=source)))
        dataset = task.card.source.read(task.folder(tmp_path))
        by_file: dict[str, list[str]] = {}
        assert dataset.owner is not None
        for text, owner in zip(dataset.texts, dataset.owner, strict=True):
            by_file.setdefault(Path(dataset.images[owner].path).name, []).append(text.text)
        found.append({file: sorted(texts) for file, texts in by_file.items()})
    assert found[0] == found[1]
