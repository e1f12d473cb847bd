"""Segmentation as a task: readings, oracles on drawn and real masks, records, pictures, one command for all."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
import torch.nn.functional as F
import yaml
from helpers import goldieval, records
from PIL import Image

from goldieval import evaluate, load_model
from goldieval.data.masks import IGNORED
from goldieval.data.shapes.reader import ShapesSource
from goldieval.families.base import family_of
from goldieval.families.sheet_colours import sheet_colours
from goldieval.goldiclip.pooling import TextConditionedPool
from goldieval.metrics import miou
from goldieval.models.adapter import Dense, ModelInfo
from goldieval.scoring.conditioned import conditioned_matrix
from goldieval.scoring.patches import reader
from goldieval.tasks.card import Task, load_card
from goldieval.tasks.catalogue import Catalogue, packaged

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples"
real = pytest.mark.skipif(not DATA.is_dir(), reason=f"no real data in {DATA}")


class Oracle:
    """Pictures carry their class in the red channel (0: no label); a patch's features are the shares of classes in it.

    blind: every patch names a class by dice instead.
    """

    def __init__(self, names: Sequence[str], patch: int, blind: bool = False) -> None:
        self.names, self.patch, self.blind = list(names), patch, blind
        self.texts, self.largest = 0, 0
        self.dice = torch.Generator().manual_seed(0)

    def describe(self) -> ModelInfo:
        place = f"{len(self.names)}-{self.patch}-{self.blind}"
        return ModelInfo("oracle", "file", "0" * 64, image_identity=f"oracle-{place}", text_identity=f"oracle-{place}")

    def preprocess(self, image: Image.Image) -> torch.Tensor:
        raise AssertionError("segmentation needs no vector of a picture")

    def tokenize(self, texts: Sequence[str]) -> torch.Tensor:
        self.texts += len(texts)
        return torch.tensor([[self.names.index(text)] for text in texts])

    def encode_image(self, pixels: torch.Tensor) -> torch.Tensor:
        raise AssertionError("segmentation needs no vector of a picture")

    def encode_text(self, tokens: torch.Tensor) -> torch.Tensor:
        return F.one_hot(tokens[:, 0], len(self.names)).float()

    def normalise(self, picture: torch.Tensor) -> torch.Tensor:
        return picture

    def dense(self, pixels: torch.Tensor, attention: str) -> torch.Tensor:
        self.largest = max(self.largest, len(pixels))
        classes = (255 * pixels[:, 0]).round().long()
        shares = F.one_hot(classes, 256)[..., 1 : len(self.names) + 1].float().permute(0, 3, 1, 2)
        pooled = F.avg_pool2d(shares, self.patch, ceil_mode=True).permute(0, 2, 3, 1)
        if self.blind:
            drawn = torch.randint(len(self.names), pooled.shape[:-1], generator=self.dice)
            return F.one_hot(drawn, len(self.names)).float()
        return pooled + 1e-4  # a patch without any label still has a direction


def painted(folder: Path, masks: Sequence[np.ndarray], classes: int, **params: Any) -> Path:
    """Write masks of classes and pictures that show them; return the card."""
    (folder / "masks").mkdir(parents=True)
    (folder / "images").mkdir()
    for number, mask in enumerate(masks):
        shown = np.zeros((*mask.shape, 3), dtype=np.uint8)
        shown[..., 0] = mask + 1
        Image.fromarray(shown).save(folder / f"images/{number:03d}.png")
        Image.fromarray(np.where(mask == IGNORED, 255, mask).astype(np.uint8)).save(folder / f"masks/{number:03d}.png")
    side = min(min(mask.shape) for mask in masks)
    content = {
        "name": "painted", "family": "segmentation", "version": 1, "protocol": "painted", "title": "Painted",
        "licence": "mine", "headline": "miou",
        "source": {"reader": "masks", "path": ".", "images": "images", "masks": "masks"},
        "params": {"class_names": [f"c{n}" for n in range(classes)], "prompts": ["{c}"], "short_side": side,
                   "crop": 64, "stride": 32, **params},
    }  # fmt: skip
    file = folder / "card.yaml"
    file.write_text(yaml.safe_dump(content))
    return file


def shapes_masks() -> list[np.ndarray]:
    """Eight shapes, and the background as a ninth class."""
    masks = ShapesSource(reader="shapes", content="segmentation", scenes=24, resolution=96).read(Path()).masks
    assert masks is not None
    return [np.where(raw == IGNORED, 8, raw % 8) for raw in (mask.read() for mask in masks)]


def camvid_masks() -> list[np.ndarray]:
    if not DATA.is_dir():
        pytest.skip(f"no real data in {DATA}")
    files = sorted((DATA / "camvid/masks").glob("*.png"))[::6]
    raw = [np.asarray(Image.open(file).resize((160, 120), Image.Resampling.NEAREST)).astype(np.int16) for file in files]
    return [np.where(mask == 11, IGNORED, mask) for mask in raw]


@pytest.fixture(params=["shapes", "camvid"])
def world(request: pytest.FixtureRequest) -> tuple[list[np.ndarray], int]:
    """Masks and their number of classes: eight shapes and background, or CamVid's eleven."""
    return (shapes_masks(), 9) if request.param == "shapes" else (camvid_masks(), 11)


