"""The trainer: resumed equals uninterrupted, a NaN stops it, checkpoints and recipes that are wrong are one line."""

from __future__ import annotations

import dataclasses
import json
import math
import pickle
import shutil
from collections.abc import Callable
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from accelerate.state import AcceleratorState
from helpers import one_line
from safetensors.torch import save_file

from goldieval.core.errors import GoldievalError
from goldieval.goldiclip.checkpoint import About, latest, load_state, load_weights, save_folder, save_weights
from goldieval.goldiclip.config import ModelConfig
from goldieval.goldiclip.data.shapes import ShapesCorpus, shapes_corpus
from goldieval.goldiclip.losses import Step
from goldieval.goldiclip.model import GoldiClip
from goldieval.goldiclip.optimiser import parameter_groups, warm_cosine
from goldieval.goldiclip.recipe import Recipe
from goldieval.goldiclip.recipe_files import load_recipe, recipe_names
from goldieval.goldiclip.run_folder import Report
from goldieval.goldiclip.student import Student
from goldieval.goldiclip.tokenizer import Tokenizer
from goldieval.goldiclip.trainer import HIGHEST_SCALE, Trainer

SIZES: dict[str, Any] = {
    "image_size": 32,
    "vision_width": 32,
    "vision_layers": 2,
    "vision_heads": 2,
    "text_width": 32,
    "text_layers": 2,
    "text_heads": 2,
    "embed_dim": 32,
    "merges": 300,
}
EVERYTHING = {
    "model": {**SIZES, "prototypes": 16, "token_classes": True, "decoder": "through_encoder"},
    "data": {"scenes": 32, "captions": 2, "locals": 2, "local_size": 16},
    "objectives": dict.fromkeys(
        ["softmax", "sigmoid", "conditioned", "distil_agnostic", "distil_conditioned", "caption", "vqa"], 1.0
    )
    | {"token_classes": 1.0},
    "weighting": {"kind": "uncertainty", "warm_up": 2},
}


def recipe(**changes: Any) -> Recipe:
    content: dict[str, Any] = {
        "name": "test",
        "title": "test",
        "model": SIZES,
        "data": {"scenes": 32, "captions": 2},
        "objectives": {"softmax": 1.0},
        "optimiser": {"steps": 6, "batch_size": 8, "warm_up": 2},
        "save_every": 3,
    }
    return Recipe.model_validate({**content, **changes})


@pytest.fixture(autouse=True)
def fresh_accelerator() -> None:
    """Accelerate keeps the precision of a process's first trainer."""
    AcceleratorState._reset_state(reset_partial_state=True)


def optimiser(**changes: Any) -> dict[str, Any]:
    return {"steps": 6, "batch_size": 8, "warm_up": 2, **changes}


@cache
def corpus() -> ShapesCorpus:
    return shapes_corpus(32, 32, Tokenizer(SIZES["merges"], 77))


def trainer(out: Path, chosen: Recipe | None = None, resume: bool = False) -> Trainer:
    return Trainer(chosen or recipe(), out, resume=resume, corpus=corpus())


def message(call: Callable[[], object]) -> str:
    """Return the one line that the call fails with."""
    with pytest.raises(GoldievalError) as failure:
        call()
    return one_line(str(failure.value))


class CutError(Exception):
    """Somebody pulled the plug."""


def cut_at(step: int) -> Callable[[Report], None]:
    def watch(report: Report) -> None:
        if report.step == step:
            raise CutError

    return watch


def log_of(out: Path) -> list[dict[str, Any]]:
    """The log without the speed, which no two runs share."""
    rows = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    return [{key: value for key, value in row.items() if key != "rate"} for row in rows]


def same(left: Any, right: Any) -> bool:
    """Equal to the bit, through nested states."""
    if isinstance(left, torch.Tensor):
        return left.dtype == right.dtype and torch.equal(left, right)
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if isinstance(left, (list, tuple)):
        return len(left) == len(right) and all(map(same, left, right))
    return bool(left == right)


# Resuming


