"""Text-conditioned pooling, against torch's own MultiheadAttention; the image tower that feeds it."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from pools import multihead
from torch import nn

from goldieval.goldiclip.config import ModelConfig
from goldieval.goldiclip.pooling import TextConditionedPool
from goldieval.goldiclip.towers import VisionTower

DIM, HEADS, IMAGES, PATCHES, TEXTS = 32, 4, 3, 7, 5


@pytest.fixture
def pool() -> TextConditionedPool:
    """A pooling none of whose weights is zero or one."""
    torch.manual_seed(0)
    pool = TextConditionedPool(DIM, HEADS)
    for weights in pool.parameters():
        nn.init.normal_(weights, std=0.3) if weights.ndim > 1 else nn.init.uniform_(weights, 0.2, 1.5)
    return pool


@pytest.fixture
def texts() -> torch.Tensor:
    return 3 * torch.randn(IMAGES, TEXTS, DIM, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def patches() -> torch.Tensor:
    return torch.randn(IMAGES, PATCHES, DIM, generator=torch.Generator().manual_seed(2))


def test_pairwise_batched_tiled_and_torch_agree(
    pool: TextConditionedPool, texts: torch.Tensor, patches: torch.Tensor
) -> None:
    batched = pool(texts, patches)
    pairwise = torch.stack(
        [torch.cat([pool(texts[i : i + 1, j : j + 1], patches[i : i + 1])[0] for j in range(TEXTS)]) for i in range(3)]
    )
    queries, memory = pool.queries(texts), pool.keys_values(patches)
    tiled = torch.cat([pool.attend(queries[:, :2], memory), pool.attend(queries[:, 2:], memory)], dim=1)
    theirs, weights = multihead(pool)(
        pool.ln_q(texts), pool.ln_k(patches), pool.ln_v(patches), average_attn_weights=False
    )
    assert batched.shape == texts.shape
    for other in (pairwise, tiled, theirs):
        torch.testing.assert_close(other, batched, atol=1e-5, rtol=0)
    torch.testing.assert_close(pool.attention(texts, patches), weights, atol=1e-5, rtol=0)


def test_pooled_feature_is_what_the_attention_weights_say(
    pool: TextConditionedPool, texts: torch.Tensor, patches: torch.Tensor
) -> None:
    weights = pool.attention(texts, patches)
    mixed = weights[..., :-1] @ pool.keys_values(patches).values
    torch.testing.assert_close(pool.out(mixed.transpose(1, 2).flatten(2)), pool(texts, patches), atol=1e-5, rtol=0)


def test_attention_has_a_null_slot_and_sums_to_one(
    pool: TextConditionedPool, texts: torch.Tensor, patches: torch.Tensor
) -> None:
    weights = pool.attention(texts, patches).detach()
    assert weights.shape == (IMAGES, HEADS, TEXTS, PATCHES + 1)
    torch.testing.assert_close(weights.sum(-1), torch.ones(IMAGES, HEADS, TEXTS))
    assert 0 < float(weights[..., -1].min()) < float(weights[..., -1].max()) < 1


def test_text_that_repels_every_patch_attends_to_nothing(
    pool: TextConditionedPool, texts: torch.Tensor, patches: torch.Tensor
) -> None:
    with torch.no_grad():
        pool.query.weight.zero_()
        pool.key.weight.zero_()
        pool.query.bias.fill_(-100)
        pool.key.bias.fill_(100)
    assert torch.equal(pool.attention(texts, patches)[..., -1], torch.ones(IMAGES, HEADS, TEXTS))
    assert torch.equal(pool(texts, patches), pool.out.bias.expand(IMAGES, TEXTS, -1))


def test_order_of_patches_does_not_matter(
    pool: TextConditionedPool, texts: torch.Tensor, patches: torch.Tensor
) -> None:
    order = torch.tensor([3, 0, 6, 1, 5, 2, 4])
    torch.testing.assert_close(pool(texts, patches[:, order]), pool(texts, patches), atol=1e-5, rtol=0)
    columns = pool.attention(texts, patches)[..., [*order.tolist(), PATCHES]]
    torch.testing.assert_close(pool.attention(texts, patches[:, order]), columns, atol=1e-5, rtol=0)


@pytest.mark.parametrize(("norm", "tolerance"), [(10.0, 1e-5), (1.0, 3e-3)])
def test_length_of_a_query_does_not_matter(
    pool: TextConditionedPool, patches: torch.Tensor, texts: torch.Tensor, norm: float, tolerance: float
) -> None:
    query = norm * F.normalize(texts, dim=-1)
    pool.requires_grad_(False)
    before, after = pool(query, patches), pool(1000 * query, patches)
    assert float((after - before).abs().max()) < tolerance * max(1.0, float(before.abs().max()))
    assert float((pool(-query, patches) - before).abs().max()) > 0.1  # its direction does


def test_no_text_leaks_into_the_pooled_feature(
    pool: TextConditionedPool, texts: torch.Tensor, patches: torch.Tensor
) -> None:
    with torch.no_grad():
        pool.value.weight.zero_()
        pool.value.bias.zero_()
    assert torch.equal(pool(texts, patches), pool.out.bias.expand(IMAGES, TEXTS, -1))


def test_gradient_reaches_texts_patches_and_every_weight(
    pool: TextConditionedPool, texts: torch.Tensor, patches: torch.Tensor
) -> None:
    texts.requires_grad_()
    patches.requires_grad_()
    pool(texts, patches).square().sum().backward()
    for tensor in (texts, patches, *pool.parameters()):
        assert tensor.grad is not None and float(tensor.grad.abs().max()) > 0


def test_both_text_and_image_count(pool: TextConditionedPool, texts: torch.Tensor, patches: torch.Tensor) -> None:
    pool.requires_grad_(False)
    same_text = pool(texts[:1].expand(IMAGES, -1, -1), patches)
    assert float((same_text[0] - same_text[1]).abs().amax(-1).min()) > 0.01
    pooled = pool(texts, patches)
    assert float((pooled[:, 0] - pooled[:, 1]).abs().amax(-1).min()) > 0.01


CONFIG = ModelConfig(image_size=32, patch_size=8, vision_width=32, vision_layers=2, vision_heads=2)


def test_crops_of_any_size_have_their_own_patches() -> None:
    """A crop has its own grid; positions are untouched at the model's size; a batch of crops equals each alone."""
    torch.manual_seed(0)
    tower = VisionTower(CONFIG)
    assert tower._positions(4, 4) is tower.positions
    pictures, small = torch.randn(2, 3, 32, 32), torch.randn(4, 3, 16, 16)
    start, patches = tower(pictures)
    assert start.shape == (2, 32) and patches.shape == (2, 16, 32)
    _, few = tower(small)
    assert few.shape == (4, 4, 32)
    alone = torch.cat([tower(crop[None])[1] for crop in small])
    torch.testing.assert_close(alone, few, atol=1e-5, rtol=0)


def test_final_norm_is_applied_to_all_tokens() -> None:
    torch.manual_seed(0)
    tower = VisionTower(CONFIG)
    start, patches = tower(torch.randn(2, 3, 32, 32))
    tokens = torch.cat([start[:, None], patches], dim=1)
    assert float(tokens.mean(-1).abs().max()) < 1e-4
    torch.testing.assert_close(tokens.var(-1, unbiased=False), torch.ones(2, 17), atol=1e-2, rtol=0)
