"""Boxes on drawn and on real pictures against a computation by hand: picture by picture, box by box, in NumPy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers import card
from PIL import Image
from roi_by_definition import by_definition

from goldieval import evaluate, load_model
from goldieval.data.shapes.draw import boxes, draw
from goldieval.data.shapes.world import CLASSES, sample_scene
from goldieval.goldiclip.dense import last_block
from goldieval.records.files import find_records, read_outcomes, read_record
from goldieval.records.schema import Record

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
NAMES = [f"{colour} {shape}" for colour, shape in CLASSES]
Corners = tuple[float, float, float, float]


def outcomes(folder: Path) -> tuple[Record, dict[str, np.ndarray]]:
    (file,) = find_records(folder)
    record = read_record(file)
    columns = read_outcomes(file, record)
    return record, {name: columns[name] for name in columns}


def units(vectors: np.ndarray) -> np.ndarray:
    found: np.ndarray = vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
    return found


def text_vectors(model: Any, texts: list[str]) -> np.ndarray:
    with torch.inference_mode():
        return units(model.encode_text(model.tokenize(texts)).double().numpy())


def region(model: Any, picture: Image.Image, box: Corners, attention: str, side: int) -> np.ndarray:
    """The vector of a box in a picture that is squashed to ``side`` pixels; of its crop where no side is given."""
    left, top, right, bottom = box
    if not side:
        crop = picture.crop((int(np.floor(left)), int(np.floor(top)), int(np.ceil(right)), int(np.ceil(bottom))))
        with torch.inference_mode():
            vector: np.ndarray = model.encode_image(model.preprocess(crop)[None])[0].double().numpy()
        return vector
    small = np.asarray(picture.resize((side, side), Image.Resampling.BICUBIC), dtype=np.float32) / 255
    pixels = model.normalise(torch.from_numpy(small).permute(2, 0, 1))
    with torch.inference_mode():
        grid = model.dense(pixels[None], attention)[0].double().numpy()
    width, height = picture.size
    return by_definition(grid, (left / width, top / height, right / width, bottom / height))


@pytest.mark.parametrize(
    ("params", "attention", "side"),
    [
        ({"reading": "projection"}, "plain", 64),
        ({"reading": "projection", "attention": "value", "resolution": 96}, "value", 96),
        ({"region": "crop"}, "", 0),
    ],
)
def test_drawn_scenes(params: dict[str, Any], attention: str, side: int, tmp_path: Path) -> None:
    evaluate("goldiclip", "shapes-regions", out=tmp_path, cache=False, limit=12, overrides=params)
    _, columns = outcomes(tmp_path)
    model = load_model("goldiclip")
    texts = text_vectors(model, [f"a {name}" for name in NAMES])
    assert len(columns["sample_id"]) > 20
    for row, id in enumerate(columns["sample_id"]):
        scene_id, _, number = id.rpartition(":")
        scene = sample_scene("test", int(scene_id.rpartition("-")[2]))
        box = boxes(scene, 128)[int(number)]
        scores = texts @ units(region(model, draw(scene, 128), tuple(box.tolist()), attention, side))
        obj = scene.objects[int(number)]
        assert columns["text"][row] == f"{obj.colour} {obj.shape}" == NAMES[columns["label"][row]]
        assert columns["right_score"][row] == pytest.approx(scores[columns["label"][row]], abs=2e-5)
        assert scores[columns["prediction"][row]] == pytest.approx(scores.max(), abs=2e-5)
        assert abs(columns["place"][row] - (scores > scores[columns["label"][row]]).sum()) <= 1  # near-ties


def test_the_block_of_values_is_attention_of_every_token_to_itself_alone() -> None:
    from open_clip.transformer import ResidualAttentionBlock

    torch.manual_seed(0)
    block = ResidualAttentionBlock(16, 4).eval()
    torch.nn.init.normal_(block.attn.in_proj_bias)
    hidden = torch.randn(2, 6, 16)
    alone = torch.full((6, 6), -torch.inf).fill_diagonal_(0)
    batch_first = getattr(block.attn, "batch_first", True)
    with torch.inference_mode():
        masked = block(hidden if batch_first else hidden.transpose(0, 1), attn_mask=alone)
        found = last_block(block, hidden, "value")
    assert torch.allclose(found, masked if batch_first else masked.transpose(0, 1), atol=1e-5)


# --- real pictures ----------------------------------------------------------------------------------------------------

real = pytest.mark.skipif(not (DATA / "coco_mini").is_dir(), reason=f"no real data in {DATA}")


@pytest.fixture
def coco(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data root with FG-OVD's files and the pictures of coco_mini."""
    monkeypatch.setenv("GOLDIEVAL_FOLDERS", str(DATA))
    folder = tmp_path / "coco"
    folder.mkdir()
    for name, target in (("fgovd", "annotations/fgovd"), ("annotations", "coco_mini/annotations")):
        (folder / name).symlink_to(DATA / target)
    for split in ("val2017", "train2017"):
        (folder / split).symlink_to(DATA / "coco_mini/images" / split)
    return tmp_path


