"""Fine-tuning by mmsegmentation's runner: what is trained, what stays as it was, and how a training continues."""

from __future__ import annotations

import logging
import multiprocessing
import os
import random
import signal
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from goldieval.core.errors import NotApplicableError, TaskError
from goldieval.families import dense_probe_finetuned_runner as runner
from goldieval.families.dense_probe import FAMILY
from goldieval.families.dense_probe_depth import DepthTarget
from goldieval.families.dense_probe_finetuned_config import config_text, configuration
from goldieval.families.dense_probe_finetuned_pictures import Order
from goldieval.families.dense_probe_finetuned_tower import Tower, check_trainable
from goldieval.families.mmseg_parts import quiet_import
from goldieval.models.torch_adapter import module_fingerprint
from goldieval.scoring.windows import slide
from goldieval.tasks.dense_probe_params import DepthParams
from tests.support.fresh_loaders import sigchld_untouched
from tests.support.tiny_finetuning import CLASSES, SIDE, Steps, TinyModel, painted, tiny_params, tiny_tuning


def outputs(tuning: Any, trained: Any, row: int) -> np.ndarray:
    """Return the predicted classes of a picture, by our sliding windows."""
    picture = torch.from_numpy(painted(row)[0]).permute(2, 0, 1).float() / 255
    module, params = tuning.module_of(trained), tuning.params

    def encode(windows: torch.Tensor) -> torch.Tensor:
        return module.decode_head(module.backbone(windows))

    with torch.inference_mode():
        found = slide(tuning.model.normalise(picture), encode, (SIDE, SIDE), params.crop, params.stride, 4)
        return found.whole().argmax(0).numpy()


def accuracy(tuning: Any, trained: Any) -> float:
    rights = [outputs(tuning, trained, row)[2:] == painted(row)[1][2:] for row in range(20, 26)]
    return float(np.mean(rights))


def same(one: Any, other: Any) -> bool:
    weights = all(np.array_equal(one.weights[name], other.weights[name]) for name in one.weights)
    return weights and one.weights.keys() == other.weights.keys() and np.array_equal(one.losses, other.losses)


def test_the_loss_falls_and_the_tower_learns_what_it_could_not_see() -> None:
    tuning = tiny_tuning(iterations=80)
    trained = tuning.trained(Steps(), 0)
    first, last = trained.mean_losses()
    assert last < 0.5 * first and first < 1.0
    frozen = tiny_tuning(iterations=80, tower_rate=1e-12)
    assert accuracy(frozen, frozen.trained(Steps(), 0)) < 0.7
    assert accuracy(tuning, trained) > 0.9


def test_nothing_else_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(runner.tempfile, "tempdir", str(tmp_path))
    model = TinyModel()
    before, flags = module_fingerprint(model.module), [p.requires_grad for p in model.module.parameters()]
    kinds = [quiet_import("mmengine.logging").MMLogger, quiet_import("mmengine.registry").DefaultScope]
    named = [dict(kind._instance_dict) for kind in kinds]
    random.seed(1), np.random.seed(2), torch.manual_seed(3)
    states = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state()
    loggers = set(logging.root.manager.loggerDict)
    tiny_tuning(model=model, iterations=3, warmup=1).trained(Steps(), 0)
    assert module_fingerprint(model.module) == before
    assert flags == [p.requires_grad for p in model.module.parameters()]
    assert all(p.grad is None for p in model.module.parameters())
    assert [dict(kind._instance_dict) for kind in kinds] == named
    assert random.getstate() == states[0] and np.random.get_state()[1].tolist() == states[1]
    assert torch.equal(torch.get_rng_state(), states[2])
    assert not {name for name in set(logging.root.manager.loggerDict) - loggers if "goldieval" in name}
    assert not list(tmp_path.iterdir())
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("killed_after", [1, 13, 40])
def test_a_training_that_is_killed_becomes_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, killed_after: int
) -> None:
    whole = tiny_tuning().trained(Steps(), 0)
    monkeypatch.setattr(runner, "SAVED_S", 0.0)
    with pytest.raises(KeyboardInterrupt):
        tiny_tuning(tmp_path / "files").trained(Steps(killed_after), 0)
    again = Steps()
    assert same(whole, tiny_tuning(tmp_path / "files").trained(again, 0))
    assert again.done == 40


def test_the_file_of_another_training_or_a_damaged_one_is_not_used(tmp_path: Path) -> None:
    whole = tiny_tuning().trained(Steps(), 0)
    other = tiny_tuning(tmp_path, head_rate=0.5).trained(Steps(), 0)
    (file,) = tmp_path.iterdir()
    assert not same(whole, other)
    assert same(whole, tiny_tuning(tmp_path).trained(Steps(), 0))
    content = bytearray(file.read_bytes())
    content[-5] ^= 1
    file.write_bytes(content)
    assert same(whole, tiny_tuning(tmp_path).trained(Steps(), 0))
    file.write_bytes(b"no tensors")
    assert same(whole, tiny_tuning(tmp_path).trained(Steps(), 0))


