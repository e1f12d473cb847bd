"""Exact text-conditioned scoring by tiles, against the plain formula with torch's MultiheadAttention."""

from __future__ import annotations

from unittest import mock

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from pools import made, multihead, pool_of, tiles

from goldieval.goldiclip.pooling import TextConditionedPool
from goldieval.metrics.accuracy import true_class_ranks
from goldieval.metrics.ranks import TIE, Ranks
from goldieval.scoring.blocks import PatchBlocks
from goldieval.scoring.conditioned import conditioned_matrix
from goldieval.scoring.conditioned_ranks import conditioned_classes, conditioned_ranks
from goldieval.scoring.listed import conditioned_pairs
from goldieval.scoring.similarities import ConditionedSimilarity


def plain(pool: TextConditionedPool, texts: torch.Tensor, patches: torch.Tensor) -> torch.Tensor:
    """One image at a time, all texts as queries, as FLAIR's released code does it: (images, texts)."""
    attention = multihead(pool)
    rows = []
    for image in patches:
        pooled, _ = attention(pool.ln_q(texts)[None], pool.ln_k(image)[None], pool.ln_v(image)[None])
        rows.append((F.normalize(pooled[0], dim=-1) * F.normalize(texts, dim=-1)).sum(-1))
    return torch.stack(rows)


@pytest.mark.parametrize(("dim", "heads"), [(32, 4), (6, 1), (30, 5), (3, 3)])
@pytest.mark.parametrize(("images", "texts"), [(1, 1), (19, 263), (8, 256)])
def test_matrix_equals_the_plain_formula(images: int, texts: int, dim: int, heads: int) -> None:
    """Also for sizes that do not divide the tiles, and widths that do not divide the triangle's blocks."""
    pool, (vectors, patches) = pool_of(dim, heads), made(images, texts, dim)
    ours = conditioned_matrix(pool, vectors, patches)
    assert ours.shape == (images, texts)
    torch.testing.assert_close(ours, plain(pool, vectors, patches), atol=1e-5, rtol=0)


def test_tiles_do_not_change_scores() -> None:
    pool, (texts, patches) = pool_of(32, 4), made(7, 11, 32)
    whole = conditioned_matrix(pool, texts, patches)
    with tiles(3, 4):
        torch.testing.assert_close(conditioned_matrix(pool, texts, patches), whole, atol=1e-6, rtol=0)


@pytest.mark.parametrize("size", [(3, 4), (1, 1), (8, 256)])
def test_pairs_are_the_cells_of_the_matrix(size: tuple[int, int]) -> None:
    """For images with no, one and many texts, in any order, with a repeated pair."""
    pool, (texts, patches) = pool_of(32, 4), made(7, 11, 32)
    pairs = torch.tensor([[10, 2], [0, 5], [3, 2], [3, 6], [10, 2], *([text, 4] for text in range(11))])
    pairs = pairs[torch.randperm(len(pairs), generator=torch.Generator().manual_seed(0))]
    with tiles(*size):
        scores = conditioned_pairs(pool, texts, PatchBlocks.of(patches), pairs)
    expected = plain(pool, texts, patches)[pairs[:, 1], pairs[:, 0]]
    torch.testing.assert_close(scores, expected, atol=1e-6, rtol=0)


def test_images_are_projected_once_per_block_of_texts() -> None:
    pool, (texts, patches) = pool_of(32, 4), made(7, 23, 32)
    pairs, projected, real = torch.cartesian_prod(torch.arange(23), torch.arange(7)), [], pool.keys_values
    with mock.patch.object(pool, "keys_values", side_effect=lambda x: projected.append(len(x)) or real(x)):
        with tiles(3, 4, projected=200):
            conditioned_pairs(pool, texts, PatchBlocks.of(patches), pairs)
            assert sorted(projected) == [1, 3, 3]  # threads finish in any order
            conditioned_ranks(pool, texts, PatchBlocks.of(patches), pairs)
            assert sorted(projected) == sorted([3, 3, 1] * 3)
        projected.clear()
        with tiles(3, 4, projected=12):
            conditioned_ranks(pool, texts, PatchBlocks.of(patches), torch.tensor([[0, 6], [22, 6]]))
        assert sorted(projected) == sorted([1] + [3, 3, 1] * 2)


def test_texts_are_projected_once_for_tiles_and_only_if_requested_for_pairs() -> None:
    pool, (texts, patches) = pool_of(32, 4), made(7, 23, 32)
    projected, real = [], pool.queries
    with (
        mock.patch.object(pool, "queries", side_effect=lambda x: projected.append(len(x)) or real(x)),
        tiles(3, 4, projected=10),
    ):
        conditioned_ranks(pool, texts, PatchBlocks.of(patches), torch.tensor([[5, 6], [5, 2], [22, 0]]))
    assert projected == [2, 10, 10, 3]


