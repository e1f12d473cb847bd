"""Contrastive losses against closed forms, plain loops and open_clip."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from dense_losses import columns_of
from objective_cases import (
    BIAS,
    DIM,
    SCALE,
    B,
    K,
    units,
    value,
    vectors,
)
from open_clip.loss import ClipLoss, SigLipLoss

from goldieval.goldiclip.data.draws import drawn_bytes
from goldieval.goldiclip.objectives.conditioned import conditioned_sigmoid, foreign_captions
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
    torch.testing.assert_close(softmax_contrastive(images[:, None], texts, SCALE), theirs)


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


def draws(images: int = B, step: int = 0) -> torch.Tensor:
    return torch.from_numpy(drawn_bytes(images, 0, step, range(images)))


@pytest.mark.parametrize(("images", "captions"), [(1, 1), (1, 4), (5, 1), (6, 4)])
def test_columns_are_ones_own_and_one_of_each_other_image(images: int, captions: int) -> None:
    columns = columns_of(draws(images), images, captions)
    assert columns.shape == (images, images + captions - 1)
    for row, line in enumerate(columns.tolist()):
        assert line == sorted(line)
        assert line[row : row + captions] == list(range(row * captions, (row + 1) * captions))
        owners = [column // captions for column in line]
        assert sorted(owners) == sorted([row] * captions + [other for other in range(images) if other != row])


def test_foreign_captions_are_drawn_anew_and_all_of_them() -> None:
    chosen = [foreign_captions(draws(40, step), 4, 0, 40) for step in (0, 0, 1)]
    assert torch.equal(chosen[0], chosen[1]) and not torch.equal(chosen[0], chosen[2])
    assert all(set(row) == {0, 1, 2, 3} for row in chosen[0].tolist())


def test_some_columns_are_a_part_of_all() -> None:
    everyone = foreign_captions(draws(40), 7, 0, 40)
    assert torch.equal(foreign_captions(draws(40), 7, 11, 29), everyone[:, 11:29])


@pytest.mark.parametrize("captions", [1, 3, 10, 77, 100])
def test_each_caption_has_the_same_chance(captions: int) -> None:
    """To 0.1 %: all bytes by all rotations, each as often. The word is the machine's, so its low byte comes first."""
    rows = torch.zeros(captions, 256 + 8, dtype=torch.uint8)
    rows[:, :256] = torch.arange(256, dtype=torch.uint8)
    rows[:, 256] = torch.arange(captions, dtype=torch.uint8)
    counts = foreign_captions(rows, captions, 0, 256).flatten().bincount(minlength=captions)
    assert counts.tolist() == [256] * captions


def test_zero_features_give_the_closed_form(pool: TextConditionedPool) -> None:
    plus, minus = F.softplus(-BIAS), F.softplus(BIAS)
    sigmoid = sigmoid_contrastive(torch.zeros(B, DIM), torch.zeros(B, K, DIM), SCALE, BIAS)
    torch.testing.assert_close(sigmoid, plus + (B - 1) * minus)
    texts = torch.zeros(B, K, DIM)
    conditioned = conditioned_sigmoid(pool, vectors(B, 5, DIM), texts, texts, draws(), SCALE, BIAS)
    torch.testing.assert_close(conditioned, B * (K * plus + (B - 1) * minus) / (B + K - 1))


def test_foreign_pairs_alone_have_no_positive() -> None:
    """What another process's rows would be: none of the captions is ours."""
    sigmoid = sigmoid_contrastive(torch.zeros(B, DIM), torch.zeros(B, K, DIM), SCALE, BIAS, first=B)
    torch.testing.assert_close(sigmoid, B * F.softplus(BIAS))


@pytest.mark.parametrize("loss", CONTRASTS)
def test_order_of_images_does_not_matter(loss: str, pool: TextConditionedPool) -> None:
    images, patches, texts = units(B, DIM), vectors(B, 5, DIM), units(B, K, DIM, seed=1)
    order, one_each = torch.tensor([2, 0, 3, 1]), torch.zeros(B, 16, dtype=torch.uint8)  # the first caption of each
    by_name: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
        "softmax": lambda o: softmax_contrastive(images[o][:, None], texts[o], SCALE),
        "sigmoid": lambda o: sigmoid_contrastive(images[o], texts[o], SCALE, BIAS),
        "conditioned": lambda o: conditioned_sigmoid(pool, patches[o], texts[o], texts[o], one_each, SCALE, BIAS),
    }
    torch.testing.assert_close(by_name[loss](order), by_name[loss](torch.arange(B)))
    only_texts = {"softmax": softmax_contrastive(images[:, None], texts[order], SCALE)}
    only_texts["sigmoid"] = sigmoid_contrastive(images, texts[order], SCALE, BIAS)
    foreign = texts[order]
    only_texts["conditioned"] = conditioned_sigmoid(pool, patches, foreign, foreign, one_each, SCALE, BIAS)
    assert abs(value(only_texts[loss]) - value(by_name[loss](torch.arange(B)))) > 1e-3


def test_a_negative_is_conditioned_on_the_caption_it_is_compared_with(pool: TextConditionedPool) -> None:
    patches, texts = vectors(B, 5, DIM), vectors(B, K, DIM, seed=1)
    columns = columns_of(draws(), B, K)
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

    ours = conditioned_sigmoid(pool, patches, texts, texts, draws(), SCALE, BIAS)
    torch.testing.assert_close(ours, plain(lambda i, c: c), atol=1e-5, rtol=1e-5)
    assert abs(value(ours) - value(plain(lambda i, c: i * K))) > 1e-3  # conditioned on one's own caption