@pytest.mark.parametrize("muon_lr", [None, 2e-3])
def test_resumed_equals_uninterrupted(tmp_path: Path, muon_lr: float | None) -> None:
    """Weights, teacher, centres, document frequencies, loss weights, optimiser and log, to the bit."""
    chosen = recipe(**EVERYTHING, optimiser=optimiser(muon_lr=muon_lr))
    whole = trainer(tmp_path / "whole", chosen)
    end = whole.run()
    with pytest.raises(CutError):
        trainer(tmp_path / "cut", chosen).run(cut_at(5))
    assert len(log_of(tmp_path / "cut")) == 5 and latest(tmp_path / "cut") == tmp_path / "cut" / "step-000003"
    with (tmp_path / "cut" / "log.jsonl").open("a") as log:
        log.write('{"step": 6, "im')  # what a kill leaves
    resumed = trainer(tmp_path / "cut", chosen, resume=True)
    assert resumed.step == 3
    resumed_end = resumed.run()
    assert (resumed.step, resumed_end.name) == (6, end.name)
    assert same(load_state(end), load_state(resumed_end))
    for name in ("model", "teacher"):
        ours, theirs = (load_weights(folder / f"{name}.safetensors")[0] for folder in (end, resumed_end))
        assert same(dict(ours.state_dict()), dict(theirs.state_dict()))
    state = load_state(end)
    assert bool(state["losses"]["agnostic.centre"].any()) and float(state["losses"]["documents.documents"]) == 48
    assert all(float(state["weights"][f"s.{name}"]) != 0 for name in chosen.objectives)
    assert log_of(tmp_path / "whole") == log_of(tmp_path / "cut")
    assert [row["step"] for row in log_of(tmp_path / "cut")] == [1, 2, 3, 4, 5, 6]


def test_the_scaler_of_half_precision_goes_on(tmp_path: Path) -> None:
    before = trainer(tmp_path)
    state = before.state
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    dataclasses.replace(state, scaler=scaler).save(tmp_path / "step-000001", 1, before.about())
    other = torch.amp.GradScaler("cpu", init_scale=2.0)
    assert dataclasses.replace(state, scaler=other).restore(tmp_path / "step-000001")[0] == 1
    assert other.state_dict() == scaler.state_dict() and other.state_dict()["scale"] == 1024


def test_what_is_restored_matters(tmp_path: Path) -> None:
    """The comparison above is no tautology: the trained model is not the fresh one, and seeds differ."""
    end = trainer(tmp_path / "a").run()
    other = trainer(tmp_path / "b", recipe(seed=1)).run()
    ours, theirs = load_weights(end)[0], load_weights(other)[0]
    assert not same(dict(ours.state_dict()), dict(theirs.state_dict()))
    fresh = trainer(tmp_path / "c").raw.model
    assert not same(dict(ours.state_dict()), dict(fresh.state_dict()))


def test_a_finished_run_is_not_trained_again(tmp_path: Path) -> None:
    end = trainer(tmp_path).run()
    before = (end / "model.safetensors").read_bytes()
    assert trainer(tmp_path, resume=True).run() == end
    assert (end / "model.safetensors").read_bytes() == before and len(log_of(tmp_path)) == 6


def test_newest_checkpoints_are_kept(tmp_path: Path) -> None:
    trainer(tmp_path, recipe(save_every=1, keep=2)).run()
    assert sorted(path.name for path in tmp_path.iterdir()) == [".lock", "log.jsonl", "step-000005", "step-000006"]


def test_last_step_is_saved_whatever_the_interval(tmp_path: Path) -> None:
    assert trainer(tmp_path, recipe(save_every=4, keep=5)).run().name == "step-000006"
    assert [path.name for path in sorted(tmp_path.glob("step-*"))] == ["step-000004", "step-000006"]


def test_a_save_that_fails_leaves_the_old_checkpoints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError("disk full")

    running = trainer(tmp_path, recipe(save_every=2))
    with pytest.raises(CutError):
        running.run(cut_at(3))
    monkeypatch.setattr(torch, "save", full)
    assert "disk full" in message(running.save)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".lock", "log.jsonl", "step-000002"]


# One step


def test_losses_fall_and_the_report_adds_up(tmp_path: Path) -> None:
    chosen = recipe(objectives={"softmax": 0.5, "sigmoid": 2.0}, optimiser=optimiser(steps=30, lr=3e-3))
    reports = list(trainer(tmp_path, chosen).steps())
    assert [report.images_seen for report in reports] == [8 * (n + 1) for n in range(30)]
    for report in reports:
        assert report.weights == {"softmax": 0.5, "sigmoid": 2.0}
        assert report.total == pytest.approx(0.5 * report.losses["softmax"] + 2 * report.losses["sigmoid"], rel=1e-5)
        assert report.gradient_norm > 0 and report.rate > 0
    assert reports[-1].losses["softmax"] < 0.9 * reports[0].losses["softmax"]


