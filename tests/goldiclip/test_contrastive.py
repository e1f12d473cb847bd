"""Contrastive losses against closed forms, plain loops and open_clip."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from objective_cases import (
    BIAS,
    DIM,
    SCALE,
    B,
    K,
    seeded,
    units,
    value,
    vectors,
)
from open_clip.loss import ClipLoss, SigLipLoss

from goldieval.goldiclip.objectives.conditioned import conditioned_sigmoid, sampled_columns
from goldieval.goldiclip.objectives.contrastive import sigmoid_contrastive, softmax_contrastive
from goldieval.goldiclip.pooling import TextConditionedPool

CONTRASTS = ("softmax", "sigmoid", "conditioned")


@pytest.fixture
def pool() -> TextConditionedPool:
    torch.manual_seed(0)
    return TextConditionedPool(DIM, 4)


def test_softmax_is_open_clips_for_each_caption() -> None:
    images, texts = units(B, DIM), units(B, K, DIM, seed=1)
    theirs = torch.stack([ClipLoss()(images, texts[:, caption], SCALE) for caption in range(K)]).mean()
    torch.testing.assert_close(softmax_contrastive(images, texts, images, texts, SCALE), theirs)


def test_sigmoid_is_siglip_for_one_caption_and_a_plain_sum_for_several() -> None:
    images, texts = units(B, DIM), units(B, K, DIM, seed=1)
    one = sigmoid_contrastive(images, texts[:, :1], SCALE, BIAS)
    torch.testing.assert_close(one, SigLipLoss()(images, texts[:, 0], SCALE, BIAS))
    terms = [
        -F.logsigmoid((1 if i == j else -1) * (SCALE * images[i] @ texts[j, k] + BIAS))
        for i in range(B)
        for j in range(B)
        for k in range(K)
    ]
    torch.testing.assert_close(sigmoid_contrastive(images, texts, SCALE, BIAS), torch.stack(terms).sum() / (B * K))


@pytest.mark.parametrize(("images", "captions"), [(1, 1), (1, 4), (5, 1), (6, 4)])
def test_columns_are_ones_own_and_one_of_each_other_image(images: int, captions: int) -> None:
    columns = sampled_columns(images, captions, seeded())
    assert columns.shape == (images, images + captions - 1)
    for row, line in enumerate(columns.tolist()):
        assert line == sorted(line)
        assert line[row : row + captions] == list(range(row * captions, (row + 1) * captions))
        owners = [column // captions for column in line]
        assert sorted(owners) == sorted([row] * captions + [other for other in range(images) if other != row])


def test_foreign_captions_are_drawn_anew_and_all_of_them() -> None:
    assert torch.equal(sampled_columns(8, 4, seeded()), sampled_columns(8, 4, seeded()))
    assert not torch.equal(sampled_columns(8, 4, seeded()), sampled_columns(8, 4, seeded(1)))
    assert set(sampled_columns(40, 4, seeded())[0, 4:].remainder(4).tolist()) == {0, 1, 2, 3}


def test_a_share_of_the_images_has_its_rows_of_all_columns() -> None:
    everyone = sampled_columns(8, 3, seeded())
    shares = [sampled_columns(8, 3, seeded(), range(first, first + 4)) for first in (0, 4)]
    assert torch.equal(torch.cat(shares), everyone)


def test_zero_features_give_the_closed_form(pool: TextConditionedPool) -> None:
    plus, minus = F.softplus(-BIAS), F.softplus(BIAS)
    sigmoid = sigmoid_contrastive(torch.zeros(B, DIM), torch.zeros(B, K, DIM), SCALE, BIAS)
    torch.testing.assert_close(sigmoid, plus + (B - 1) * minus)
    columns = sampled_columns(B, K, seeded())
    conditioned = conditioned_sigmoid(pool, vectors(B, 5, DIM), torch.zeros(B, K, DIM), columns, SCALE, BIAS)
    torch.testing.assert_close(conditioned, B * (K * plus + (B - 1) * minus) / (B + K - 1))


def test_foreign_pairs_alone_have_no_positive(pool: TextConditionedPool) -> None:
    """What another process's rows would be: none of the captions is ours."""
    texts, columns = torch.zeros(B, K, DIM), sampled_columns(B, K, seeded())
    sigmoid = sigmoid_contrastive(torch.zeros(B, DIM), texts, SCALE, BIAS, first=B)
    torch.testing.assert_close(sigmoid, B * F.softplus(BIAS))
    conditioned = conditioned_sigmoid(pool, vectors(B, 5, DIM), texts, columns, SCALE, BIAS, first=B)
    torch.testing.assert_close(conditioned, B * F.softplus(BIAS))


def every_column(images: int, captions: int) -> torch.Tensor:
    return torch.arange(images * captions).expand(images, -1)


@pytest.mark.parametrize("loss", CONTRASTS)
def test_order_of_images_does_not_matter(loss: str, pool: TextConditionedPool) -> None:
    images, patches, texts = units(B, DIM), vectors(B, 5, DIM), units(B, K, DIM, seed=1)
    order = torch.tensor([2, 0, 3, 1])
    by_name: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
        "softmax": lambda o: softmax_contrastive(images[o], texts[o], images[o], texts[o], SCALE),
        "sigmoid": lambda o: sigmoid_contrastive(images[o], texts[o], SCALE, BIAS),
        "conditioned": lambda o: conditioned_sigmoid(pool, patches[o], texts[o], every_column(B, K), SCALE, BIAS),
    }
    torch.testing.assert_close(by_name[loss](order), by_name[loss](torch.arange(B)))
    only_texts = {"softmax": softmax_contrastive(images, texts[order], images, texts[order], SCALE)}
    only_texts["sigmoid"] = sigmoid_contrastive(images, texts[order], SCALE, BIAS)
    only_texts["conditioned"] = conditioned_sigmoid(pool, patches, texts[order], every_column(B, K), SCALE, BIAS)
    assert abs(value(only_texts[loss]) - value(by_name[loss](torch.arange(B)))) > 1e-3


def test_a_negative_is_conditioned_on_the_caption_it_is_compared_with(pool: TextConditionedPool) -> None:
    patches, texts, columns = vectors(B, 5, DIM), vectors(B, K, DIM, seed=1), sampled_columns(B, K, seeded())
    flat = texts.flatten(0, 1)

    def plain(condition: Callable[[int, int], int]) -> torch.Tensor:
        """Pool image i for caption ``condition(i, c)`` and compare it with caption c."""
        terms = []
        for i, line in enumerate(columns.tolist()):
            for c in line:
                pooled = pool(flat[None, condition(i, c), None], patches[None, i])[0, 0]
                sign = 1 if c // K == i else -1
                terms.append(-F.logsigmoid(sign * (SCALE * F.cosine_similarity(pooled, flat[c], dim=0) + BIAS)))
        return torch.stack(terms).sum() / (B + K - 1)

    ours = conditioned_sigmoid(pool, patches, texts, columns, SCALE, BIAS)
    torch.testing.assert_close(ours, plain(lambda i, c: c), atol=1e-5, rtol=1e-5)
    assert abs(value(ours) - value(plain(lambda i, c: i * K))) > 1e-3  # conditioned on one's own caption