@real
@pytest.mark.slow
def test_fgovd_runs_on_the_pictures_that_are_here_and_says_so(coco: Path) -> None:
    evaluate("random", "fgovd-hard", data_dir=coco, out=coco / "r", cache=False, subset="present")
    record, columns = outcomes(coco / "r")
    assert record.data.seen == {"images": 1707, "texts": 20943, "boxes": 3545}
    assert "only the 51 of 1,707 pictures that are present" in record.task.protocol
    assert record.metrics["accuracy"].n == 123 and record.metrics["accuracy"].clusters == 51
    lines = (DATA / "annotations/fgovd/hard.jsonl").read_text().splitlines()
    items = {str(item["sent_id"]): item for item in map(json.loads, lines)}
    model: Any = load_model("random")
    side = model.preprocess(Image.new("RGB", (9, 9))).shape[-1]
    for row in range(0, 123, 12):
        item = items[columns["sample_id"][row]]
        picture = Image.open(coco / "coco" / item["img_path"]).convert("RGB")
        left, top, width, height = item["bbox"]
        vector = region(model, picture, (left, top, left + width, top + height), "value", side)
        candidates = [text.lower() for text in (*item["pos_expression"], *item["neg_expression"])]
        scores = text_vectors(model, candidates) @ units(vector)
        assert columns["right_score"][row] == pytest.approx(scores[0], abs=2e-5)
        assert columns["wrong_score"][row] == pytest.approx(scores[1:].max(), abs=2e-5)
        assert columns["text"][row] == item["pos_expression"][0]


@real
@pytest.mark.slow
@pytest.mark.parametrize("split", ["val2017", "train2017"])
def test_every_box_of_the_real_instances_is_scored(split: str, coco: Path) -> None:
    source = {"path": str(coco / "coco"), "annotations": f"annotations/instances_{split}.json", "images": split}
    params = {"prompts": ["a photo of a {c}."], "strata": ["small", "medium", "large"], "lower_case": True}
    boxes = {"val2017": 612, "train2017": 898}[split]
    for region_of in ("roi", "crop"):
        chosen = params | {"region": region_of}
        file = card(coco, "coco-boxes", "regions", headline="acc1", source=source, params=chosen)
        (record,) = evaluate("random", str(file), out=None, cache=False, limit=None if region_of == "roi" else 6)
        assert record.status == "ok", record.reason
        assert record.data.seen["boxes"] == boxes and record.data.seen["classes"] == 80
        whole = record.metrics["accuracy"]
        assert whole.n == boxes or region_of == "crop"
        parts = [record.metrics[f"accuracy_{size}"] for size in ("small", "medium", "large")]
        assert sum(part.value * part.n for part in parts) == pytest.approx(whole.value * whole.n)
        assert sum(part.n for part in parts) == whole.n
