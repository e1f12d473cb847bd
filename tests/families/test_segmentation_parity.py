"""Segmentation against mmsegmentation's own code and against golden values of released code, on the same logits."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from golden import golden
from PIL import Image

from goldieval.data.masks import IGNORED, FileMask, label_table
from goldieval.families.mmseg_parts import areas, definition, quiet_import, resized
from goldieval.metrics import miou
from goldieval.scoring.patches import reader
from goldieval.scoring.segments import Decision, class_scores, segment
from goldieval.scoring.windows import SlidingLogits, slide, starts

# Smaller than a window, not divisible, one pixel wide or high, one window exactly.
SIZES = [(20, 30), (32, 32), (70, 45), (97, 131), (1, 80), (80, 1), (64, 64), (33, 32)]
CLASSES, CROP, STRIDE = 5, 32, 16


def texture(shape: tuple[int, ...], seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def of_patches(windows: torch.Tensor) -> torch.Tensor:
    """Logits of 3 x 4 patches that depend on what a window shows."""
    pooled = F.adaptive_avg_pool2d(windows, (3, 4))
    return torch.einsum("nchw,kc->nkhw", pooled, texture((CLASSES, 3), 1))


def of_pixels(windows: torch.Tensor) -> torch.Tensor:
    """Logits of every pixel, of which a window has as many as it is large."""
    return torch.einsum("nchw,kc->nkhw", windows, texture((CLASSES, 3), 2))


def mmseg_slide(encode: Any, picture: torch.Tensor) -> torch.Tensor:
    method = quiet_import("mmseg.models.segmentors.encoder_decoder").EncoderDecoder.slide_inference

    def encode_decode(windows: torch.Tensor, _: Any) -> torch.Tensor:
        return F.interpolate(encode(windows), size=windows.shape[-2:], mode="bilinear", align_corners=False)

    settings = SimpleNamespace(stride=(STRIDE, STRIDE), crop_size=(CROP, CROP))
    stub = SimpleNamespace(test_cfg=settings, out_channels=CLASSES, encode_decode=encode_decode)
    result: torch.Tensor = method(stub, picture[None], [{}])
    return result


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("encode", [of_patches, of_pixels])
def test_sliding_window_is_mmsegs(encode: Any, size: tuple[int, int]) -> None:
    picture = texture((3, *size))
    theirs = mmseg_slide(encode, picture)
    ours = slide(picture, encode, size, CROP, STRIDE, 3)
    assert torch.allclose(ours.whole(), theirs[0], atol=1e-5)
    larger = (size[0] * 2 + 1, size[1] + 7)  # the original picture, to whose size logits are resized
    resized_logits = F.interpolate(theirs, size=larger, mode="bilinear", align_corners=False)[0]
    assert torch.allclose(slide(picture, encode, larger, CROP, STRIDE, 100).whole(), resized_logits, atol=1e-5)


def test_windows_are_encoded_in_batches_of_at_most_the_asked_size_and_tiles_make_up_the_whole() -> None:
    seen: list[int] = []

    def encode(windows: torch.Tensor) -> torch.Tensor:
        seen.append(len(windows))
        return of_patches(windows)

    logits = slide(texture((3, 97, 131)), encode, (50, 61), CROP, STRIDE, 4)
    count = len(starts(97, CROP, STRIDE)) * len(starts(131, CROP, STRIDE))
    assert sum(seen) == count == 48 and max(seen) == 4
    whole = logits.whole()
    for pixels in (1, 7, 61, 200, 10**6):
        found = torch.full_like(whole, torch.nan)
        for rows, columns, tile in logits.tiles(pixels):
            assert tile[0].numel() <= pixels
            found[:, rows, columns] = tile
        assert torch.allclose(found, whole, atol=1e-6)


def test_starts_cover_every_pixel_and_stay_inside() -> None:
    for length in (1, 31, 32, 33, 48, 49, 100, 500):
        found = starts(length, CROP, STRIDE)
        covered = {pixel for first in found for pixel in range(first, min(first + CROP, length))}
        assert covered == set(range(length))
        assert all(first + min(CROP, length) <= length for first in found)


def logits_of(pixels: torch.Tensor) -> SlidingLogits:
    """Wrap logits (names, height, width) that are already at the size of the picture."""
    return SlidingLogits(pixels, torch.eye(pixels.shape[1]), torch.eye(pixels.shape[2]))


def as_released(logits: torch.Tensor, decision: Decision) -> torch.Tensor:
    """The released pipeline for one picture, step by step: the oracle."""
    names = (logits * decision.scale).softmax(0)
    scores = torch.stack([names[decision.owner == number].amax(0) for number in range(decision.classes)])
    if decision.area:
        one_hot = F.one_hot(scores.argmax(0), decision.classes)[..., 1:].sum((0, 1))
        scores[1:] *= (one_hot > decision.area * one_hot.sum())[:, None, None]
    found = scores.argmax(0)
    found[scores.amax(0) < decision.probability] = 0
    return found


@pytest.mark.parametrize(("probability", "area"), [(0.0, 0.0), (0.3, 0.0), (0.0, 0.2), (0.3, 0.2), (0.9, 0.1)])
@pytest.mark.parametrize("owner", [[0, 1, 2, 3], [0, 0, 0, 1, 2, 2, 3]])
def test_classes_are_those_of_the_released_steps(owner: list[int], probability: float, area: float) -> None:
    decision = Decision(torch.tensor(owner), 4, 5.0, probability, area)
    logits = F.interpolate(texture((1, len(owner), 5, 6), 3), size=(40, 50), mode="bilinear")[0] * 0.5
    found, wanted = segment(logits_of(logits), decision), as_released(logits, decision)
    assert torch.equal(found, wanted)
    assert len(wanted.unique()) > 1


def test_a_class_scores_what_its_best_name_scores() -> None:
    logits = torch.tensor([0.1, 0.5, 0.2])[:, None, None]
    scores = class_scores(logits, Decision(torch.tensor([0, 0, 1]), 2, 1.0)).flatten()
    assert torch.allclose(scores, logits.flatten().softmax(0)[[1, 2]])


def metric_of(maps: list[tuple[np.ndarray, np.ndarray]], classes: int) -> tuple[dict[str, float], Any]:
    """Run mmsegmentation's ``IoUMetric`` over (prediction, truth)."""
    metric = quiet_import("mmseg.evaluation.metrics.iou_metric").IoUMetric(ignore_index=255)
    metric.dataset_meta = {"classes": [str(number) for number in range(classes)]}
    for found, truth in maps:
        parts = {
            name: {"data": torch.from_numpy(part.astype(np.int64))}
            for name, part in (("pred_sem_seg", found), ("gt_sem_seg", truth))
        }
        metric.process({}, [parts])
    totals = [sum(parts) for parts in zip(*metric.results, strict=True)]
    return metric.compute_metrics(metric.results), metric.total_area_to_metrics(*totals)


