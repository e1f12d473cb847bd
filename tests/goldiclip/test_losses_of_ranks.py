"""Losses, gradients and exchanges of 2 and 4 ranks equal one's; the ranks import torch and little else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from goldieval.goldiclip.data.draws import drawn_bytes
from goldieval.goldiclip.gather import all_rows, first_row, gathered, pieces_of_all, summed_share
from goldieval.goldiclip.heads import DistillationHead
from goldieval.goldiclip.objectives import blocks
from goldieval.goldiclip.objectives.conditioned import conditioned_sigmoid
from goldieval.goldiclip.objectives.contrastive import sigmoid_contrastive, softmax_contrastive
from goldieval.goldiclip.objectives.distillation import DinoLoss, dino, info_nce, info_nce_floor
from goldieval.goldiclip.objectives.grouping import grouping_contrast
from goldieval.goldiclip.objectives.same_caption import same_caption_contrast
from goldieval.goldiclip.objectives.token_classes import TokenTargets, token_class_loss
from goldieval.goldiclip.pooling import TextConditionedPool

IMAGES, D = 8, 16
Tensors = dict[str, torch.Tensor]


def vectors(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def unit(rows: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.normalize(rows, dim=-1)


def inputs(ours: slice) -> Tensors:
    """The share of some images, of which images, texts, patches and local crops are differentiated."""
    everything = {
        "images": vectors(IMAGES, 2, D, seed=0),
        "texts": vectors(IMAGES, 3, D, seed=1),
        "patches": vectors(IMAGES, 5, D, seed=2),
        "local": vectors(IMAGES, 2, 3, D, seed=3),
    }
    shares = {name: tensor[ours].clone().requires_grad_() for name, tensor in everything.items()}
    draws = torch.from_numpy(drawn_bytes(IMAGES, 0, 0, range(IMAGES)))[ours]
    return {**shares, "taught": vectors(IMAGES, 5, D, seed=4)[ours], "draws": draws}


def pooling() -> TextConditionedPool:
    torch.manual_seed(0)
    return TextConditionedPool(D, 4)


def head() -> DistillationHead:
    torch.manual_seed(1)
    return DistillationHead(D, 24).requires_grad_(False)


def targets(count: int, first: int) -> TokenTargets:
    """One token for each image."""
    rows = torch.arange(count)
    return TokenTargets.of(rows + first, rows, torch.arange(count + 1), torch.ones(D))


LOSSES: dict[str, Callable[[Tensors, TextConditionedPool, torch.Tensor, int], torch.Tensor]] = {
    "softmax": lambda x, pool, s, i: softmax_contrastive(unit(x["images"]), unit(x["texts"]), s, i),
    "sigmoid": lambda x, pool, s, i: sigmoid_contrastive(unit(x["images"][:, 0]), gathered(x["texts"]), s, -s, i),
    "conditioned": lambda x, pool, s, i: conditioned_sigmoid(
        pool, x["patches"], x["texts"], gathered(x["texts"]), x["draws"], s, -s, i
    ),
    "info_nce": lambda x, pool, s, i: info_nce(x["local"][:, :, 0], all_rows(x["taught"][:, 0]), s, i),
    "floor": lambda x, pool, s, i: s - info_nce_floor(x["taught"][:, 0], all_rows(x["taught"][:, 0]), s, i),
    "same_caption": lambda x, pool, s, i: same_caption_contrast(
        x["local"], x["texts"].detach(), pool.requires_grad_(False), x["taught"], s, i
    ),
    "same_caption_through_a_head": lambda x, pool, s, i: same_caption_contrast(
        x["local"], x["texts"].detach(), pool.requires_grad_(False), x["taught"], s, i, head(), less_floor=True
    ),
    "token_classes": lambda x, pool, s, i: token_class_loss(
        lambda patches: (s * patches).logsumexp(1), x["patches"], targets(len(x["patches"]), i), D, (s,)
    ),
    "grouping": lambda x, pool, s, i: grouping_contrast(x["patches"], unit(x["texts"]), s, i),
}


def computed(rank: int, world: int) -> dict[str, list[torch.Tensor]]:
    """Return what a rank finds: losses and gradients, averaged over ranks where they are shared."""
    share = IMAGES // world
    ours, found = slice(rank * share, (rank + 1) * share), {}
    assert first_row(share) == ours.start
    for name, loss in LOSSES.items():
        x, pool, scale = inputs(ours), pooling(), torch.tensor(9.0, requires_grad=True)
        value = loss(x, pool, scale, ours.start)
        (value / world).backward()
        shared = [value.detach() / world, *(w.grad for w in (scale, *pool.parameters()) if w.grad is not None)]
        for tensor in shared:
            _add_up(tensor)
        own = [tensor.grad for tensor in x.values() if tensor.grad is not None]
        found[name] = [*shared, *(all_rows(gradient) for gradient in own)]
    state = DinoLoss(4)
    dino(state, torch.nn.Identity(), inputs(ours)["images"][..., :4], inputs(ours)["taught"][:, :1, :4])
    exchange(rank, world)
    return {**found, "centre": [state.centre]}


def exchange(rank: int, world: int) -> None:
    rows = [vectors(6 // world if world < 4 else 2, 3, seed=each).bfloat16() for each in range(world)]
    pieces = list(pieces_of_all(rows[rank], 1 + world // 4))
    assert torch.equal(torch.cat(pieces), torch.cat(rows)) and max(map(len, pieces)) == 1 + world // 4
    assert torch.equal(all_rows(rows[rank]), torch.cat(rows))
    summands = [vectors(4, 3, seed=each) for each in range(world)]
    ours = slice(first_row(4 // world), first_row(4 // world) + 4 // world)
    torch.testing.assert_close(summed_share(summands[rank]), torch.stack(summands).sum(0)[ours])


def _add_up(tensor: torch.Tensor) -> None:
    if torch.distributed.is_initialized():
        torch.distributed.all_reduce(tensor)


def worker(rank: int, world: int, folder: str) -> None:
    torch.set_num_threads(1)
    blocks.BLOCK_BYTES = 4000  # a few rows
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=world)
    torch.save(computed(rank, world), f"{folder}/{rank}.pt")
    torch.distributed.destroy_process_group()


@pytest.mark.parametrize("world", [pytest.param(2, marks=pytest.mark.slow), 4])
def test_ranks_equal_one(world: int, tmp_path: Path) -> None:
    torch.multiprocessing.spawn(worker, (world, str(tmp_path)), nprocs=world)
    alone = computed(0, 1)
    for rank in range(world):
        found = torch.load(tmp_path / f"{rank}.pt")
        assert found.keys() == alone.keys()
        for name, expected in alone.items():
            for mine, single in zip(found[name], expected, strict=True):
                torch.testing.assert_close(mine, single, atol=2e-6, rtol=2e-5, msg=name)