def test_learned_weights_of_a_report_are_those_of_its_step(tmp_path: Path) -> None:
    chosen = recipe(
        objectives={"softmax": 1.0, "sigmoid": 1.0}, weighting={"kind": "uncertainty", "warm_up": 1, "lr": 0.1}
    )
    for report in trainer(tmp_path, chosen).steps():
        parts = [w * report.losses[name] - math.log(2 * w) / 2 for name, w in report.weights.items()]
        assert report.total == pytest.approx(sum(parts), rel=1e-4)


def test_learned_weights_settle_at_the_logarithm_of_their_losses(tmp_path: Path) -> None:
    """A run so short that the losses hardly move: each s ends within 0.1 of ln L, wherever its start was."""
    objectives = dict.fromkeys(["softmax", "conditioned", "token_classes"], 1.0)
    running = trainer(
        tmp_path,
        recipe(
            model={**SIZES, "token_classes": True},
            objectives=objectives,
            weighting={"kind": "uncertainty", "lr": 0.1, "warm_up": 1},
            optimiser=optimiser(steps=60, lr=1e-7),
        ),
    )
    weights = running.raw.weights
    assert weights is not None
    seen: dict[str, list[float]] = {name: [] for name in objectives}
    for report in running.steps():
        if report.step == 1:
            for s in weights.s.values():
                s.data += 0.7
        for name, loss in report.losses.items():
            seen[name].append(loss)
    for name, losses in seen.items():
        assert abs(float(weights.s[name].detach()) - math.log(sum(losses[-20:]) / 20)) < 0.1, name


def test_foreign_captions_are_drawn_anew_in_every_step(tmp_path: Path) -> None:
    """By a generator that is the same in all processes, and not by the global one."""
    drawn: list[list[int]] = []

    def recorded(step: Step) -> torch.Tensor:
        drawn.append(torch.randint(1000, (3,), generator=step.generator).tolist())
        return step.model.logit_scale

    for out in ("a", "b"):
        running = trainer(tmp_path / out)
        spoil(running, recorded, at=0)
        torch.manual_seed(len(drawn))
        list(running.steps())
    assert drawn[:6] == drawn[6:] and len({tuple(numbers) for numbers in drawn}) == 6


def test_teacher_follows_after_the_optimisers_step(tmp_path: Path) -> None:
    running = trainer(tmp_path, recipe(teacher={"momentum": 0.5}))
    start = {name: weights.clone() for name, weights in running.raw.model.state_dict().items()}
    assert same(dict(running.teacher.state_dict()), start)  # they agree right after initialisation
    next(running.steps())
    for name, weights in running.teacher.state_dict().items():
        torch.testing.assert_close(weights, (start[name] + running.raw.model.state_dict()[name]) / 2)
    moved = running.raw.model.state_dict()["vision.patches.weight"]
    assert not torch.equal(moved, start["vision.patches.weight"])


def test_logit_scale_is_clamped_and_bias_learns(tmp_path: Path) -> None:
    running = trainer(tmp_path, recipe(objectives={"sigmoid": 1.0}))
    assert float(running.raw.model.logit_bias.detach()) == -10
    with torch.no_grad():
        running.raw.model.logit_scale.fill_(5.0)
    next(running.steps())
    assert float(running.raw.model.logit_scale.detach()) == pytest.approx(HIGHEST_SCALE) == math.log(100)
    assert float(running.raw.model.logit_bias.detach()) != -10
    assert running.raw.model.logit_scale.dtype == running.raw.model.logit_bias.dtype == torch.float32
    with torch.no_grad():
        running.raw.model.logit_scale.fill_(-1.0)
    next(running.steps())
    assert float(running.raw.model.logit_scale.detach()) == 0


def test_every_parameter_is_in_one_group_and_the_teacher_in_none(tmp_path: Path) -> None:
    chosen = recipe(**{**EVERYTHING, "weighting": {"kind": "uncertainty", "lr": 0.03}})
    running = trainer(tmp_path, chosen)
    matrices, others, weights = running.optimiser.param_groups
    grouped = [id(part) for group in (matrices, others, weights) for part in group["params"]]
    assert sorted(grouped) == sorted(id(part) for part in running.raw.parameters())
    assert not set(grouped) & {id(part) for part in running.teacher.parameters()}
    assert all(part.ndim >= 2 for part in matrices["params"]) and matrices["weight_decay"] == 0.2
    assert all(part.ndim < 2 for part in others["params"]) and others["weight_decay"] == 0
    assert running.raw.weights is not None
    assert {id(part) for part in weights["params"]} == {id(part) for part in running.raw.weights.parameters()}
    assert (weights["weight_decay"], weights["initial_lr"]) == (0, 0.03)
    assert len(parameter_groups(Student(recipe()), recipe())) == 2