@pytest.mark.parametrize("reduce_zero_label", [False, True])
def test_scores_are_ioumetrics(tmp_path: Path, reduce_zero_label: bool) -> None:
    """Odd sizes, pixels without label, a class that is nowhere, and one that is only claimed."""
    rng, classes = np.random.default_rng(0), 6
    load = quiet_import("mmseg.datasets.transforms.loading").LoadAnnotations()
    maps, counted = [], []
    for number, size in enumerate([(1, 40), (40, 1), (13, 17), (30, 22), (64, 64)]):
        raw = rng.integers(0, 5, size, dtype=np.uint8)
        raw[rng.random(size) < 0.2] = 255
        Image.fromarray(raw).save(file := tmp_path / f"{number}.png")
        result = {"seg_map_path": str(file), "reduce_zero_label": reduce_zero_label, "seg_fields": []}
        truth = load.transform(result)["gt_seg_map"].reshape(size)
        mask = FileMask(file, label_table([], [255], reduce_zero_label)).read()
        assert np.array_equal(np.where(mask == IGNORED, 255, mask), truth)
        found = rng.integers(0, 5, size)
        maps.append((found, truth))
        counted.append(areas(torch.from_numpy(found), torch.from_numpy(mask), classes))
    summary, by_class = metric_of(maps, classes)
    scores = miou.scores(np.stack(counted))
    found_iou, found_accuracy = miou.per_class(np.sum(counted, axis=0))
    assert np.allclose(found_iou, by_class["IoU"], atol=1e-6, equal_nan=True) and np.isnan(found_iou).any()
    assert np.allclose(found_accuracy, by_class["Acc"], atol=1e-6, equal_nan=True)
    for ours, theirs in (("miou", "mIoU"), ("macc", "mAcc"), ("aacc", "aAcc")):
        assert 100 * scores[ours].value == pytest.approx(summary[theirs], abs=0.0051)  # theirs has two digits