def bound(masks: list[np.ndarray], classes: int, patch: int, crop: int) -> float:
    """What patches can tell, by hand, of pictures that fit into one window."""
    areas = np.zeros((2, classes))
    for mask in masks:
        assert max(mask.shape) <= crop
        labelled = torch.from_numpy((mask[None] == np.arange(classes)[:, None, None]).astype(np.float32))
        shares = F.avg_pool2d(labelled[None], patch, ceil_mode=True) + 1e-4
        cosines = F.normalize(shares, dim=1)
        found = F.interpolate(cosines, size=mask.shape, mode="bilinear")[0].argmax(0).numpy()
        for number in range(classes):
            claimed, true = (found == number) & (mask != IGNORED), mask == number
            areas[:, number] += (claimed & true).sum(), (claimed | true).sum()
    there = areas[1] > 0
    return float((areas[0][there] / areas[1][there]).mean())


def test_true_classes_reach_what_the_patch_grid_allows(tmp_path: Path, world: tuple[list[np.ndarray], int]) -> None:
    masks, classes = world
    names = [f"c{n}" for n in range(classes)]
    found = {}
    for patch in (1, 8, 16):
        card = painted(tmp_path / str(patch), masks, classes, crop=256, stride=256)
        (record,) = evaluate(Oracle(names, patch), [str(card)], out=None)
        assert record.status == "ok", record.reason
        found[patch] = record.values()["miou"]
        assert found[patch] == pytest.approx(bound(masks, classes, patch, 256), abs=2e-4)
    assert found[1] == 1 > found[8] > found[16] > 0.2


def test_windows_lose_nothing_that_the_patch_grid_has(tmp_path: Path, world: tuple[list[np.ndarray], int]) -> None:
    masks, classes = world
    oracle = Oracle([f"c{n}" for n in range(classes)], 1)
    (record,) = evaluate(oracle, [str(painted(tmp_path, masks, classes, crop=32, stride=16))], out=None)
    assert record.values() == {"miou": 1, "macc": 1, "aacc": 1} and oracle.largest > 1
    assert oracle.texts == classes  # once a task, whatever the number of pictures and windows
    assert all(metric.low < 1 for metric in record.metrics.values())  # not of width 0 for want of variety


def test_dice_get_chance(tmp_path: Path, world: tuple[list[np.ndarray], int]) -> None:
    masks, classes = world
    card = painted(tmp_path, masks, classes, crop=256, stride=256)
    (record,) = evaluate(Oracle([f"c{n}" for n in range(classes)], 1, blind=True), [str(card)], out=None)
    labelled = np.bincount(np.concatenate([mask[mask != IGNORED] for mask in masks]), minlength=classes)
    shares = labelled[labelled > 0] / labelled.sum()
    expected = (shares / classes / (shares + 1 / classes - shares / classes)).mean()
    found = record.metrics["miou"]
    assert found.value == pytest.approx(expected, abs=0.005)
    assert found.chance is not None and found.value < found.chance + 0.005 and found.chance >= expected - 1e-9


def naive_pooling(pool: TextConditionedPool, features: torch.Tensor, texts: torch.Tensor) -> torch.Tensor:
    """Each patch an image of its own, scored by the pooling that retrieval uses."""
    n, rows, columns, dim = features.shape
    scores = conditioned_matrix(pool, texts, features.reshape(-1, 1, dim))
    return scores.view(n, rows, columns, -1).permute(0, 3, 1, 2)