def test_learning_rate_warms_up_and_falls_to_zero() -> None:
    chosen = recipe(optimiser=optimiser(steps=100, warm_up=10))
    factors = [warm_cosine(step, chosen) for step in range(101)]
    assert factors[0] == pytest.approx(0.1) and factors[9] == 1 == max(factors) and factors[55] == pytest.approx(0.5)
    assert factors[100] == pytest.approx(0) and factors[10:] == sorted(factors[10:], reverse=True)
    assert warm_cosine(0, recipe(optimiser=optimiser(warm_up=0))) == 1


@pytest.mark.filterwarnings("error::UserWarning")
def test_accumulated_steps_move_student_and_teacher_once(tmp_path: Path) -> None:
    running = trainer(tmp_path, recipe(optimiser=optimiser(accumulate=3), teacher={"momentum": 0.5}))
    teachers = [{name: weights.clone() for name, weights in running.teacher.state_dict().items()}]
    students = list(teachers)
    for _ in running.steps():
        for models, model in ((teachers, running.teacher), (students, running.raw.model)):
            models.append({name: weights.clone() for name, weights in model.state_dict().items()})
    for models in (teachers, students):
        assert [same(before, after) for before, after in pairwise(models)] == [True, True, False] * 2
    for name, weights in teachers[6].items():
        torch.testing.assert_close(weights, (teachers[3][name] + students[6][name]) / 2)


def test_without_a_bound_no_gradient_is_clipped(tmp_path: Path) -> None:
    free, bound, clipped = (
        trainer(tmp_path / str(clip), recipe(optimiser=optimiser(clip=clip))).run() for clip in (None, 1e9, 1e-3)
    )
    ours, theirs, others = (load_weights(folder)[0].state_dict() for folder in (free, bound, clipped))
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert any(not torch.equal(ours[name], others[name]) for name in ours)


def test_accumulated_gradients_are_clipped_as_one(tmp_path: Path) -> None:
    """The norm before clipping does not depend on the bound."""
    norms = [
        [report.gradient_norm for report in trainer(tmp_path, recipe(optimiser=settings)).steps()][:3]
        for settings in (optimiser(accumulate=3, clip=1e9), optimiser(accumulate=3, clip=1e-3))
    ]
    assert norms[0] == norms[1] and norms[0][:2] == [0, 0] and norms[0][2] > 0.01


@pytest.mark.parametrize("reading", ["through_encoder", "in_encoder"])
def test_all_objectives_train_together_in_bf16(reading: str, tmp_path: Path) -> None:
    chosen = recipe(
        **{
            **EVERYTHING,
            "model": {**EVERYTHING["model"], "decoder": reading},
            "optimiser": optimiser(steps=2, precision="bf16"),
        }
    )
    running = trainer(tmp_path, chosen)
    reports = list(running.steps())
    assert set(reports[-1].losses) == set(chosen.objectives)
    assert all(math.isfinite(loss) and loss >= -1e-6 for report in reports for loss in report.losses.values())
    assert all(part.dtype == torch.float32 for part in running.raw.parameters())


# What goes wrong


def spoil(running: Trainer, loss: Callable[[Step], torch.Tensor], at: int) -> None:
    """Replace the objective from step ``at`` on."""
    honest = running.raw.losses._table["softmax"]
    running.raw.losses._table["softmax"] = lambda step: loss(step) if running.step >= at else honest(step)


def infinite_slope(step: Step) -> torch.Tensor:
    """A finite loss whose gradient is NaN."""
    return 1 + (0 * step.model.logit_scale).sqrt()


@pytest.mark.parametrize(
    ("loss", "says"),
    [
        (lambda step: step.model.logit_scale * math.nan, "softmax nan"),
        (lambda step: step.model.logit_scale * math.inf, "softmax inf"),
        (lambda step: step.model.logit_scale * 1e6, "softmax"),
        (infinite_slope, "gradient"),
    ],
)
def test_nan_and_explosion_stop_at_the_last_good_checkpoint(
    loss: Callable[[Step], torch.Tensor], says: str, tmp_path: Path
) -> None:
    running = trainer(tmp_path, recipe(save_every=1))
    spoil(running, loss, at=3)
    line = message(running.run)
    assert says in line and str(tmp_path / "step-000003") in line
    model, about = load_weights(tmp_path / "step-000003")
    assert all(bool(torch.isfinite(weights).all()) for weights in model.state_dict().values())
    assert about.images_seen == 24 and latest(tmp_path) == tmp_path / "step-000003"
    assert all(bool(torch.isfinite(weights).all()) for weights in running.raw.model.state_dict().values())


