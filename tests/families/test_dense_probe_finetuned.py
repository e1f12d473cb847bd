"""Dense probes whose tower is trained as well, from card to record."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from goldieval import evaluate
from goldieval.data.masks import IGNORED
from goldieval.families.mmseg_parts import quiet_import
from goldieval.models.torch_adapter import module_fingerprint
from goldieval.tasks.dense_probe_params import OF_FINETUNING, OF_PROBES
from tests.support import tiny_finetuning
from tests.support.helpers import goldieval
from tests.support.rank_commands import Ranks
from tests.support.tiny_finetuning import CLASSES, TinyModel, painted, tiny_params

MODEL = f"{Path(tiny_finetuning.__file__)}:load"


def card(folder: Path, name: str = "halves", **params: Any) -> Path:
    """Write pictures of a train and a test split, and a card; return the card."""
    for split, rows in (("train", range(6)), ("val", range(20, 24))):
        for kind in ("images", "masks"):
            (folder / split / kind).mkdir(parents=True, exist_ok=True)
        for row in rows:
            picture, truth = painted(row)
            Image.fromarray(picture).save(folder / split / f"images/{row}.png")
            raw = np.where(truth == IGNORED, 255, truth).astype(np.uint8)
            Image.fromarray(raw).save(folder / split / f"masks/{row}.png")
    source = {"reader": "masks", "path": ".", "images": "val/images", "masks": "val/masks"}
    chosen = tiny_params(**{"iterations": 60, "seeds": 2, **params}).model_dump(mode="json", exclude_defaults=True)
    content = {
        "name": name, "family": "dense-probe", "version": 1, "protocol": "painted", "title": "Painted",
        "licence": "mine", "headline": "miou", "params": {"class_names": CLASSES, **chosen},
        "source": {**source, "train": {"images": "train/images", "masks": "train/masks"}},
    }  # fmt: skip
    (folder / f"{name}.yaml").write_text(yaml.safe_dump(content))
    return folder / f"{name}.yaml"


def test_the_record_has_two_seeds_and_the_configuration(tmp_path: Path) -> None:
    model = TinyModel()
    before = module_fingerprint(model.module)
    (record,) = evaluate(model, [str(card(tmp_path))], out=tmp_path / "results")
    assert record.status == "ok", record.reason
    assert module_fingerprint(model.module) == before
    assert record.task.scoring == "dense-probe:finetuned-projected" and record.values()["miou"] > 0.85
    probe = record.probe
    assert probe is not None and (probe.method, probe.heads, probe.steps, probe.train) == ("finetuned", 2, 60, 6)
    firsts, lasts = probe.settings["first_losses"], probe.settings["last_losses"]
    assert len(firsts) == len(lasts) == 2 and max(lasts) < min(firsts)
    (tmp_path / "config.py").write_text(probe.settings["config"])
    config = quiet_import("mmengine.config").Config.fromfile(str(tmp_path / "config.py"))
    assert config.train_cfg.max_iters == 60 and config.model.decode_head.num_classes == 2


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GOLDIEVAL_STORE", str(tmp_path / "store"))
    return tmp_path / "store"


def test_the_recipe_is_shown_in_a_line_and_files_are_gone_at_the_end(tmp_path: Path, store: Path) -> None:
    file = card(tmp_path, seeds=1, iterations=4, warmup=1)
    ran = goldieval("run", "--model", MODEL, "--tasks", file, "--out", tmp_path / "results", "--save-images", 1)
    assert ran.code == 0, ran.err
    assert "halves: fine-tuning the whole tower: AdamW, 4 steps of 4 windows of 16 px, learning rate 0.01 of" in (
        " ".join((ran.out + ran.err).split())
    )
    assert "mmengine" not in ran.out + ran.err and "mmseg" not in ran.out + ran.err
    assert not list(store.rglob("*finetuned*")) and len(list((tmp_path / "results").rglob("*.png"))) == 1
    quiet = goldieval("run", "--model", MODEL, "--tasks", file, "--out", tmp_path / "more", "--quiet")
    assert quiet.code == 0 and "fine-tuning" not in quiet.out + quiet.err


def test_a_model_without_a_module_is_not_scored(tmp_path: Path) -> None:
    model: Any = TinyModel()
    model.module = None
    model.describe = lambda: TinyModel().describe()
    (record,) = evaluate(model, [str(card(tmp_path))], out=None)
    assert record.status == "failed" and "fine-tuning needs the model as a torch module" in record.reason


def test_parameters_that_have_no_meaning_are_refused(tmp_path: Path) -> None:
    file = card(tmp_path)
    for setting, said in {
        "warmup=60": "warmup 60 is not less than iterations 60",
        "ratios=[2.0,1.0]": "ratios: the first, 2.0, is larger than the second, 1.0",
        "finetune=false": "iterations needs finetune: true: otherwise it has no meaning",
        "target=depth": "ratios other than 1 change depths: give ratios: [1, 1] beside target: depth",
    }.items():
        ran = goldieval("run", "--model", MODEL, "--tasks", file, "--set", setting, "--out", tmp_path / "results")
        assert ran.code != 0 and said in " ".join(ran.err.split()), ran.err


def test_a_card_for_a_frozen_tower_is_fine_tuned_by_a_setting(tmp_path: Path) -> None:
    file = card(tmp_path, iterations=4, warmup=1, seeds=1)
    content = yaml.safe_load(file.read_text())
    tuned = {name: content["params"].pop(name) for name in OF_FINETUNING if name in content["params"]}
    content["params"] |= {"finetune": False, "epochs": 3, "learning_rates": [0.5], "heldout": 0.5}
    (tmp_path / "frozen.yaml").write_text(yaml.safe_dump(content | {"name": "frozen"}))
    settings = {"finetune": True, **tuned}
    records = [
        evaluate(TinyModel(), [str(path)], out=None, overrides=params)[0]
        for path, params in ((file, {}), (tmp_path / "frozen.yaml", settings))
    ]
    assert [record.status for record in records] == ["ok", "ok"], [record.reason for record in records]
    assert records[0].task.settings == records[1].task.settings
    assert not set(OF_PROBES) & set(records[1].task.settings)
    assert records[0].values() == records[1].values()
    assert "one seed: how much the choice of it matters is not known" in records[1].warnings


@pytest.mark.slow
def test_sigterm_saves_the_training_and_the_same_command_continues(tmp_path: Path) -> None:
    file = card(tmp_path, seeds=1)
    command = [sys.executable, "-m", "goldieval", "run", "--model", MODEL, "--tasks", file, "--device", "cpu"]

    def started(name: str) -> subprocess.Popen[bytes]:
        where = {"GOLDIEVAL_STORE": str(tmp_path / name / "store")}
        with (tmp_path / f"{name}.log").open("ab") as log:
            arguments = [*map(str, command), "--out", str(tmp_path / name / "out")]
            return subprocess.Popen(arguments, stdout=log, stderr=log, env=dict(os.environ) | where)

    process = started("stopped")
    end = time.monotonic() + 300
    while b"fine-tuning the whole tower" not in (tmp_path / "stopped.log").read_bytes() and time.monotonic() < end:
        time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    assert process.wait(120) == 75
    (state,) = (tmp_path / "stopped/store").rglob("finetuned-0.safetensors")
    assert started("stopped").wait(300) == 0 == started("whole").wait(300)
    assert not state.exists()
    outcomes = [next((tmp_path / name / "out").rglob("*.parquet")).read_bytes() for name in ("stopped", "whole")]
    assert outcomes[0] == outcomes[1]


@pytest.mark.slow
def test_two_ranks_train_a_seed_each(tmp_path: Path) -> None:
    file = card(tmp_path, iterations=6, warmup=1)
    outcomes = []
    for size in (1, 2):
        store = {"GOLDIEVAL_STORE": str(tmp_path / f"store{size}")}
        arguments = ["run", "--model", MODEL, "--tasks", file, "--device", "cpu", "--out", tmp_path / f"out{size}"]
        ended = Ranks(size, arguments, tmp_path / f"text{size}", store).end()
        assert [rank.code for rank in ended] == [0] * size, ended
        outcomes.append(next((tmp_path / f"out{size}").rglob("*.parquet")).read_bytes())
    assert outcomes[0] == outcomes[1]