def test_pooling_of_one_patch_is_the_pools_own_and_the_map_its_attention() -> None:
    torch.manual_seed(0)
    pool = TextConditionedPool(16, 4)
    torch.nn.init.normal_(pool.out.bias)
    features, texts = torch.randn(3, 2, 5, 16), torch.randn(6, 16)
    units = F.normalize(texts, dim=-1)
    with torch.no_grad():
        found = reader("pooling", units, texts, pool)(features)
        assert found.shape == (3, 6, 2, 5)
        assert torch.allclose(found, naive_pooling(pool, features, texts), atol=1e-5)
        weights = pool.attention(texts[None].expand(3, -1, -1), features.flatten(1, 2))
        shown = reader("attention-map", units, texts, pool)(features)
        assert torch.allclose(shown.flatten(2), weights[..., :-1].mean(1), atol=1e-6)
        direct = reader("projection", units, texts, None)(features)
        assert torch.allclose(direct[1, 2, 1, 3], F.cosine_similarity(features[1, 1, 3], texts[2], dim=0), atol=1e-6)


def test_bootstrap_of_miou_holds_the_value_and_shrinks_with_images() -> None:
    rng = np.random.default_rng(0)
    widths = []
    for count in (20, 600):
        labelled = rng.integers(0, 100, (count, 3))
        inside = (labelled * rng.uniform(0.2, 0.8, (count, 1))).astype(int)
        areas = np.stack([inside, 2 * labelled - inside, labelled, labelled], axis=1)
        found = miou.scores(areas)["miou"]
        assert found.low < found.value < found.high and found.clusters == count
        assert not found.unreliable
        widths.append(found.high - found.low)
    assert widths[1] < widths[0] / 3