def test_nan_before_the_first_checkpoint_says_so(tmp_path: Path) -> None:
    running = trainer(tmp_path)
    spoil(running, lambda step: step.model.logit_scale * math.nan, at=0)
    assert "none yet" in message(running.run)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run's folder with a checkpoint at step 3; not to be written to."""
    out = tmp_path_factory.mktemp("finished")
    running = trainer(out, recipe(keep=1))
    with pytest.raises(CutError):
        running.run(cut_at(4))
    return out


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    """The same checkpoint, to be damaged."""
    for file in (finished / "step-000003").iterdir():
        (tmp_path / "step-000003").mkdir(exist_ok=True)
        (tmp_path / "step-000003" / file.name).write_bytes(file.read_bytes())
    return tmp_path


@pytest.mark.parametrize(
    "changes",
    [
        {"model": {**SIZES, "text_layers": 3}},
        {"model": {**SIZES, "prototypes": 4}},
        {"weighting": {"kind": "uncertainty"}},
    ],
)
def test_resume_refuses_another_size_or_recipe(changes: dict[str, Any], finished: Path) -> None:
    line = message(lambda: trainer(finished, recipe(**changes), resume=True))
    assert "cannot resume" in line and "step-000003" in line


def test_resume_refuses_fixed_weights_after_learned_ones(tmp_path: Path) -> None:
    trainer(tmp_path, recipe(weighting={"kind": "uncertainty"})).run()
    assert "cannot resume" in message(lambda: trainer(tmp_path, resume=True))


@pytest.mark.parametrize("keep", [0, 1, 100, 5000])
@pytest.mark.parametrize("name", ["model.safetensors", "teacher.safetensors", "state.pt"])
def test_truncated_checkpoints_are_refused(run: Path, name: str, keep: int) -> None:
    file = run / "step-000003" / name
    file.write_bytes(file.read_bytes()[:keep])
    line = message(lambda: trainer(run, resume=True))
    assert f"step-000003/{name}" in line and (name != "state.pt" or "damaged" in line)


def test_a_run_goes_on_from_the_checkpoint_before_a_damaged_one(tmp_path: Path) -> None:
    """As the line says that refuses it."""
    whole = trainer(tmp_path).run()
    weights = (whole / "model.safetensors").read_bytes()
    (whole / "state.pt").write_bytes(b"")
    assert f"Remove {whole} to go on" in message(lambda: trainer(tmp_path, resume=True))
    shutil.rmtree(whole)
    resumed = trainer(tmp_path, resume=True)
    assert resumed.step == 3 and resumed.run() == whole
    assert (whole / "model.safetensors").read_bytes() == weights and len(log_of(tmp_path)) == resumed.step


class Code:
    def __reduce__(self) -> tuple[Any, ...]:
        return (exec, ("raise SystemExit('code of a checkpoint was run')",))


@pytest.mark.filterwarnings("error::UserWarning")
@pytest.mark.parametrize("write", [lambda file: torch.save({"step": Code()}, file), lambda file: _pickle(file)])
def test_code_in_a_checkpoint_is_never_run(run: Path, write: Callable[[Path], None]) -> None:
    write(run / "step-000003" / "state.pt")
    line = message(lambda: trainer(run, resume=True))
    assert "cannot resume" in line and "can run any code" in line and "set to `False`" not in line
    write(run / "step-000003" / "model.safetensors")
    assert "model.safetensors" in message(lambda: load_weights(run / "step-000003"))


def _pickle(file: Path) -> None:
    file.write_bytes(pickle.dumps(Code()))


@pytest.mark.parametrize("state", [{}, {"step": 3}, [1, 2], torch.zeros(3)])
def test_foreign_states_are_refused(run: Path, state: object) -> None:
    torch.save(state, run / "step-000003" / "state.pt")
    line = message(lambda: trainer(run, resume=True))
    assert "cannot resume" in line and "step-000003" in line


def written(file: Path, metadata: dict[str, str] | None, **tensors: torch.Tensor) -> Path:
    save_file(tensors or {"a": torch.zeros(2)}, file, metadata=metadata)
    return file


