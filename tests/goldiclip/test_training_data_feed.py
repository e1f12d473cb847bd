"""Training on files: the same batches with and without workers, resumed to the bit; questions where there are some."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from multiprocessing import active_children
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import pytest
import torch
from accelerate.state import AcceleratorState
from batch_contents import caption_ids, same_content
from fresh_loaders import sigchld_untouched
from helpers import one_line
from tiny_trainings import steps_of
from torch.utils.data import get_worker_info
from training_samples import image_text_folder, recipe, recipe_showing, row, shards, tokenizer

from goldieval.core.errors import GoldievalError
from goldieval.goldiclip.checkpoint import load_weights
from goldieval.goldiclip.checkpoint_folder import load_state
from goldieval.goldiclip.data.bad_samples import BadSamples
from goldieval.goldiclip.data.batch import Batch
from goldieval.goldiclip.data.batches import Batches
from goldieval.goldiclip.data.corpus import Sample
from goldieval.goldiclip.data.jsonl import JsonLines
from goldieval.goldiclip.data.loader import BatchLoader
from goldieval.goldiclip.ema import teacher_of
from goldieval.goldiclip.features import StepFeatures
from goldieval.goldiclip.losses import compute_losses
from goldieval.goldiclip.model import GoldiClip
from goldieval.goldiclip.objective_state import ObjectiveState
from goldieval.goldiclip.objectives.decoding import IGNORE, targets_of
from goldieval.goldiclip.recipe import Recipe
from goldieval.goldiclip.run_folder import StepReport
from goldieval.goldiclip.trainer import Trainer


@pytest.fixture(autouse=True)
def fresh_accelerator() -> None:
    AcceleratorState._reset_state(reset_partial_state=True)


def same(left: Any, right: Any) -> bool:
    """Equal to the bit, through nested states."""
    if isinstance(left, torch.Tensor):
        return left.dtype == right.dtype and torch.equal(left, right)
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if isinstance(left, (list, tuple)):
        return len(left) == len(right) and all(map(same, left, right))
    return bool(left == right)


def batches(file: Path, **data: Any) -> Batches:
    return Batches(JsonLines(file, tokenizer()), tokenizer(), recipe_showing(**data))


def loader(file: Path, workers: int, steps: int = 8) -> BatchLoader:
    return BatchLoader(batches(file), steps, workers, BadSamples())


# The loader


def test_workers_make_the_same_batches_in_order(tmp_path: Path) -> None:
    file = image_text_folder(tmp_path, 12, r2="{", r4={"vqa": [{"question": "a", "answer": ""}]})
    here, ahead = loader(file, 0), loader(file, 2)
    state = torch.get_rng_state()
    for step in (0, 1, 2, 3, 6, 7, 1):  # a jump starts them anew
        assert same_content(here.batch(step), ahead.batch(step)), step
    assert here.bad.kinds == ahead.bad.kinds == {"broken JSON": 1, "empty answer": 1}
    assert torch.equal(state, torch.get_rng_state())  # the training's own draws are not disturbed


class Fragile:
    """A corpus that kills the worker that reads its last row."""

    def __init__(self, corpus: JsonLines) -> None:
        self.corpus = corpus
        self.order, self.bad = corpus.order, corpus.bad

    def __len__(self) -> int:
        return len(self.corpus)

    def sample(self, number: int) -> Sample:
        if number == 11 and get_worker_info() is not None:
            os._exit(7)
        return self.corpus.sample(number)


class Faulty(Batches):
    """Batches of which the last cannot be put together in a worker, for a reason that is no sample's."""

    error: type[Exception]

    def at(self, step: int) -> Batch:
        if step == 2 and get_worker_info() is not None:
            raise self.error("a fault of ours")
        return super().at(step)


def fragile(folder: Path) -> BatchLoader:
    corpus = Fragile(JsonLines(image_text_folder(folder, 12), tokenizer()))
    return BatchLoader(Batches(corpus, tokenizer(), recipe_showing()), 3, 1, BadSamples())


def faulty(folder: Path, error: type[Exception]) -> BatchLoader:
    batches = Faulty(JsonLines(image_text_folder(folder, 12), tokenizer()), tokenizer(), recipe_showing())
    batches.error = error
    return BatchLoader(batches, 3, 1, BadSamples())


def run_through(ahead: BatchLoader) -> None:
    for step in range(3):
        ahead.batch(step)


def test_a_worker_that_dies_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(GoldievalError, match="data worker died") as failure:
        run_through(fragile(tmp_path))
    one_line(str(failure.value))