@pytest.mark.parametrize("spec", ["random", "goldiclip"])
@pytest.mark.parametrize("attention", ["plain", "csa"])
def test_adapters_give_dense_features_for_windows_of_any_size(spec: str, attention: str) -> None:
    model: Any = load_model(spec)
    assert isinstance(model, Dense)
    with model.inference():
        picture = model.normalise(torch.rand(3, 64, 64))
        whole = model.dense(picture[None].repeat(2, 1, 1, 1), attention)
        patch = 64 // whole.shape[1]
        assert whole.shape[:3] == (2, 64 // patch, 64 // patch) and torch.allclose(whole[0], whole[1], atol=1e-5)
        for height, width in ((1, 64), (64, 1), (3, 5), (2 * patch, patch + 1), (96, 80)):
            window = torch.rand(1, 3, height, width)
            found = model.dense(window, attention)
            assert found.shape[1:3] == (max(height // patch, 1), max(width // patch, 1))
            assert torch.isfinite(found).all()


def test_plain_patches_are_the_models_own_and_the_variants_differ() -> None:
    model: Any = load_model("goldiclip")
    with model.inference():
        pixels = torch.rand(2, 3, 64, 64)
        plain, other = model.dense(pixels, "plain"), model.dense(pixels, "csa")
        assert torch.allclose(plain.flatten(1, 2), model.patch_tokens(pixels), atol=1e-5)
        assert (plain - other).abs().max() > 1e-2


@pytest.mark.slow
def test_shipped_model_is_above_chance_on_shapes_and_the_readings_differ(tmp_path: Path) -> None:
    """Relations that hold for any weights that learned something; figures stand in docs/segmentation.md."""
    readings = [None, "reading=pooling", "reading=projection", "reading=attention-map", "attention=csa"]
    for setting in readings:
        extra = [] if setting is None else ["--set", setting]
        ran = goldieval("run", "--model", "goldiclip", "--tasks", "shapes-segmentation", "--limit", "60", "--out",
                        tmp_path, *extra)  # fmt: skip
        assert ran.code == 0, ran.err
    made = records(tmp_path)
    by_mode = {(record["task"]["scoring"], record["task"]["protocol"]): record for record in made}
    assert len(by_mode) == len(readings) == len({record["key"] for record in made})
    first = next(record for record in made if not record["task"]["overrides"])
    assert first["task"]["scoring"] == "dense:plain:pooling"
    for name in ("miou", "macc"):  # 60 pictures are too few for an interval of 64 classes
        assert first["metrics"][name]["value"] > 10 * first["metrics"][name]["chance"]
    asked = next(record for record in made if record["task"]["overrides"] == {"reading": "pooling"})
    assert asked["metrics"] == first["metrics"] and asked["key"] != first["key"]
    assert {record["task"]["scoring"].split(":", 1)[1] for record in made} == {
        "plain:pooling", "plain:projection", "plain:attention-map", "csa:pooling",
    }  # fmt: skip


COUNTS = {  # images, classes
    "my-coco-panoptic": (71, 133),
    "my-coco-stuff": (18, 171),
    "my-camvid": (36, 11),
    "my-ade20k": (2, 150),
}


@real
@pytest.mark.parametrize("name", COUNTS)
def test_real_masks_end_to_end(tmp_path: Path, name: str) -> None:
    limit = ["--limit", "8"] if name.startswith("my-coco") else []
    arguments = ["--tasks", name, "--tasks-dir", EXAMPLES, "--data-dir", DATA, "--set", "short_side=64"]
    ran = goldieval("run", "--model", "goldiclip", *arguments, "--set", "crop=64", "--set", "stride=64", "--set",
                    "reading=projection", "--out", tmp_path, *limit)  # fmt: skip
    assert ran.code == 0, ran.out + ran.err
    (record,) = records(tmp_path)
    images, classes = COUNTS[name]
    assert record["data"]["seen"] == {"images": images, "classes": classes}
    settings = record["task"]["settings"]
    assert settings["short_side"] == settings["crop"] == 64 and settings["attention"] == "plain"
    present = {label: entry for label, entry in record["classes"].items() if entry["pixels"]}
    pixels = record["data"]["pixels"]
    assert len(record["classes"]) == classes and len(present) == pixels["classes_present"] > 1
    assert sum(entry["pixels"] for entry in present.values()) == pixels["all"] - pixels["ignored"]
    assert 0 < pixels["ignored"] < pixels["all"] / 2
    there = [entry["iou"] for entry in record["classes"].values() if entry["iou"] is not None]
    assert record["metrics"]["miou"]["value"] == pytest.approx(np.mean(there))
    (file,) = tmp_path.rglob("*.parquet")
    table = pq.read_table(file).to_pydict()
    total = {kind: np.sum(table[kind], axis=0) for kind in ("intersection", "union", "predicted", "labelled")}
    assert (total["union"] == total["predicted"] + total["labelled"] - total["intersection"]).all()
    assert total["labelled"].tolist() == [entry["pixels"] for entry in record["classes"].values()]


@real
def test_a_vit_of_open_clip_with_random_weights_runs_the_same_command(tmp_path: Path) -> None:
    arguments: list[Any] = ["--tasks", "my-ade20k", "--tasks-dir", EXAMPLES, "--data-dir", DATA, "--limit", "1"]
    settings = [part for each in ("stride=224", "short_side=224", "attention=csa") for part in ("--set", each)]
    arguments += [*settings, "--out", tmp_path, "--save-images", "1"]
    ran = goldieval("run", "--model", "open_clip:ViT-B-16", *arguments)
    assert ran.code == 0, ran.out + ran.err
    (record,) = records(tmp_path)
    assert record["task"]["scoring"] == "dense:csa:projection" and record["metrics"]["miou"]["value"] < 0.1
    assert len(record["pictures"]) == 1


@real
def test_panoptic_annotations_give_the_semantic_masks_of_the_pack() -> None:
    task = load_card(EXAMPLES / "my-coco-panoptic.yaml")
    dataset = task.card.source.read(DATA / "coco_mini")
    content = json.loads((DATA / "coco_mini/annotations/panoptic_val2017.json").read_text())
    ids = sorted(category["id"] for category in content["categories"])
    assert dataset.masks is not None
    for image, mask in list(zip(dataset.images, dataset.masks, strict=True))[:8]:
        raw = np.asarray(Image.open(DATA / f"coco_mini/semantic_masks/val2017/{Path(image.id).stem}.png"))
        table = np.full(256, IGNORED)
        table[ids] = np.arange(len(ids))
        assert np.array_equal(mask.read(), table[raw])


def test_save_images_writes_pictures_with_the_record(tmp_path: Path) -> None:
    masks = [np.pad(np.full((20, 30), 1, dtype=np.int16), 10, constant_values=n - 1) for n in range(3)]
    card = painted(tmp_path / "data", masks, 2)
    results = evaluate(Oracle(["c0", "c1"], 1), [str(card)], out=tmp_path / "out", save_images=2)
    (file,) = (tmp_path / "out").rglob("*.json")
    named = json.loads(file.read_text())["pictures"]
    assert [Path(name).name for name in named] == ["0000-000.png", "0001-001.png"]
    assert results[0].data.pixels["ignored"] == 40 * 50 - 600  # type: ignore[index]
    sheet = np.asarray(Image.open(file.parent / named[1]))
    for colour in sheet_colours([0, 1]).values():  # both classes' colours stand in the legend as they are
        assert (sheet == np.array(colour)).all(-1).any()
    panel = sheet.shape[1] // 3
    assert not np.array_equal(sheet[30:60, 10 : panel - 10], sheet[30:60, panel + 10 : 2 * panel - 10])


def test_save_images_without_a_segmentation_is_refused() -> None:
    ran = goldieval("run", "--model", "random", "--tasks", "shapes-zeroshot", "--save-images", "3")
    assert ran.code == 2 and "--save-images" in ran.err


@pytest.fixture
def shipped() -> Iterator[dict[str, Task]]:
    yield {name: task for name, task in Catalogue().tasks.items() if task.card.family == "segmentation"}


# specs/protocols.md, A6.1: queries, short side, scale, thresholds, labels counted from 1.
SCLIP = {
    "voc20": (20, 30, 336, 40, 0, 0, True),
    "voc21": (21, 56, 336, 65, 0.1, 0.1, False),
    "pc59": (59, 59, 336, 40, 0, 0, True),
    "pc60": (60, 60, 336, 50, 0.1, 0, False),
    "ade20k": (150, 150, 336, 40, 0, 0, True),
    "coco-stuff": (171, 171, 448, 40, 0, 0, False),
    "coco-object": (81, 113, 336, 50, 0.1, 0, False),
    "cityscapes": (19, 19, 560, 40, 0, 0, False),
}


def test_cards_have_the_papers_setting(shipped: dict[str, Task]) -> None:
    from goldieval.data.image_source import NoImage
    from goldieval.data.samples import Dataset, ImageSample

    assert set(shipped) == {*SCLIP, "shapes-segmentation"}
    for name, (classes, queries, short, scale, probability, area, reduce) in SCLIP.items():
        task = shipped[name]
        params: Any = task.card.params
        source: Any = task.card.source
        assert (params.short_side, params.scale, params.probability_threshold, params.area_threshold) == (
            short, scale, probability, area)  # fmt: skip
        assert (params.crop, params.stride, params.long_side, source.reduce_zero_label) == (224, 112, 2048, reduce)
        assert params.attention == "plain" and params.reading == "projection"
        prepared = family_of("segmentation").prepare(task, Dataset([ImageSample("0", NoImage())], masks=[]))
        assert len(prepared.classes.labels) == classes and len(prepared.classes.owner) == queries, name
        assert len(prepared.filled[0]) == 80
        assert (prepared.classes.labels[0] == "background") == (name in ("voc21", "pc60", "coco-object"))
    raw = {name: labels_of(shipped[name]) for name in ("coco-stuff", "coco-object", "cityscapes")}
    assert [raw["coco-stuff"][value] for value in (0, 10, 12, 66, 69, 91, 181)] == [0, 10, 11, 60, 61, 80, 170]
    assert [raw["coco-object"][value] for value in (0, 89, 91, 181, 255)] == [1, 80, 0, 0, 0]
    assert [raw["cityscapes"][value] for value in (7, 33, 0, 9)] == [0, 18, IGNORED, IGNORED]


def labels_of(task: Task) -> tuple[int, ...]:
    source: Any = task.card.source
    meaning, _ = source.labelling(packaged("tasks"))
    table: tuple[int, ...] = meaning.table
    return table


def test_class_lists_spell_what_moved_published_numbers(shipped: dict[str, Task]) -> None:
    folder = packaged("tasks") / "classes"
    lines = {file.stem: file.read_text().splitlines() for file in folder.glob("*.txt")}
    assert lines["voc20"][3] == "ship" and lines["voc20"][10] == "table" and len(lines["voc20"][14].split(",")) == 7
    assert len(lines["voc20"][19].split(",")) == 5 and len(lines["voc21"][0].split(",")) == 26
    assert {"chestofdrawers", "swivelchair"} <= set(lines["ade20k"])
    assert {"trafficlight", "wall-other", "sky-other"} <= set(lines["coco-stuff"])
    assert {"trafficlight", "trafficsign"} <= set(lines["cityscapes"])


def test_mmseg_is_imported_by_segmentation_alone_and_never_its_ops(tmp_path: Path) -> None:
    import subprocess
    import sys

    code = (
        "import sys; from goldieval import evaluate; import goldieval.families.zeroshot, goldieval.engine.run;"
        "assert 'mmseg' not in sys.modules;"
        "r, = evaluate('random', 'shapes-segmentation', out=None, limit=4); assert r.status == 'ok', r.reason;"
        "assert 'mmseg' in sys.modules; assert not [m for m in sys.modules if m.startswith('mmcv.ops')]"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
