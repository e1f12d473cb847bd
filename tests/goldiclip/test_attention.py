"""Our attention against torch's ``nn.MultiheadAttention`` and open_clip's blocks, whose weights it uses."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from open_clip.transformer import Transformer
from torch import nn

from goldieval.goldiclip.attention import attention, self_attention
from goldieval.goldiclip.blocks import run, run_for_one
from goldieval.goldiclip.decoder import CrossAttention, Memory

WIDTH, HEADS, LENGTH = 24, 3, 9


def rows(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def no_future(length: int) -> torch.Tensor:
    """torch's mask: True where a token may not look."""
    return torch.ones(length, length, dtype=torch.bool).triu(1)


@pytest.fixture
def weights() -> nn.MultiheadAttention:
    """None of whose weights is zero."""
    torch.manual_seed(0)
    weights = nn.MultiheadAttention(WIDTH, HEADS, batch_first=True)
    for parameter in weights.parameters():
        nn.init.normal_(parameter, std=0.3)
    return weights


@pytest.mark.parametrize("causal", [False, True])
def test_self_attention_is_torchs(weights: nn.MultiheadAttention, causal: bool) -> None:
    """Result and gradient of every weight."""
    hidden, mask = rows(4, LENGTH, WIDTH), no_future(LENGTH) if causal else None
    theirs, _ = weights(hidden, hidden, hidden, attn_mask=mask, need_weights=False)
    theirs.square().mean().backward()
    expected = {name: parameter.grad for name, parameter in weights.named_parameters()}
    weights.zero_grad()
    ours = self_attention(weights, hidden, causal)
    ours.square().mean().backward()
    torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=1e-6)
    for name, parameter in weights.named_parameters():
        torch.testing.assert_close(parameter.grad, expected[name], atol=1e-6, rtol=1e-4, msg=name)


@pytest.mark.parametrize("causal", [False, True])
def test_blocks_are_open_clips(causal: bool) -> None:
    torch.manual_seed(0)
    transformer, hidden = Transformer(WIDTH, 2, HEADS), rows(4, LENGTH, WIDTH)
    mask = torch.zeros(LENGTH, LENGTH).masked_fill(no_future(LENGTH), -torch.inf) if causal else None
    theirs = transformer(hidden, attn_mask=mask)
    torch.testing.assert_close(run(transformer.resblocks, hidden, causal), theirs, atol=1e-6, rtol=1e-6)


def test_cross_attention_of_several_questions_is_torchs_of_each() -> None:
    """Two images, three questions each; a question sees its own tokens but for padding, and its image's patches."""
    torch.manual_seed(0)
    images, questions, others, patches, length = 2, 3, 4, 5, 2
    cross = CrossAttention(WIDTH, HEADS)
    own, seen, hidden = rows(6, others, WIDTH), rows(images, patches, WIDTH, seed=1), rows(6, length, WIDTH, seed=2)
    real = torch.arange(others) < torch.tensor([4, 1, 2, 3, 4, 2])[:, None]
    allowed = torch.zeros(images, questions, length, questions, others, dtype=torch.bool)
    for question in range(questions):
        allowed[:, question, :, question] = real.view(images, questions, 1, others)[:, question]
    mask = F.pad(allowed.flatten(3).flatten(1, 2), (0, patches), value=True)[:, None]
    ours = cross(hidden, Memory(own, seen, mask))
    memory = cross.ln_memory(torch.cat([own, seen.repeat_interleave(questions, dim=0)], dim=1))
    padding = F.pad(~real, (0, patches), value=False)
    theirs, _ = cross.attention(cross.ln(hidden), memory, memory, key_padding_mask=padding, need_weights=False)
    torch.testing.assert_close(ours, hidden + theirs, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_halves_attend_in_float32_on_a_cpu(dtype: torch.dtype) -> None:
    """As near to exact as the type of the result allows, and of that type; also where autocast is on."""
    parts = [rows(2, HEADS, LENGTH, 8, seed=seed).to(dtype) for seed in range(3)]
    exact = F.scaled_dot_product_attention(*(part.double() for part in parts))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        ours = attention(*parts)
    assert ours.dtype == dtype
    assert torch.equal(ours, exact.to(dtype)) or float((ours - exact.to(dtype)).abs().max()) <= torch.finfo(dtype).eps
    rounded = F.softmax(parts[0] @ parts[1].transpose(-1, -2) * 8**-0.5, dim=-1) @ parts[2]
    assert float((rounded - exact).abs().mean()) > float((ours - exact).abs().mean())


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("layers", [1, 3])
def test_blocks_for_one_token_give_that_token_and_the_same_gradients(layers: int, causal: bool) -> None:
    """The others of the last block are not computed; what is behind a causal token does not reach it."""
    torch.manual_seed(0)
    blocks, places = Transformer(WIDTH, layers, HEADS).resblocks, torch.tensor([0, LENGTH - 1, 4, 4])
    found = []
    for apply in (
        lambda hidden: run(blocks, hidden, causal)[torch.arange(4), places],
        lambda hidden: run_for_one(blocks, hidden, places, causal),
    ):
        blocks.zero_grad()
        hidden = rows(4, LENGTH, WIDTH).requires_grad_()
        tokens = apply(hidden)
        tokens.square().sum().backward()
        found.append([tokens, hidden.grad, *(parameter.grad for parameter in blocks.parameters())])
    for ours, whole in zip(found[1], found[0], strict=True):
        torch.testing.assert_close(ours, whole, atol=1e-5, rtol=1e-5)