def test_foreign_weights_are_refused(tmp_path: Path) -> None:
    def says(metadata: dict[str, str] | None, **tensors: torch.Tensor) -> str:
        return message(lambda: load_weights(written(tmp_path / "f.safetensors", metadata, **tensors)))

    config = ModelConfig.model_validate(SIZES).model_dump()
    assert "not written by goldieval train" in says(None)
    assert "not written by goldieval train" in says({"other": "{}"})
    assert "not written by goldieval train" in says({"goldiclip": "[]"})
    assert "not written by goldieval train" in says({"goldiclip": "{}"})
    assert "not written by goldieval train" in says({"goldiclip": json.dumps({"config": config, "later": 1})})
    assert "no readable" in says({"goldiclip": "{"})
    assert "is not divisible" in says({"goldiclip": json.dumps({"config": {**config, "vision_heads": 3}})})
    assert "unknown key" in says({"goldiclip": json.dumps({"config": {**config, "depth": 3}})})
    assert "tensors missing, 1 of another" in says({"goldiclip": json.dumps({"config": config})})
    assert "no checkpoint" in message(lambda: load_weights(tmp_path / "none.safetensors"))
    (tmp_path / "text.safetensors").write_text("hello " * 10)
    assert "no readable" in message(lambda: load_weights(tmp_path / "text.safetensors"))


def test_weights_of_another_shape_than_their_config_are_refused(finished: Path, tmp_path: Path) -> None:
    model, _ = load_weights(finished / "step-000003")
    file = tmp_path / "weights.safetensors"
    save_weights(model, About(ModelConfig.model_validate({**SIZES, "embed_dim": 64})), file)
    assert "of another shape" in message(lambda: load_weights(file))


def test_weights_survive_the_file_and_ship_slim_in_half(tmp_path: Path) -> None:
    config = ModelConfig.model_validate(EVERYTHING["model"])
    torch.manual_seed(0)
    model = GoldiClip(config)
    about = About(config, "r", 12, 3, 4, "conditioned", "shapes", "tiny")
    save_weights(model, about, tmp_path / "whole.safetensors")
    loaded, said = load_weights(tmp_path / "whole.safetensors")
    assert said == about and same(dict(loaded.state_dict()), dict(model.state_dict()))
    save_weights(model, about, tmp_path / "slim.safetensors", torch.float16, slim=True)
    small, said = load_weights(tmp_path / "slim.safetensors")
    assert said == about
    ids, pixels = torch.tensor([[812, 5, 6, 813]]), torch.randn(1, 3, 32, 32)
    torch.testing.assert_close(small.encode_text(ids), model.encode_text(ids), atol=2e-2, rtol=2e-2)
    torch.testing.assert_close(small.encode_image(pixels), model.encode_image(pixels), atol=2e-2, rtol=2e-2)
    sizes = [(tmp_path / f"{name}.safetensors").stat().st_size for name in ("whole", "slim")]
    assert sizes[1] < 0.5 * sizes[0]
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["slim.safetensors", "whole.safetensors"]


def test_a_checkpoint_is_written_whole_over_an_older_one(tmp_path: Path) -> None:
    model, about = GoldiClip(ModelConfig.model_validate(SIZES)), About(ModelConfig.model_validate(SIZES))
    for step in (1, 2):
        save_folder(tmp_path / "step-000001", model, model, about, {"step": step})
    assert load_state(tmp_path / "step-000001") == {"step": 2}
    assert [path.name for path in tmp_path.iterdir()] == ["step-000001"]
    (tmp_path / "step-000009").mkdir()  # without a state: not whole
    assert latest(tmp_path) == tmp_path / "step-000001" and latest(tmp_path / "none") is None


# Recipes


@pytest.mark.parametrize("name", recipe_names())
def test_shipped_recipes_parse_and_build(name: str) -> None:
    chosen = load_recipe(name)
    assert chosen.name == name and chosen.objectives
    with torch.device("meta"):
        model = GoldiClip(chosen.model)
    assert sum(weights.numel() for weights in model.parameters()) > 100_000


