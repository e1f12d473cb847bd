"""Ranks by counting, against an oracle that writes out every order of the gallery."""

from __future__ import annotations

from functools import cache
from itertools import pairwise, permutations
from unittest import mock

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from goldieval.core.errors import TaskError
from goldieval.metrics.accuracy import true_class_ranks
from goldieval.metrics.rank_counter import RankCounter
from goldieval.metrics.ranks import TIE, Ranks
from goldieval.scoring import cosine
from goldieval.scoring.cosine import class_ranks, retrieval_ranks, unit

COLUMNS = ("above", "tied", "tied_positives", "positives")


@cache
def first_ranks(scores: tuple[float, ...], positive: tuple[bool, ...]) -> np.ndarray:
    """Rank of the first positive in every order of the gallery that sorts the scores, ties broken in all ways."""
    orders = permutations(range(len(scores)))
    sorting = [order for order in orders if all(scores[a] >= scores[b] for a, b in pairwise(order))]
    return np.array([next(place for place, item in enumerate(order, 1) if positive[item]) for order in sorting])


def check(ranks: Ranks, scores: np.ndarray, relevant: np.ndarray) -> None:
    """Compare with the oracle; scores and relevant have shape (queries, gallery)."""
    assert ranks.gallery == scores.shape[1]
    assert ranks.positives.tolist() == relevant.sum(1).tolist()
    for query in np.flatnonzero(relevant.any(1)):
        firsts = first_ranks(tuple(scores[query].tolist()), tuple(relevant[query].tolist()))
        assert (ranks.low[query], ranks.high[query]) == (firsts.min(), firsts.max())
        assert ranks.expected()[query] == pytest.approx(firsts.mean(), abs=1e-9)
        for k in range(1, ranks.gallery + 3):
            assert ranks.hits(k)[query] == pytest.approx(np.mean(firsts <= k), abs=1e-9)


def tiles(texts: int, images: int, pairs: int = 1) -> mock._patch[object]:
    """Make the tiles that small."""
    return mock.patch.multiple(cosine, TEXTS=texts, IMAGES=images, PAIRS=pairs)


def same(left: Ranks, right: Ranks) -> bool:
    return all(np.array_equal(getattr(left, name), getattr(right, name)) for name in (*COLUMNS, "gallery"))


