"""Two processes compute the losses and gradients, and train, as one does on the joined batch."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.multiprocessing as mp
from accelerate.state import AcceleratorState
from objective_cases import (
    ALL,
    SIZES,
    batch_of,
    corpus,
    gradients,
    model,
    recipe,
    seeded,
    step_of,
    value,
)
from tiny_trainings import steps_of

from goldieval.goldiclip.losses import compute_losses
from goldieval.goldiclip.objectives.decoding import IGNORE, targets_of
from goldieval.goldiclip.objectives.token_classes import InverseDocumentFrequency
from goldieval.goldiclip.objectives.uncertainty import UncertaintyWeights
from goldieval.goldiclip.recipe import Recipe
from goldieval.goldiclip.trainer import Trainer

pytestmark = pytest.mark.slow  # two processes compute every objective, and train

FORMS = [f"{name} {form}" for name in ("distil_agnostic", "distil_conditioned") for form in ("info_nce", "cosine")]
CASES = (*ALL, *FORMS, "caption in_encoder", "vqa in_encoder")


def case(name: str) -> Recipe:
    """A recipe of one objective; a second word is the form of distillation or the decoder."""
    objective, _, form = name.partition(" ")
    data = {"scenes": 32, "captions": 2, "locals": 2, "local_size": 16, "questions": 3}
    if form == "in_encoder":
        return recipe(objective, data=data, model=SIZES.model_copy(update={"decoder": form}))
    return recipe(objective, data=data, teacher={"loss": form or "dino"})


def worker(rank: int, world: int, folder: str) -> None:
    """Write what one of several processes computes of its share."""
    os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE=str(world), ACCELERATE_USE_CPU="true")
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT="0")
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=world)
    torch.save(computed(rank, world, Path(folder)), f"{folder}/{rank}.pt")
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()


def computed(rank: int, world: int, folder: Path) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for name in CASES:
        chosen = case(name)
        student = model(chosen.model)
        step = step_of(chosen, student, rank=rank, world=world)
        (loss,) = compute_losses(step).values()
        loss.backward()
        result[name] = _mean(loss.detach(), world), {k: _mean(g, world) for k, g in gradients(student).items()}
        result[name + " centres"] = [step.state.agnostic.centre, step.state.conditioned.centre]
    documents = InverseDocumentFrequency(12)
    hot = (torch.rand(6, 12, generator=seeded()) < 0.4).float()
    for rows in hot.split(2):
        own = rows[rank::world]
        documents.count(own.nonzero()[:, 1], len(own))
    result["documents"] = documents.state_dict(), documents.weights()
    weights = UncertaintyWeights({"a": 1.0})
    weights({"a": torch.tensor([1.0, 5.0])[rank::world].mean()})
    result["s"] = weights.s["a"].detach()
    for objectives, kind in ((ALL, "uncertainty"), (("softmax",), "fixed")):
        chosen = recipe(*objectives, weighting={"kind": kind, "warm_up": 1})
        reports = list(steps_of(Trainer(chosen, folder / "run", corpus=corpus())))
        result[f"trained {kind}"] = [report.losses for report in reports]
        result[f"norms {kind}"] = [report.gradient_norm for report in reports]
    return result


def _mean(tensor: torch.Tensor, world: int) -> torch.Tensor:
    """Average as a wrapper for several processes does it with gradients."""
    if world > 1:
        torch.distributed.all_reduce(tensor)
    return tensor / world


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Two processes' results, each on its share; and those of one on the joined batch. All in full precision:
    accelerate keeps the first one of a process, and hands it on to its children by the environment."""
    AcceleratorState._reset_state(reset_partial_state=True)
    os.environ.pop("ACCELERATE_MIXED_PRECISION", None)
    folder = tmp_path_factory.mktemp("two")
    started = mp.start_processes(worker, (2, str(folder)), nprocs=2, join=False, start_method="spawn")
    alone = computed(0, 1, folder)
    while not started.join(timeout=100):
        pass
    return [torch.load(folder / f"{rank}.pt") for rank in range(2)], alone


Together = tuple[list[dict[str, Any]], dict[str, Any]]


@pytest.mark.parametrize("name", CASES)
def test_two_processes_equal_one_on_the_joined_batch(name: str, together: Together) -> None:
    """The same captions are drawn as negatives; loss and every gradient agree."""
    (ours, other), (loss, expected) = together[0], together[1][name]
    torch.testing.assert_close(ours[name][0], loss, atol=1e-5, rtol=1e-5)
    assert ours[name][1].keys() == expected.keys() == other[name][1].keys()
    for part, gradient in expected.items():
        torch.testing.assert_close(ours[name][1][part], gradient, atol=1e-5, rtol=1e-3, msg=part)
    for mine, theirs in zip(ours[f"{name} centres"], together[1][f"{name} centres"], strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-6, rtol=1e-4)


def test_shares_of_the_two_processes_are_told_apart(together: Together) -> None:
    """Else equality would say little: answers of both are not equally long, and no loss is the same in both shares."""
    targets = [
        int((targets_of(batch_of(case("vqa"), rank, 2).answer.ids.flatten(0, 1), SIZES.end_of_text) != IGNORE).sum())
        for rank in range(2)
    ]
    assert targets[0] != targets[1]
    assert set(together[1]) >= set(CASES) and all(value(together[1][name][0]) > 0 for name in CASES)


def test_document_frequencies_of_two_processes(together: Together) -> None:
    hot = (torch.rand(6, 12, generator=seeded()) < 0.4).long()
    for state, weights in [part["documents"] for part in together[0]]:
        assert float(state["documents"]) == 6 and torch.equal(state["frequency"], hot.sum(0))
        torch.testing.assert_close(weights, (7 / (hot.sum(0) + 1)).log())


def test_loss_weights_start_alike_in_all_processes(together: Together) -> None:
    assert [float(part["s"]) for part in together[0]] == [pytest.approx(math.log(3))] * 2


@pytest.mark.parametrize("kind", ["uncertainty", "fixed"])
def test_two_processes_train_as_one(kind: str, together: Together) -> None:
    """Three steps of the trainer, also where an objective leaves half of the model without a gradient."""
    parts, alone = together
    assert len(alone[f"trained {kind}"]) == 3
    for step, expected in enumerate(alone[f"trained {kind}"]):
        for name, loss in expected.items():
            mean = sum(part[f"trained {kind}"][step][name] for part in parts) / 2
            assert mean == pytest.approx(loss, rel=2e-3), (step, name)
    for part in parts:
        assert part[f"norms {kind}"] == pytest.approx(alone[f"norms {kind}"], rel=2e-2)