def test_a_finished_training_is_not_repeated(tmp_path: Path) -> None:
    whole = tiny_tuning(tmp_path).trained(Steps(), 0)
    assert same(whole, tiny_tuning(tmp_path, model=None).trained(Steps(), 0))
    (file,) = tmp_path.iterdir()
    assert b"optimiser" not in file.read_bytes()


def test_depth_is_trained_by_the_loss_of_its_target() -> None:
    def depths(row: int) -> tuple[np.ndarray, np.ndarray]:
        picture, truth = painted(row)
        return picture, np.select([truth == 1, truth == 0], [4.0, 1.0], 0.0).astype(np.float32)

    target = DepthTarget(None, [], [], DepthParams(farthest=5, bins=16), {})  # type: ignore[arg-type]
    tuning = tiny_tuning(iterations=80, predicts=target, target="depth", ratios=[1, 1])
    trained = replace(tuning, read=depths).trained(Steps(), 0)
    first, last = trained.mean_losses()
    assert last < 0.5 * first
    assert trained.weights["decode_head.conv_seg.weight"].shape[0] == 16
    module, (picture, truth) = tuning.module_of(trained), depths(20)
    pixels = tuning.model.normalise(torch.from_numpy(picture).permute(2, 0, 1).float() / 255)
    with torch.inference_mode():
        maps = target.maps(module.decode_head(module.backbone(pixels[None])))
        found = torch.nn.functional.interpolate(maps, truth.shape, mode="bilinear")[0, 0].numpy()
    near, far = (float(np.median(found[truth == metres])) for metres in (1, 4))
    assert near == pytest.approx(1, rel=0.25) and far == pytest.approx(4, rel=0.25)


def test_seeds_differ_and_do_not_depend_on_each_other() -> None:
    one, two = (tiny_tuning(iterations=3, warmup=1).trained(Steps(), seed) for seed in range(2))
    assert same(two, tiny_tuning(iterations=3, warmup=1).trained(Steps(), 1))
    assert not np.array_equal(one.losses, two.losses)
    assert not np.array_equal(one.weights["decode_head.conv_seg.weight"], two.weights["decode_head.conv_seg.weight"])


def test_only_weights_behind_patch_features_are_trained() -> None:
    tuning = tiny_tuning()
    tower = tuning.tower()
    assert tower.trained == 3 * 16 * 8 + 8 + 16 and tower.width == 8
    names = tuning.trained(Steps(), 0).weights
    assert "backbone.tower.patches.weight" in names and "backbone.tower.words.weight" not in names


def test_predictions_are_those_of_mmsegmentations_sliding_windows() -> None:
    tuning = tiny_tuning()
    trained = tuning.trained(Steps(), 0)
    module = tuning.module_of(trained)
    picture = tuning.model.normalise(torch.from_numpy(painted(30)[0]).permute(2, 0, 1).float() / 255)
    module.test_cfg = quiet_import("mmengine.config").ConfigDict(module.test_cfg)
    with torch.inference_mode():
        theirs = module.slide_inference(picture[None], [{"img_shape": (SIDE, SIDE)}]).argmax(1)[0].numpy()
    assert (theirs == outputs(tuning, trained, 30)).mean() > 0.999