@pytest.mark.parametrize("error", [RuntimeError, OSError, EOFError, UnpicklingError])
def test_an_error_within_a_worker_is_not_taken_for_its_death(error: type[Exception], tmp_path: Path) -> None:
    with pytest.raises(error, match="a fault of ours"):
        run_through(faulty(tmp_path, error))


@pytest.mark.parametrize(
    "error",
    [
        ConnectionResetError(104, "Connection reset by peer"),
        EOFError(),
        UnpicklingError("truncated"),
        RuntimeError("received 0 items of ancdata"),  # a tensor's file handle that never came
    ],
)
def test_a_pipe_that_breaks_before_the_worker_is_seen_to_be_dead_is_its_death(error: Exception, tmp_path: Path) -> None:
    def broken() -> Iterator[Batch]:
        raise error
        yield

    ahead = loader(image_text_folder(tmp_path, 12), 1)
    ahead._stream, ahead._next = broken(), 0
    with pytest.raises(GoldievalError, match="data worker died") as failure:
        ahead.batch(0)
    one_line(str(failure.value))


def test_a_death_does_not_break_into_what_the_training_is_doing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """torch's handler of SIGCHLD would raise in the midst of a step, or of writing a checkpoint."""
    others = active_children()
    ahead = loader(image_text_folder(tmp_path, 12), 1)
    with sigchld_untouched(monkeypatch):
        ahead.batch(0)
        (worker,) = set(active_children()) - set(others)
        worker.kill()
        assert worker.pid and os.waitid(os.P_PID, worker.pid, os.WEXITED | os.WNOWAIT)  # dead, and torch can see it
        with pytest.raises(GoldievalError, match="data worker died"):
            for step in range(1, 8):
                ahead.batch(step)


# Training


def log_of(out: Path) -> list[dict[str, Any]]:
    rows = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    own = ("rate", "waited", "memory", "processor")
    return [{key: value for key, value in row.items() if key not in own} for row in rows]


class CutError(Exception):
    """Somebody pulled the plug."""


def cut(report: StepReport) -> None:
    if report.step == 5:
        raise CutError


@pytest.mark.parametrize("source", ["jsonl", "shards"])
def test_resumed_equals_uninterrupted_with_any_number_of_workers(source: str, tmp_path: Path) -> None:
    if source == "jsonl":
        path = image_text_folder(tmp_path / "data", 12, asked=5, r3="{")
    else:
        path = shards(tmp_path / "data", [5, 4, 3])

    def running(out: str, workers: int, resume: bool = False) -> Trainer:
        return Trainer(recipe(path, source, data={"workers": workers}), tmp_path / out, resume=resume)

    end = running("whole", 0).run()
    ahead = running("ahead", 2).run()
    with pytest.raises(CutError):
        running("cut", 2).run(cut)
    resumed = running("cut", 2, resume=True)
    assert resumed.step == 3

    def trained(folder: Path) -> dict[str, Any]:
        """All of the state but the recipe, which says how many workers there were."""
        return {name: part for name, part in load_state(folder).items() if name != "recipe"}

    for other in (ahead, resumed.run()):
        assert other.name == end.name and same(trained(end), trained(other))
        for name in ("model", "teacher"):
            ours, theirs = (load_weights(folder / f"{name}.safetensors")[0] for folder in (end, other))
            assert same(dict(ours.state_dict()), dict(theirs.state_dict()))
    assert log_of(tmp_path / "whole") == log_of(tmp_path / "ahead") == log_of(tmp_path / "cut")
    about = load_weights(end)[1]
    assert (about.unique_images, about.images_seen, about.home) == (12, 24, "")


def test_a_checkpoint_on_drawn_scenes_says_so(tmp_path: Path) -> None:
    chosen = recipe("", "shapes", data={"scenes": 8}, optimiser={"steps": 1, "batch_size": 4})
    about = load_weights(Trainer(chosen, tmp_path).run())[1]
    assert (about.unique_images, about.home) == (8, "shapes")


def test_a_corpus_smaller_than_a_batch_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(GoldievalError) as failure:
        Trainer(recipe(image_text_folder(tmp_path / "data", 3)), tmp_path / "run")
    assert "batch_size 4 exceeds the 3 samples" in one_line(str(failure.value))


# Questions


