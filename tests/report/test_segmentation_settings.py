"""The values of docs/segmentation.md by setting: from the published rows, and what the page says of them."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from goldieval.report.published import SCORINGS
from goldieval.tasks.catalogue import Catalogue

ROOT = Path(__file__).parents[2]
PLAIN, CSA, UNKNOWN = "training-free, plain patches", "training-free, CSA", "setting unknown"


@pytest.fixture(scope="module")
def command() -> ModuleType:
    spec = importlib.util.spec_from_file_location("settings", ROOT / "benchmarks/segmentation_settings.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_what_the_command_writes(command: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    """If this fails: uv run python benchmarks/segmentation_settings.py, and read what has changed."""
    assert command.main(["--check"]) == 0, capsys.readouterr().out


def test_values_by_hand(command: ModuleType) -> None:
    found = {key: {task: score.value for task, score in cells.items()} for key, cells in command.rows().items()}
    assert found[UNKNOWN, "GoldiCLIP B/16"] == pytest.approx(
        {"voc20": 0.7, "pc59": 0.295, "coco-stuff": 0.194, "ade20k": 0.164, "cityscapes": 0.289}
    )
    assert found[CSA, "OpenAI CLIP B/16"]["voc20"] == pytest.approx(0.8154)
    assert found[PLAIN, "FLAIR Merged-30M B/16"] == pytest.approx({"voc20": 0.73})
    assert found[CSA, "COSMOS Merged-30M B/16"]["cityscapes"] == pytest.approx(0.347)
    assert found[PLAIN, "COSMOS Merged-30M B/16"] == pytest.approx({"cityscapes": 0.139})


def test_trained_heads_thresholds_and_ablations_are_left_out(command: ModuleType) -> None:
    found = command.rows()
    assert {protocol for protocol, _ in found} == {PLAIN, CSA, UNKNOWN}
    assert not any("ablation" in model for _, model in found)


def test_settings_are_those_of_the_tables(command: ModuleType) -> None:
    assert set(command.SETTINGS) == set(SCORINGS)
    cards = Catalogue().tasks
    assert all(command.METRIC in cards[task].card.metrics() for task in command.SETS)


def test_ranges_and_pairs_are_those_of_the_rows(command: ModuleType) -> None:
    text = command.section()
    assert "| `attention=csa` | 41.0–81.5 (4 models) | 33.7–34.5 (2 models) |" in text
    assert "FLAIR Merged-30M B/16 on VOC20 73.0 plain, 41.0 with CSA" in text
    assert "| setting unknown: GoldiCLIP B/16 | 70.0 | 29.5 | 19.4 | 16.4 | 28.9 |" in text


def test_only_what_stands_between_the_markers_is_written(command: ModuleType) -> None:
    written = command.page(f"before\n{command.BEGIN}\nold\n{command.END}\nafter\n")
    assert written == f"before\n{command.section()}\nafter\n" and command.page(written) == written
    with pytest.raises(ValueError, match="needs the lines"):
        command.page(f"before\n{command.BEGIN}\nold\n")