def test_learning_rates_and_decay(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def watched(self: Any, runner: Any, batch_idx: int, **_: Any) -> None:
        groups = runner.optim_wrapper.optimizer.param_groups
        names = [name for name, weight in runner.model.named_parameters() if weight.requires_grad]
        seen.append({name: (group["lr"], group["weight_decay"]) for name, group in zip(names, groups, strict=True)})

    monkeypatch.setattr(runner.Progress, "before_train_iter", watched, raising=False)
    tiny_tuning(weight_decay=0.1).trained(Steps(), 0)
    assert seen[4]["backbone.tower.patches.weight"] == (pytest.approx(0.01), 0.1)
    assert seen[4]["backbone.tower.patches.bias"] == (pytest.approx(0.01), 0)
    assert seen[4]["backbone.tower.norm.weight"] == (pytest.approx(0.01), 0)
    assert seen[4]["backbone.norm.weight"] == (pytest.approx(0.02), 0)
    assert seen[4]["decode_head.conv_seg.weight"] == (pytest.approx(0.02), 0.1)
    assert seen[4]["decode_head.conv_seg.bias"] == (pytest.approx(0.02), 0)
    rates = [each["backbone.tower.patches.weight"][0] for each in seen]
    assert rates[0] < 1e-7 and rates[:5] == sorted(rates[:5]) and rates[4:] == sorted(rates[4:], reverse=True)
    assert rates[22] == pytest.approx(0.01 * (1 - 18 / 35)) and rates[-1] == pytest.approx(0, abs=1e-9)


def test_order_draws_every_picture_once_before_any_again() -> None:
    order = Order(5, 0)
    taken = [index for index, _ in zip(order, range(10), strict=False)]
    assert sorted(index % 5 for index in taken[:5]) == list(range(5)) == sorted(index % 5 for index in taken[5:])
    assert [index // 5 for index in taken] == list(range(10))
    order.skip(7)
    assert [index for index, _ in zip(order, range(3), strict=False)] == taken[7:]


def test_the_configuration_is_a_file_of_mmsegmentation(tmp_path: Path) -> None:
    config = configuration(tiny_params(), CLASSES, 2, 8, 3)
    (tmp_path / "config.py").write_text(config_text(config))
    read = quiet_import("mmengine.config").Config.fromfile(str(tmp_path / "config.py"))
    assert read.randomness.seed == 3 and read.train_cfg.max_iters == 40
    assert read.train_dataloader.dataset.classes == CLASSES
    assert read._cfg_dict.to_dict() == quiet_import("mmengine.config").Config(config)._cfg_dict.to_dict()


def test_a_loss_that_is_not_finite_ends_the_training() -> None:
    with pytest.raises(TaskError, match=r"not finite at step \d+: lower tower_rate or head_rate"):
        tiny_tuning(tower_rate=1e30, head_rate=1e30).trained(Steps(), 0)


class WithoutGradient(TinyModel):
    def dense(self, pixels: torch.Tensor, attention: str) -> torch.Tensor:
        with torch.no_grad():
            return super().dense(pixels, attention)


def test_models_that_cannot_be_trained() -> None:
    with pytest.raises(TaskError, match="no weight of its `module` has a gradient"):
        tiny_tuning(model=WithoutGradient()).tower()
    model: Any = TinyModel()
    check_trainable(model)
    model.module.half()
    with pytest.raises(NotApplicableError, match="float32"):
        check_trainable(model)
    model.module = "weights"
    with pytest.raises(NotApplicableError, match="as `module`"):
        check_trainable(model)


def test_reading_processes_change_nothing_and_their_errors_are_one_line() -> None:
    of_others = set(multiprocessing.active_children())
    alone = tiny_tuning(iterations=5, warmup=1).trained(Steps(), 0)
    tuning = tiny_tuning(iterations=5, warmup=1, workers=2)
    assert same(alone, tuning.trained(Steps(), 0))

    def gone(row: int) -> Any:
        raise TaskError(f"reading {row}.png again: FileNotFoundError")

    with pytest.raises(TaskError, match=r"^reading \d.png again: FileNotFoundError$"):
        replace(tuning, read=gone).trained(Steps(), 0)
    assert set(multiprocessing.active_children()) <= of_others


def test_a_reading_process_that_dies_is_one_line_where_its_batch_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    home = os.getpid()

    def killed(row: int) -> Any:
        if row == 3 and os.getpid() != home:
            os.kill(os.getpid(), signal.SIGKILL)
        return painted(row)

    tuning = replace(tiny_tuning(iterations=9, warmup=1, workers=2), read=killed)
    with sigchld_untouched(monkeypatch), pytest.raises(TaskError, match="a process that reads training pictures died"):
        tuning.trained(Steps(), 0)


def test_nothing_is_asked_of_other_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    def asked(*_: Any, **__: Any) -> None:
        raise AssertionError("a training is one rank's work")

    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed.distributed_c10d, "_get_default_group", object)
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda group=None: 2)
    monkeypatch.setattr(torch.distributed, "get_rank", lambda group=None: 1)
    for name in ("broadcast", "all_reduce", "all_gather", "barrier", "broadcast_object_list", "all_gather_object"):
        monkeypatch.setattr(torch.distributed, name, asked)
    tuning = tiny_tuning(iterations=3, warmup=1)
    tuning.module_of(tuning.trained(Steps(), 0))


def test_exhausted_memory_says_which_parameter_to_lower(monkeypatch: pytest.MonkeyPatch) -> None:
    def exhausted(*_: Any) -> None:
        raise RuntimeError("CUDA out of memory")

    monkeypatch.setattr(Tower, "forward", exhausted)
    with pytest.raises(TaskError, match="4 windows of 16 px: try --set batch=2"):
        tiny_tuning().trained(Steps(), 0)


def test_more_than_255_classes() -> None:
    tuning = tiny_tuning(iterations=2, warmup=1)
    target: Any = SimpleNamespace(outputs=300)
    many = replace(tuning, classes=[f"c{n}" for n in range(300)], target=target)
    assert many.trained(Steps(), 0).weights["decode_head.conv_seg.weight"].shape == (300, 8, 1, 1)


def test_the_tower_stays_in_evaluation_mode() -> None:
    class Dropping(TinyModel):
        def __init__(self) -> None:
            super().__init__()
            self.module.drop = nn.Dropout(0.5)

    tower = tiny_tuning(model=Dropping()).tower().train()
    assert tower.training and tower.norm.training and not tower.tower.drop.training


def test_a_task_about_tokens_is_refused_for_a_model_without_before_any_work() -> None:
    mode = tiny_params(features="tokens").mode("global")
    with pytest.raises(NotApplicableError, match=r"no patch_features\(pixels\)\. Use --set features=projected"):
        FAMILY.check_model(TinyModel(), mode)
    FAMILY.check_model(TinyModel(), tiny_params().mode("global"))