def test_areas_are_a_count_by_hand_also_of_more_pixels_than_float32_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("goldieval.families.mmseg_parts.EXACT", 10)  # many parts
    rng = np.random.default_rng(1)
    found, truth = rng.integers(0, 3, (9, 7)), rng.integers(-1, 3, (9, 7)).astype(np.int16)
    counted = areas(torch.from_numpy(found), torch.from_numpy(truth), 3)
    for number in range(3):
        claimed, true = (found == number) & (truth != IGNORED), truth == number
        by_hand = [(claimed & true).sum(), (claimed | true).sum(), claimed.sum(), true.sum()]
        assert counted[:, number].tolist() == by_hand


def test_pictures_are_resized_as_mmseg_resizes_them() -> None:
    resize = quiet_import("mmseg.datasets.transforms.transforms") and quiet_import("mmcv.transforms").Resize
    for size in ((50, 70), (70, 50), (400, 3), (336, 336), (1, 1)):
        picture = np.random.default_rng(0).integers(0, 255, (*size, 3), dtype=np.uint8)
        wanted = resize(scale=(2048, 336), keep_ratio=True).transform({"img": picture})["img"]
        assert np.array_equal(resized(picture, 336, 2048), wanted)


def test_definitions_know_how_zero_is_read() -> None:
    assert len(definition("ADE20KDataset").for_labels(True).classes) == 150
    voc = definition("PascalVOCDataset").for_labels(True)
    assert len(voc.classes) == 20 and voc.classes[0] == "aeroplane"
    for name, reduce in (("ADE20KDataset", False), ("CityscapesDataset", True), ("COCOStuffDataset", True)):
        with pytest.raises(Exception, match=r"set source\.reduce_zero_label to"):
            definition(name).for_labels(reduce)
    with pytest.raises(Exception, match=r"no data set 'ADE20k'\. Did you mean"):
        definition("ADE20k")


@pytest.mark.parametrize("attention", ["plain", "csa"])
def test_golden_values_of_the_released_segmentor(attention: str) -> None:
    from open_clip.transformer import VisionTransformer

    from model_adapters.open_clip_dense import dense

    config, values = golden("segmentation")
    prefix = "weights.visual."
    tower = VisionTransformer(64, 16, 96, 2, 4, 4.0, output_dim=64).eval()
    tower.load_state_dict({key.removeprefix(prefix): part for key, part in values.items() if key.startswith(prefix)})
    units = F.normalize(values["in.class_vectors"], dim=-1)
    read = reader("projection", units, units, None)
    wanted = {name: values[f"out.{attention}.{name}"] for name in ("patch_tokens", "window_logits", "slide_logits")}
    with torch.no_grad():
        tokens = dense(tower, values["in.crops"], attention)
        assert (tokens.flatten(1, 2) - wanted["patch_tokens"]).abs().max() < 1e-4

        def encode(windows: torch.Tensor) -> torch.Tensor:
            return read(dense(tower, windows, attention))

        crop, stride = config["crop"], config["stride"]
        for window, logits in zip(values["in.crops"], wanted["window_logits"], strict=True):
            assert (slide(window, encode, (crop, crop), crop, stride, 1).whole() - logits).abs().max() < 1e-4
        whole = slide(values["in.picture"][0], encode, tuple(config["original_size"]), crop, stride, 4).whole()
        assert (whole - wanted["slide_logits"][0]).abs().max() < 1e-4
    other = values[f"out.{'plain' if attention == 'csa' else 'csa'}.slide_logits"]
    assert (whole - other[0]).abs().max() > 1e-2  # the two variants do differ here