def test_there_are_shipped_recipes() -> None:
    assert "goldiclip-tiny" in recipe_names()


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"optimizer": {}}, "optimizer: unknown key"),
        ({"optimiser.lrate": 1}, "optimiser.lrate: unknown key"),
        ({"model.depth": 3}, "model.depth: unknown key"),
        ({"objectives.magic": 1.0}, "objectives.magic"),
        ({"objectives": {}}, "objectives"),
        ({"objectives.softmax": 0}, "objectives.softmax"),
        ({"optimiser.steps": 0}, "optimiser.steps"),
        ({"optimiser": {"batch_size": 8}}, "optimiser.steps: is missing"),
        ({"teacher.momentum": 1.5}, "teacher.momentum"),
        ({"model.image_size": 65}, "image_size 65 is not divisible by patch_size 8"),
        ({"model.vision_heads": 5}, "vision_width 192 is not divisible by vision_heads 5"),
        ({"model.pool_heads": 3}, "embed_dim 128 is not divisible by pool_heads 3"),
        ({"model.merges": 50_000}, "model.merges"),
        ({"model.decoder": "beside_encoder"}, "model.decoder"),
        ({"model.decoder": "in_encoder", "model.decoder_layers": 9}, "decoder_layers 9 exceed text_layers 4"),
        ({"data.global_area": [1.0, 0.8]}, "data.global_area: the lowest share comes first, not 1 before 0.8"),
        ({"data.local_area": [0.4, 0.1]}, "data.local_area: the lowest share comes first, not 0.4 before 0.1"),
        ({"data.global_area": [0.0, 1.0]}, "data.global_area"),
        ({"data.local_size": 30, "data.locals": 1}, "data.local_size 30 is not divisible by the patch size"),
        ({"data.scenes": 100}, "batch_size 128 exceeds data.scenes 100"),
        ({"objectives.vqa": 1.0}, "objective vqa needs model.decoder"),
        ({"objectives.caption": 1.0}, "objective caption needs model.decoder"),
        ({"objectives.token_classes": 1.0}, "objective token_classes needs model.token_classes"),
        ({"objectives.distil_agnostic": 1.0}, "objective distil_agnostic needs data.locals"),
        (
            {"objectives.distil_conditioned": 1.0, "data.locals": 2},
            "objective distil_conditioned with teacher.loss dino needs model.prototypes",
        ),
        ({"optimiser.steps.more": 1}, "steps holds no keys"),
        ({"optimiser.betas": [0.9, 1.0]}, "optimiser.betas.1: Input should be less than 1"),
        ({"optimiser.lr": float("inf")}, "optimiser.lr: Input should be a finite number"),
        ({"logit_bias": float("nan")}, "logit_bias: Input should be a finite number"),
        ({"logit_scale": 1000}, "logit_scale: Input should be less than or equal to 100"),
        ({"seed": 2**70}, "seed"),
        ({"seed": -1}, "seed"),
        ({"name": "../../elsewhere"}, "name"),
        ({"name": ""}, "name"),
        ({"optimiser.accumulate": 3}, "optimiser.steps 10 is no multiple of optimiser.accumulate 3"),
        ({"optimiser.accumulate": 5, "save_every": 4}, "save_every 4 is no multiple of optimiser.accumulate 5"),
    ],
)
def test_wrong_recipes_are_one_line(changes: dict[str, Any], says: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    content = {"name": "mine", "title": "mine", "objectives": {"softmax": 1.0}}
    file.write_text(yaml.safe_dump({**content, "optimiser": {"steps": 10, "batch_size": 128}}))
    load_recipe(str(file))  # right without the changes
    line = message(lambda: load_recipe(str(file), changes))
    assert says in line


def test_unknown_recipes_and_broken_files_are_one_line(tmp_path: Path) -> None:
    assert "Did you mean goldiclip-tiny" in message(lambda: load_recipe("goldiclip-tny"))
    (tmp_path / "a.yaml").write_text("name: [")
    assert "a.yaml" in message(lambda: load_recipe(str(tmp_path / "a.yaml")))
    (tmp_path / "b.yaml").write_text("- 1")
    assert "expected a mapping" in message(lambda: load_recipe(str(tmp_path / "b.yaml")))
    assert "no file" in message(lambda: load_recipe(str(tmp_path / "c.yaml")))


def test_other_data_do_not_take_over_how_many_scenes(tmp_path: Path) -> None:
    files = {"source": "jsonl", "path": "mine.jsonl"}
    changed = load_recipe("goldiclip-tiny", {f"data.{key}": value for key, value in files.items()})
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump({"extends": "goldiclip-tiny", "name": "mine", "data": files}))
    for chosen in (changed, load_recipe(str(tmp_path / "mine.yaml"))):
        assert chosen.data.source == "jsonl" and chosen.data.captions == 4
    wrong = {"data.source": "jsonl", "data.path": "mine.jsonl", "data.scenes": 80_000}
    line = message(lambda: load_recipe("goldiclip-tiny", wrong))
    assert line.startswith("recipe goldiclip-tiny with --set data.source, ") and "scenes are of source shapes" in line