@st.composite
def matrices(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Scores on few levels, so that most tie, and any relevance: several positives, or none, on either side."""
    texts, images = draw(st.integers(1, 5)), draw(st.integers(1, 5))
    cells = texts * images
    scores = draw(st.lists(st.integers(-2, 2), min_size=cells, max_size=cells))
    relevant = draw(st.lists(st.booleans(), min_size=cells, max_size=cells).filter(any))
    return np.reshape(scores, (texts, images)) / 2, np.reshape(relevant, (texts, images))


@given(matrices(), st.integers(1, 3), st.integers(1, 3), st.randoms())
@settings(max_examples=150, deadline=None)
def test_counting_agrees_with_every_order_of_the_ties(
    made: tuple[np.ndarray, np.ndarray], rows: int, columns: int, random: object
) -> None:
    scores, relevant = made
    matrix, pairs = torch.tensor(scores, dtype=torch.float32), torch.tensor(np.argwhere(relevant))
    random.shuffle(order := list(range(len(pairs))))  # type: ignore[attr-defined]
    pairs = pairs[order]
    counter = RankCounter(pairs, matrix[pairs[:, 0], pairs[:, 1]], *matrix.shape)
    for top in range(0, len(scores), rows):
        for left in range(0, scores.shape[1], columns):
            counter.update(matrix[top : top + rows, left : left + columns].clone(), top, left)
    t2i, i2t = counter.result()
    check(t2i, scores, relevant)
    check(i2t, scores.T, relevant.T)


CODES = unit(torch.randn(4, 12, generator=torch.Generator().manual_seed(3)), "code")


@given(
    st.lists(st.integers(0, 3), min_size=1, max_size=5),
    st.lists(st.integers(0, 3), min_size=1, max_size=5),
    st.data(),
    st.integers(1, 3),
    st.integers(1, 3),
)
@settings(max_examples=60, deadline=None)
def test_duplicated_vectors_tie_exactly_in_tiles_of_any_size(
    text_codes: list[int], image_codes: list[int], data: st.DataObject, rows: int, columns: int
) -> None:
    cells = [(text, image) for text in range(len(text_codes)) for image in range(len(image_codes))]
    pairs = data.draw(st.lists(st.sampled_from(cells), min_size=1, unique=True))
    relevant = np.zeros((len(text_codes), len(image_codes)), dtype=bool)
    relevant[tuple(np.transpose(pairs))] = True
    with tiles(rows, columns, pairs=2):
        t2i, i2t = retrieval_ranks(CODES[text_codes], CODES[image_codes], torch.tensor(pairs))
    scores = (CODES @ CODES.T).numpy().round(5)[np.ix_(text_codes, image_codes)]
    check(t2i, scores, relevant)
    check(i2t, scores.T, relevant.T)


def uneven(images: int, most: int, seed: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Vectors without ties, 0 to ``most`` captions an image: (texts, images, positives)."""
    generator = np.random.default_rng(seed)
    owner = np.repeat(np.arange(images), generator.integers(0, most + 1, images))
    vectors = torch.tensor(generator.normal(size=(len(owner) + images, 16)), dtype=torch.float32)
    positives = torch.tensor(np.stack([np.arange(len(owner)), owner], axis=1))
    return unit(vectors[: len(owner)], "text"), unit(vectors[len(owner) :], "image"), positives


def sorted_ranks(scores: np.ndarray, relevant: np.ndarray) -> np.ndarray:
    """First positive by sorting each row, for scores without ties; 0 where there is no positive."""
    ordered = np.take_along_axis(relevant, np.argsort(-scores, axis=1), axis=1)
    return np.where(relevant.any(1), ordered.argmax(1) + 1, 0)


@pytest.mark.parametrize("size", [(7, 5, 4), (1, 100, 3), (64, 64, 64)])
def test_uneven_captions_agree_with_sorting_in_tiles_that_do_not_divide(size: tuple[int, int, int]) -> None:
    texts, images, positives = uneven(37, 4, seed=1)
    relevant = np.zeros((len(texts), len(images)), dtype=bool)
    relevant[positives[:, 0], positives[:, 1]] = True
    scores = (texts.double() @ images.double().T).numpy()
    with tiles(*size):
        t2i, i2t = retrieval_ranks(texts, images, positives)
    assert t2i.low.tolist() == t2i.high.tolist() == sorted_ranks(scores, relevant).tolist()
    asked = relevant.any(0)
    assert not asked.all()
    assert i2t.low[asked].tolist() == i2t.high[asked].tolist() == sorted_ranks(scores.T, relevant.T)[asked].tolist()
    assert i2t.positives.tolist() == relevant.sum(0).tolist()


def test_neither_tiles_nor_the_order_of_pairs_nor_the_norm_change_anything() -> None:
    texts, images, positives = uneven(37, 4, seed=2)
    images[5], images[9], texts[3] = images[4], images[4], texts[2]
    whole = retrieval_ranks(texts, images, positives)
    shuffled = positives[torch.randperm(len(positives), generator=torch.Generator().manual_seed(0))]
    with tiles(5, 8, 7):
        tiled = retrieval_ranks(texts, images, shuffled)
    scaled = retrieval_ranks(unit(texts * 10, "text"), unit(images / 1000, "image"), positives)
    assert any(ranks.tied.any() for ranks in whole)
    for one, other, third in zip(whole, tiled, scaled, strict=True):
        assert same(one, other) and same(one, third)


def test_in_a_gallery_of_one_everything_is_found() -> None:
    t2i, i2t = retrieval_ranks(CODES[:3], CODES[:1], torch.tensor([[0, 0], [1, 0], [2, 0]]))
    assert t2i.hits(1).tolist() == [1, 1, 1] and t2i.chance(1) == 1 and t2i.high.tolist() == [1, 1, 1]
    assert (i2t.low.tolist(), i2t.positives.tolist(), i2t.gallery) == ([1], [3], 3)


def test_a_gallery_smaller_than_k_is_no_error() -> None:
    t2i, i2t = retrieval_ranks(CODES, CODES[[1, 2, 3, 0]], torch.tensor([[0, 0], [1, 1], [2, 2], [3, 3]]))
    for ranks in (t2i, i2t):
        assert ranks.hits(10).tolist() == [1, 1, 1, 1] and ranks.chance(10) == 1
        assert ranks.hits(1).tolist() == [0, 0, 0, 0]


def test_a_text_without_positive_leaves_the_others_alone() -> None:
    alone, _ = retrieval_ranks(CODES[:2], CODES, torch.tensor([[0, 0], [1, 1]]))
    beside, by_image = retrieval_ranks(CODES[[0, 3, 1]], CODES, torch.tensor([[0, 0], [2, 1]]))
    assert beside.positives.tolist() == [1, 0, 1] and by_image.positives.tolist() == [1, 1, 0, 0]
    assert beside.low[[0, 2]].tolist() == alone.low.tolist() == [1, 1]


NEAR = [0.5, 0.5 + 0.5 * TIE, 0.5 - 0.5 * TIE, 0.5 + 3 * TIE, 0.5 - 3 * TIE]


def test_scores_within_a_millionth_are_ties_and_no_further() -> None:
    scores = torch.tensor([NEAR])
    counter = RankCounter(torch.tensor([[0, 0]]), scores[:, 0], 1, 5)
    counter.update(scores.clone(), 0, 0)
    by_text, _ = counter.result()
    by_class, _, _ = true_class_ranks(scores, torch.tensor([0]))
    for ranks in (by_text, by_class):
        assert (ranks.above.tolist(), ranks.tied.tolist(), ranks.tied_positives.tolist()) == ([1], [2], [1])


def test_positives_within_a_millionth_of_the_best_share_its_place() -> None:
    scores = torch.tensor([NEAR])
    counter = RankCounter(torch.tensor([[0, 1], [0, 0], [0, 4]]), scores[0, [1, 0, 4]], 1, 5)
    counter.update(scores.clone(), 0, 0)
    ranks, _ = counter.result()
    assert (ranks.above.tolist(), ranks.tied.tolist(), ranks.tied_positives.tolist()) == ([1], [1], [2])


def test_chance_is_what_random_orders_give() -> None:
    generator = np.random.default_rng(0)
    positives = np.array([1, 2, 5, 0])
    nothing = np.zeros_like(positives)
    ranks = Ranks(nothing, nothing, nothing, positives, gallery=12)
    orders = generator.permuted(np.tile(np.arange(12), (40_000, 1)), axis=1)
    firsts = [np.argmax(orders < count, axis=1) + 1 for count in positives[:3]]
    for k in (1, 5, 10):
        seen = np.mean([np.mean(first <= k) for first in firsts] + [0.0])
        assert ranks.chance(k) == pytest.approx(seen, abs=0.005)
    assert ranks.chance_rank()[:3] == pytest.approx([first.mean() for first in firsts], abs=0.05)


@given(matrices(), st.integers(1, 3), st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_classes_are_ranked_as_a_gallery_with_one_positive(
    made: tuple[np.ndarray, np.ndarray], rows: int, random: object
) -> None:
    levels, _ = made
    labels = [random.randrange(levels.shape[1]) for _ in levels]  # type: ignore[attr-defined]
    scores = torch.tensor(levels, dtype=torch.float32)
    with tiles(1, rows):
        ranks, predictions, _ = class_ranks(scores, torch.eye(levels.shape[1]), torch.tensor(labels))
    check(ranks, levels, np.eye(levels.shape[1], dtype=bool)[labels])
    assert predictions.tolist() == levels.argmax(1).tolist()


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ([float("nan"), 1], "1 of 3 image .* NaN"),
        ([float("inf"), 1], "1 of 3 image .* NaN"),
        ([0, 0], "1 of 3 .* zero"),
    ],
)
def test_one_broken_vector_is_refused(row: list[float], message: str) -> None:
    with pytest.raises(TaskError, match=message):
        unit(np.array([[1, 2], row, [2, 1]]), "image")


def test_vectors_that_differ_in_length_alone_are_constant() -> None:
    with pytest.raises(TaskError, match="all 3 text embeddings are equal"):
        unit(np.array([[1.0, 2.0], [2.0, 4.0], [10.0, 20.0]]), "text")
    assert unit(np.array([[3.0, 4.0]]), "text").tolist() == [pytest.approx([0.6, 0.8])]


def test_unit_leaves_its_input_as_it_was() -> None:
    given_vectors = np.array([[3, 4], [0, 2]], dtype=np.float32)
    unit(given_vectors, "image")
    assert given_vectors.tolist() == [[3, 4], [0, 2]]


@pytest.mark.parametrize("scale", [1e-12, 1e12, 1e25])
def test_any_finite_norm_gives_the_same_unit_vectors(scale: float) -> None:
    vectors = np.array([[3, 4], [0, 2]], dtype=np.float32)
    assert torch.allclose(unit(vectors * np.float32(scale), "image"), unit(vectors, "image"), atol=1e-6)


def test_towers_of_different_width_are_refused() -> None:
    with pytest.raises(TaskError, match="12 wide, image embeddings 6"):
        retrieval_ranks(CODES, CODES[:, :6], torch.tensor([[0, 0]]))
