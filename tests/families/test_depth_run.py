"""A dense probe of depth from files to record, screens and pages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from helpers import goldieval, one_line
from PIL import Image

from goldieval import evaluate
from goldieval.metrics.depth import depth_errors
from goldieval.records.files import find_records, read_outcomes, read_record

SHAPE = (64, 96)


@pytest.fixture
def rooms(tmp_path: Path) -> Path:
    """Grey slopes of 8 training and 12 test pictures, near ones bright, and a card."""
    generator = np.random.default_rng(0)
    for split, count in (("train", 8), ("test", 12)):
        for number in range(count):
            metres = generator.uniform(1, 4) + np.linspace(0, generator.uniform(1, 4), SHAPE[1])[None].repeat(
                SHAPE[0], 0
            )
            for folder, ending, values in (
                ("images", "jpg", np.uint8(np.clip(255 - 28 * metres, 0, 255))),
                ("annotations", "png", np.uint16(1000 * metres)),
            ):
                file = tmp_path / "data" / folder / split / f"room_{number:05d}.{ending}"
                file.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(values).save(file)
    return card(tmp_path)


def card(folder: Path, **changes: Any) -> Path:
    """Write a card of the rooms."""
    quick = {"short_side": 64, "crop": 64, "stride": 32, "epochs": 2, "batch": 4, "seeds": 2, "learning_rates": [0.01]}
    source = {
        "reader": "depth-maps",
        "path": "data",
        "images": "images/test",
        "depths": "annotations/test",
        "train": {"images": "images/train", "depths": "annotations/train"},
        "metres_per_unit": 0.001,
    }
    content = {
        "name": "rooms",
        "family": "dense-probe",
        "version": 1,
        "protocol": "all",
        "title": "Rooms",
        "licence": "mine",
        "source": source | changes.pop("source", {}),
        "params": {"target": "depth", "depth": {"bins": 24, "finer": 2}, **quick} | changes.pop("params", {}),
        "headline": "rmse",
    }
    file = folder / "rooms.yaml"
    file.write_text(yaml.safe_dump(content | changes))
    return file


def test_record_screens_and_pictures(rooms: Path, tmp_path: Path) -> None:
    out = tmp_path / "results"
    for model in ("goldiclip", "random"):
        (record,) = evaluate(model, str(rooms), out=out, cache=False, save_images=1)
        assert record.status == "ok", record.reason
    found = record.metrics["rmse"]
    assert record.headline is not None and record.headline.value == found.value and found.n == 12
    assert found.seed_scores is not None and len(found.seed_scores) == 2 and found.sample_error and found.seed_error
    assert record.data.pixels == {"all": 12 * 64 * 96, "ignored": 0}
    assert record.probe is not None and record.probe.settings["bins"] == 24 and record.probe.heads == 2
    files = find_records(out)
    written = read_record(files[0])
    columns = read_outcomes(files[0], written)
    assert len(written.pictures) == 1
    assert columns["pixels"].tolist() == [64 * 96] * 12 and len(columns["rmse"][0]) == 2
    train = [np.asarray(Image.open(file)) / 1000 for file in sorted((tmp_path / "data/annotations/train").iterdir())]
    tested = [np.asarray(Image.open(file)) / 1000 for file in sorted((tmp_path / "data/annotations/test").iterdir())]
    constant = [depth_errors(np.full(each.size, np.mean(train)), each.ravel())["rmse"] for each in tested]
    assert found.chance == pytest.approx(np.mean(constant), abs=1e-4)
    shown = goldieval("show", str(out))
    assert shown.code == 0 and "RMSE (m)" in shown.out and "%" not in shown.out.split("RMSE")[1].split("\n")[0]
    page = tmp_path / "compare.html"
    sides = sorted({str(file.parent) for file in files})
    compared = goldieval("compare", *sides, "--html", str(page))
    assert compared.code == 0, compared.out
    assert "RMSE (m)" in page.read_text() and "room_0000" in page.read_text()
    leaderboard = goldieval("table", "--out", str(out), "--html", str(page))
    assert leaderboard.code == 0, leaderboard.err
    assert "RMSE (m)" in page.read_text() and "RMSE (m) (%)" not in page.read_text()


def test_maps_in_another_unit_are_found_before_anything_is_trained(rooms: Path, tmp_path: Path) -> None:
    (record,) = evaluate("goldiclip", str(card(tmp_path, source={"metres_per_unit": 1})), out=None, cache=False)
    assert record.status == "failed" and "metres_per_unit" in one_line(record.reason)


def test_a_crop_of_other_maps_is_refused(rooms: Path, tmp_path: Path) -> None:
    params = {"depth": {"crop": "eigen"}}
    (record,) = evaluate("goldiclip", str(card(tmp_path, params=params)), out=None, cache=False)
    assert record.status == "failed" and "the Eigen crop is of maps of 640 x 480" in one_line(record.reason)


def test_pictures_without_a_pixel_to_score_are_left_out_and_counted(rooms: Path, tmp_path: Path) -> None:
    Image.fromarray(np.full(SHAPE, 20_000, dtype=np.uint16)).save(tmp_path / "data/annotations/test/room_00003.png")
    (record,) = evaluate("goldiclip", str(rooms), out=None, cache=False)
    assert record.status == "ok" and record.metrics["rmse"].n == 11
    line = "pictures without a pixel to score, left out: 1 (images/test/room_00003.jpg)"
    assert line in record.warnings


def test_check_tells_the_range_of_the_depths(rooms: Path) -> None:
    found = goldieval("data", "check", str(rooms))
    assert found.code == 0 and "depths from 1." in found.out and "unknown in 0.0 % of the pixels" in found.out