@pytest.mark.parametrize(
    ("name", "method", "pools"),
    [
        ("goldiclip-b16", "GoldiCLIP-R (reconstruction)", True),
        ("ablation/g_vqa_in_encoder", "GoldiCLIP-R (reconstruction)", True),
        ("flair-tiny", "goldieval's trainer (reimplementation)", True),
        ("clip-tiny", "goldieval's trainer (reimplementation)", False),
        ("cosmos-b16", "goldieval's trainer (reimplementation)", False),
    ],
)
def test_a_recipe_says_whose_scores_it_makes(name: str, method: str, pools: bool) -> None:
    recipe = load_recipe(name)
    assert (recipe.method, recipe.pools) == (method, pools)


def test_changes_are_written_into_the_recipe() -> None:
    chosen = load_recipe("clip-tiny", {"optimiser.lr": 5e-4, "model.merges": 10, "teacher.momentum": 0.5})
    assert (chosen.optimiser.lr, chosen.model.merges, chosen.teacher.momentum) == (5e-4, 10, 0.5)
    assert chosen.optimiser.batch_size == load_recipe("clip-tiny").optimiser.batch_size


def test_muon_moves_the_matrices_of_blocks_and_adamw_the_rest(tmp_path: Path) -> None:
    """Every parameter has one optimiser, on one schedule; each part steps as torch's own does."""
    chosen = recipe(**EVERYTHING, optimiser=optimiser(muon_lr=2e-3))
    ours = trainer(tmp_path / "run", chosen)
    named = {parameter: name for name, parameter in ours.raw.model.named_parameters()}
    muon, *adamw = ours.state.optimiser.param_groups
    assert {named[one] for one in muon["params"]} == {
        name
        for name, one in ours.raw.model.named_parameters()
        if one.ndim == 2 and ("blocks." in name or ".cross." in name)
    }
    everything = [one for group in (muon, *adamw) for one in group["params"]]
    assert len(everything) == len({id(one) for one in everything}) == len(list(ours.raw.parameters()))
    list(ours.steps())
    factor = warm_cosine(ours.step - 1, chosen)
    rates = (2e-3, chosen.optimiser.lr, chosen.weighting.lr)
    assert (muon["lr"], adamw[0]["lr"], adamw[-1]["lr"]) == tuple(rate * factor for rate in rates)
    by_adamw = trainer(tmp_path / "other", recipe(**EVERYTHING, optimiser=optimiser()))
    list(by_adamw.steps())
    moved = dict(ours.raw.model.named_parameters())
    for name, parameter in by_adamw.raw.model.named_parameters():
        if "resblocks.0.mlp.c_fc.weight" in name:
            assert not torch.allclose(parameter, moved[name])


def test_muon_steps_as_torchs_own(tmp_path: Path) -> None:
    chosen = recipe(optimiser=optimiser(muon_lr=2e-3, lr=1e-3, warm_up=0))
    ours = trainer(tmp_path / "run", chosen)
    weight = ours.raw.model.vision.transformer.resblocks[0].mlp.c_fc.weight
    bias = ours.raw.model.vision.transformer.resblocks[0].mlp.c_fc.bias
    matrix, vector = (torch.nn.Parameter(one.detach().clone()) for one in (weight, bias))
    generator = torch.Generator().manual_seed(0)
    for one, twin in ((weight, matrix), (bias, vector)):
        one.grad = torch.randn(one.shape, generator=generator)
        twin.grad = one.grad.clone()
    ours.state.optimiser.step()
    settings = {"lr": 2e-3, "weight_decay": chosen.optimiser.weight_decay, "adjust_lr_fn": "match_rms_adamw"}
    torch.optim.Muon([matrix], **settings).step()
    torch.optim.AdamW([vector], lr=1e-3, betas=(0.9, 0.98), eps=1e-6, weight_decay=0).step()
    assert torch.equal(weight, matrix) and torch.equal(bias, vector)


def test_a_recipe_can_begin_with_the_weights_of_a_checkpoint(finished: Path, tmp_path: Path) -> None:
    """Parts that the checkpoint lacks begin at random, the teacher begins where the student does."""
    file = finished / "step-000003"
    before, _ = load_weights(file)
    bigger = {**SIZES, "decoder": "through_encoder", "token_classes": True}
    running = trainer(tmp_path, recipe(init=str(file), model=bigger))
    for model in (running.raw.model, running.teacher):
        ours = model.state_dict()
        assert all(torch.equal(ours[name], tensor) for name, tensor in before.state_dict().items())
        assert any(name.startswith("decoder.") for name in ours)
    line = message(lambda: trainer(tmp_path, recipe(init=str(file), model={**SIZES, "text_layers": 3})))
    assert "init:" in line and "does not fit" in line and "resblocks.2" in line
    assert "no checkpoint" in message(lambda: trainer(tmp_path, recipe(init=str(tmp_path / "nowhere"))))