def check(ranks: Ranks, scores: torch.Tensor, relevant: torch.Tensor) -> None:
    """Brute force; scores and relevant are (queries, gallery)."""
    assert ranks.gallery == scores.shape[1]
    for query in range(len(scores)):
        best = scores[query][relevant[query]].max()
        foreign = scores[query][~relevant[query]]
        assert ranks.above[query] == int((foreign > best + TIE).sum())
        assert ranks.tied[query] == int(((foreign - best).abs() <= TIE).sum())
        assert ranks.positives[query] == int(relevant[query].sum())


@pytest.mark.parametrize("size", [(3, 4), (8, 256), (1, 1)])
def test_ranks_equal_brute_force_with_several_positives(size: tuple[int, int]) -> None:
    pool, (texts, patches) = pool_of(32, 4), made(11, 23, 32)
    relevant = torch.rand(23, 11, generator=torch.Generator().manual_seed(3)) < 0.2
    relevant[torch.arange(23), torch.arange(23) % 11] = True
    assert int(relevant.sum(1).max()) > 1 and int(relevant.sum(0).max()) > 1
    shuffled = relevant.nonzero()[torch.randperm(int(relevant.sum()), generator=torch.Generator().manual_seed(4))]
    with tiles(*size):
        to_image, to_text = conditioned_ranks(pool, texts, PatchBlocks.of(patches), shuffled)
    scores = plain(pool, texts, patches)
    check(to_image, scores.T, relevant)
    check(to_text, scores, relevant.T)
    assert len(set(to_image.above.tolist())) > 3  # the ranks are not all alike


def test_the_same_picture_twice_is_a_tie() -> None:
    """The scores of the positive and its duplicate come from different kernels, but must count as equal."""
    pool, (texts, patches) = pool_of(64, 4), made(20, 20, 64)
    twins = torch.cat([patches, patches])
    to_image, _ = conditioned_ranks(pool, texts, PatchBlocks.of(twins), torch.arange(20)[:, None].expand(-1, 2))
    assert to_image.tied.tolist() == [1] * 20


@pytest.mark.parametrize("size", [(3, 4), (8, 256)])
def test_classes_equal_argmax(size: tuple[int, int]) -> None:
    pool, (classes, patches) = pool_of(32, 4), made(13, 9, 32)
    labels = torch.arange(13) % 9
    with tiles(*size):
        counts = conditioned_classes(pool, classes, PatchBlocks.of(patches), labels)
        ranks, predictions, places = counts.ranks(len(classes))
    scores = plain(pool, classes, patches)
    assert predictions.tolist() == scores.argmax(1).tolist()
    expected, _, _ = true_class_ranks(scores, labels)
    assert ranks.low.tolist() == expected.low.tolist()
    assert np.array_equal(ranks.low == 1, predictions == labels.numpy())
    assert np.array_equal(places, (scores > scores.gather(1, labels[:, None])).sum(1).numpy())
    assert len(set(predictions.tolist())) > 1


def test_length_of_texts_does_not_change_scores() -> None:
    pool, (texts, patches) = pool_of(32, 4), made(4, 6, 32)
    long = 20 * F.normalize(texts, dim=-1)
    torch.testing.assert_close(
        conditioned_matrix(pool, long, patches), conditioned_matrix(pool, 7 * long, patches), atol=1e-5, rtol=0
    )


def test_classes_are_queried_by_the_mean_of_their_unit_prompts() -> None:
    """At the mean length of this model's texts, whatever the order of the prompts."""
    pool, (texts, patches) = pool_of(32, 4), made(6, 8, 32)
    prompts, labels = torch.tensor([[0, 1], [2, 3], [4, 5], [6, 7]]), torch.tensor([0, 1, 2, 3, 0, 1])
    ranks, predictions, _ = ConditionedSimilarity(pool, PatchBlocks.of(patches), texts).classes(prompts, labels)
    swapped, _, _ = ConditionedSimilarity(pool, PatchBlocks.of(patches), texts).classes(prompts.flip(1), labels)
    units = F.normalize(texts, dim=-1)[prompts].mean(1)
    vectors = texts.norm(dim=-1).mean() * F.normalize(units, dim=-1)
    scores = plain(pool, vectors, patches)
    assert predictions.tolist() == scores.argmax(1).tolist()
    assert ranks.low.tolist() == true_class_ranks(scores, labels)[0].low.tolist() == swapped.low.tolist()


def test_retrieval_through_the_interface() -> None:
    pool, (texts, patches) = pool_of(32, 4), made(5, 10, 32)
    positives = torch.stack([torch.arange(10), torch.arange(10) // 2], dim=1)
    to_image, to_text = ConditionedSimilarity(pool, PatchBlocks.of(patches), texts).retrieval(positives)
    relevant = torch.zeros(10, 5, dtype=torch.bool)
    relevant[positives[:, 0], positives[:, 1]] = True
    scores = plain(pool, texts, patches)
    check(to_image, scores.T, relevant)
    check(to_text, scores, relevant.T)