def test_a_step_without_questions_leaves_the_weight_of_vqa_alone(tmp_path: Path) -> None:
    """None asks in the first epoch's second batch; there the loss is absent, and s and its statistics rest."""
    order = torch.randperm(12, generator=torch.Generator().manual_seed(0)).tolist()
    changed = {f"r{number}": {"vqa": []} for number in order[4:8]}
    running = Trainer(recipe(image_text_folder(tmp_path / "data", 12, **changed)), tmp_path / "run")
    weights = running.student.learned_weights
    assert weights is not None
    vqa, states = weights.names.index("vqa"), []
    for report in steps_of(running):
        states.append((float(weights.s["vqa"].detach()), int(weights.seen[vqa]), float(weights.s["sigmoid"].detach())))
        assert ("vqa" in report.losses) == (report.step != 2)
        if report.step == 3:
            break
    assert states[0][:2] == states[1][:2] and states[1][0] != states[2][0] and states[0][2] != states[1][2]


def test_a_corpus_without_questions_trains_the_other_objectives(tmp_path: Path) -> None:
    running = Trainer(recipe(image_text_folder(tmp_path / "data", 12, asked=0)), tmp_path / "run")
    before = {name: part.detach().clone() for name, part in running.student.named_parameters()}
    assert all(set(report.losses) == {"sigmoid"} for report in steps_of(running))
    assert running.student.learned_weights is not None and float(running.student.learned_weights.s["vqa"].detach()) == 0
    after = dict(running.student.named_parameters())
    moved = {name for name, part in before.items() if not torch.equal(part, after[name].detach())}
    assert any(name.startswith("model.vision") for name in moved)
    assert any(name.startswith("model.decoder") for name in before)
    assert not any(name.startswith("model.decoder") for name in moved)


def vqa_loss(chosen: Recipe, model: GoldiClip, batch: Batch) -> torch.Tensor:
    state = ObjectiveState(chosen.model)
    features = StepFeatures(chosen, model, teacher_of(model), state, batch)
    return compute_losses(features)["vqa"]


@pytest.mark.parametrize("decoder", ["through_encoder", "in_encoder"])
def test_rows_that_ask_nothing_train_nothing(decoder: str, tmp_path: Path) -> None:
    """The loss and its gradients with three rows a picture, of which one asks, are those with that row alone."""
    file = image_text_folder(tmp_path, 8)
    sizes = {**recipe(file).model.model_dump(), "decoder": decoder}
    found = []
    for count in (1, 3):
        chosen = recipe(file, data={"questions": count}, model=sizes)
        torch.manual_seed(0)
        model = GoldiClip(chosen.model)
        batch = Batches(JsonLines(file, tokenizer()), tokenizer(), chosen).at(0)
        assert batch.answer.ids.shape[:2] == (4, count) and batch.has_questions
        loss = vqa_loss(chosen, model, batch)
        loss.backward()
        found.append((loss.detach(), model.vision.patches.weight.grad, model.text.embedding.weight.grad))
    torch.testing.assert_close(found[0], found[1])
    assert float(found[0][0]) > 0


@pytest.mark.parametrize("decoder", ["through_encoder", "in_encoder"])
def test_a_share_without_questions_counts_zero_beside_others(decoder: str, tmp_path: Path) -> None:
    """What a process computes whose samples ask nothing while another's do: zero, with finite gradients."""
    file = image_text_folder(tmp_path, 8, asked=0)
    chosen = recipe(file, data={"questions": 2}, model={**recipe(file).model.model_dump(), "decoder": decoder})
    model = GoldiClip(chosen.model)
    batch = Batches(JsonLines(file, tokenizer()), tokenizer(), chosen).at(0)
    assert not batch.has_questions and batch.question.ids.shape[:2] == (4, 2)
    assert bool((targets_of(batch.answer.ids.flatten(0, 1), chosen.model.end_of_text) == IGNORE).all())
    loss = vqa_loss(chosen, model, replace(batch, has_questions=True))
    assert float(loss.detach()) == 0
    loss.backward()
    grads = [part.grad for part in model.parameters() if part.grad is not None]
    assert grads and all(bool((grad == 0).all()) for grad in grads)


def test_questions_as_captions_where_there_are_some(tmp_path: Path) -> None:
    file = image_text_folder(tmp_path, 8, asked=4)
    plain, asked = batches(file).at(0), batches(file, questions_as_captions="answered").at(0)
    order = torch.randperm(8, generator=torch.Generator().manual_seed(0))[:4].tolist()
    assert 0 < sum(number < 4 for number in order) < 4
    for number, before, after in zip(order, caption_ids(plain), caption_ids(asked), strict=True):
        question = row(number)["vqa"][0]
        words = [*tokenizer().ids(question["question"]), *tokenizer().ids(question["answer"])]
        assert after == ([before[0], words] if number < 4 else before)
