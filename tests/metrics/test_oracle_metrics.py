"""Our numbers against clip-benchmark's own metric functions, on random and on adversarial embeddings.

Where scores tie, clip-benchmark's top-k keeps whichever comes first and ours counts the expected value. So a sample
whose ties all lie on one side of k must agree exactly, and any other must lie in between.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import yaml
from family_cases import compared
from hypothesis import given, settings
from hypothesis import strategies as st

from goldieval.data.image_source import NoImage
from goldieval.data.samples import Dataset, ImageSample, TextSample
from goldieval.families import retrieval, zeroshot
from goldieval.metrics.accuracy import mean_per_class
from goldieval.metrics.ranks import Ranks
from goldieval.scoring.cosine import class_ranks, retrieval_ranks, unit
from goldieval.scoring.similarities import GlobalSimilarity
from goldieval.tasks.card import Task, load_card

peer_retrieval = pytest.importorskip("clip_benchmark.metrics.zeroshot_retrieval")
peer_zeroshot = pytest.importorskip("clip_benchmark.metrics.zeroshot_classification")

SAME = 1e-6
FEW_EXAMPLES = settings(max_examples=40, deadline=None)
SEEDS = st.integers(0, 2**32 - 1)


@pytest.fixture(scope="module", autouse=True)
def _peer_runs_on_this_numpy() -> Iterator[None]:
    """clip-benchmark 1.6.2 calls ``float`` on arrays of one element, which NumPy refuses from 2.4 on."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(peer_zeroshot, "float", lambda value: float(np.asarray(value).item()), raising=False)
        yield


class Towers:
    """A model whose inputs are their own embeddings; texts are looked up by a token that is their number."""

    def __init__(self, texts: list[str], embeddings: torch.Tensor) -> None:
        self._number = {text: row for row, text in enumerate(texts)}
        self._embeddings = embeddings

    def tokenizer(self, texts: list[str]) -> torch.Tensor:
        return torch.tensor([self._number[text] for text in texts])

    def encode_text(self, tokens: torch.Tensor) -> torch.Tensor:
        return self._embeddings[tokens]

    def encode_image(self, pixels: torch.Tensor) -> torch.Tensor:
        return pixels


class Loader:
    """Batches of (images, whatever belongs to them), with the ``dataset.classes`` that the peer asks for."""

    def __init__(self, images: torch.Tensor, targets: Any, classes: list[str] | None = None, batch: int = 16) -> None:
        self._images, self._targets, self._batch = images, targets, batch
        self.dataset = SimpleNamespace(classes=classes)

    def __iter__(self) -> Iterator[tuple[torch.Tensor, Any]]:
        for start in range(0, len(self._images), self._batch):
            part = slice(start, start + self._batch)
            yield self._images[part], self._targets[part]


# Retrieval


def captions_of(counts: list[int]) -> np.ndarray:
    """Return for each caption its image, shape (captions,)."""
    return np.repeat(np.arange(len(counts)), counts)


def pairs(owner: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.stack([np.arange(len(owner)), owner], axis=1))


def peer_hits(images: torch.Tensor, texts: torch.Tensor, owner: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Per-sample outcomes of the peer's two functions: (text to image, image to text)."""
    scores = texts @ images.T
    positive = torch.zeros_like(scores, dtype=torch.bool)
    positive[torch.arange(len(scores)), torch.from_numpy(owner)] = True
    recall, batchify = peer_retrieval.recall_at_k, peer_retrieval.batchify
    by_text = batchify(recall, scores, positive, 16, "cpu", k=k) > 0
    by_image = batchify(recall, scores.T, positive.T, 16, "cpu", k=k) > 0
    return by_text.numpy(), by_image.numpy()


def assert_same_hits(ranks: Ranks, theirs: np.ndarray, k: int) -> None:
    """Exact where no tie straddles k, in between where one does."""
    ours = ranks.hits(k)
    inside = ranks.above + ranks.tied + 1 <= k
    outside = ranks.low > k
    np.testing.assert_allclose(ours[inside], 1)
    np.testing.assert_array_equal(theirs[inside], True)
    np.testing.assert_array_equal(ours[outside], 0)
    np.testing.assert_array_equal(theirs[outside], False)
    straddling = ours[~inside & ~outside]
    assert ((straddling > 0) & (straddling <= 1 + 1e-9)).all()


def assert_same_recalls(images: torch.Tensor, texts: torch.Tensor, owner: np.ndarray, ks: list[int]) -> None:
    images, texts = F.normalize(images, dim=1), F.normalize(texts, dim=1)
    both = retrieval_ranks(texts, images, pairs(owner))
    for k in ks:
        for ranks, theirs in zip(both, peer_hits(images, texts, owner, k), strict=True):
            assert_same_hits(ranks, theirs, k)


@FEW_EXAMPLES
@given(SEEDS, st.lists(st.integers(1, 7), min_size=1, max_size=30), st.floats(0.1, 5), st.sampled_from([2, 8, 64]))
def test_recall_with_uneven_captions(seed: int, counts: list[int], noise: float, dim: int) -> None:
    random = torch.Generator().manual_seed(seed)
    owner = captions_of(counts)
    images = torch.randn(len(counts), dim, generator=random)
    texts = images[owner] + noise * torch.randn(len(owner), dim, generator=random)
    assert_same_recalls(images, texts, owner, [k for k in (1, 2, 5, 10) if k <= len(counts)])
    if dim > 2:  # on a circle many scores are close
        for ranks in retrieval_ranks(F.normalize(texts, dim=1), F.normalize(images, dim=1), pairs(owner)):
            assert (ranks.tied > 0).sum() <= 1 + 0.05 * len(ranks.tied), "random scores hardly ever tie"


@FEW_EXAMPLES
@given(SEEDS, st.lists(st.integers(1, 7), min_size=2, max_size=20))
def test_recall_where_most_scores_tie(seed: int, counts: list[int]) -> None:
    """Embeddings on the 27 points of {-1, 0, 1}³ but 0: few distinct scores, long ties across and along owners."""
    random = torch.Generator().manual_seed(seed)
    owner = captions_of(counts)
    images = torch.randint(-1, 2, (len(counts), 3), generator=random).float()
    texts = torch.randint(-1, 2, (len(owner), 3), generator=random).float()
    images[(images == 0).all(1)] = 1
    texts[(texts == 0).all(1)] = -1
    assert_same_recalls(images, texts, owner, list(range(1, len(counts) + 1)))


ADVERSARIAL = {
    "one image": ([3], [1]),
    "two images": ([7, 1], [1, 2]),
    "k is the whole gallery": ([1, 2, 3, 4, 5, 6, 7], [7]),
    "the best captioned image draws all texts": ([7] + [1] * 12, [1, 5, 10]),
    "one caption each": ([1] * 40, [1, 5, 10]),
}


@pytest.mark.parametrize("shape", ADVERSARIAL)
@pytest.mark.parametrize("geometry", ["random", "one hub", "worst first", "nearly collapsed"])
def test_recall_on_adversarial_inputs(shape: str, geometry: str) -> None:
    counts, ks = ADVERSARIAL[shape]
    owner = captions_of(counts)
    random = torch.Generator().manual_seed(len(counts))
    images = torch.randn(len(counts), 16, generator=random)
    texts = torch.randn(len(owner), 16, generator=random)
    if geometry == "one hub":
        texts = images[:1] + 0.3 * texts
    if geometry == "worst first":
        texts = -images[owner] + 0.3 * texts
    if geometry == "nearly collapsed":
        images, texts = 1 + 0.01 * images, 1 + 0.01 * texts
    assert_same_recalls(images, texts, owner, ks)


def test_captions_shared_by_images_and_k_beyond_the_ties() -> None:
    """Verbatim copies of a caption tie; both sides agree as soon as k holds all copies."""
    random = torch.Generator().manual_seed(1)
    owner = captions_of([5] * 12)
    images = torch.randn(12, 32, generator=random)
    texts = images[owner] + 0.1 * torch.randn(60, 32, generator=random)
    texts[::5] = texts[0]  # every image's first caption
    images, texts = F.normalize(images, dim=1), F.normalize(texts, dim=1)
    t2i, i2t = retrieval_ranks(texts, images, pairs(owner))
    for k in (1, 5, 12):
        by_text, by_image = peer_hits(images, texts, owner, k)
        assert_same_hits(t2i, by_text, k)
        assert_same_hits(i2t, by_image, k)
    assert t2i.hits(12).mean() == peer_hits(images, texts, owner, 12)[0].mean() == 1


def test_copies_of_an_image_share_the_hit_that_the_peer_gives_to_one() -> None:
    images = F.normalize(torch.eye(8)[[0, 0, 0, 0, 1, 2, 3, 4]], dim=1)
    t2i, _ = retrieval_ranks(images.clone(), images, pairs(np.arange(8)))
    by_text, _ = peer_hits(images, images, np.arange(8), 1)
    assert t2i.hits(1)[:4].tolist() == pytest.approx([0.25] * 4)
    assert by_text[:4].sum() == 1  # the same image is first for all four
    assert t2i.hits(1).mean() == pytest.approx(by_text.mean())


def test_retrieval_family_gives_the_peers_six_numbers(tmp_path: Path) -> None:
    """Through the peer's ``evaluate`` and our family, from raw embeddings of any length."""
    random = np.random.default_rng(3)
    owner = captions_of(random.integers(1, 8, 150).tolist())
    images = torch.from_numpy(random.normal(size=(150, 24)).astype(np.float32)) * 7
    noise = torch.from_numpy(random.normal(size=(len(owner), 24)).astype(np.float32))
    texts = [f"caption {row}" for row in range(len(owner))]
    embeddings = images[owner] / 7 + 1.2 * noise
    towers = Towers(texts, embeddings)
    grouped = [[texts[row] for row in np.flatnonzero(owner == image)] for image in range(150)]
    loader = Loader(images, grouped, batch=64)
    theirs = peer_retrieval.evaluate(towers, loader, towers.tokenizer, "cpu", amp=False, recall_k_list=[1, 5, 10])

    samples = [TextSample(text, text) for text in texts]
    dataset = Dataset(blank_images(150), texts=samples, positives=pairs(owner).numpy(), owner=owner)
    prepared = retrieval.FAMILY.prepare(card(tmp_path, family="retrieval", headline="t2i_r1"), dataset)
    ours = compared(retrieval.FAMILY, prepared, similarity(images, embeddings)).metrics
    for k in (1, 5, 10):
        assert ours[f"t2i_r{k}"].value == pytest.approx(theirs[f"image_retrieval_recall@{k}"], abs=SAME)
        assert ours[f"i2t_r{k}"].value == pytest.approx(theirs[f"text_retrieval_recall@{k}"], abs=SAME)
    assert 0.1 < ours["t2i_r1"].value < 0.9


# Classification


def assert_same_accuracies(images: torch.Tensor, classes: torch.Tensor, labels: torch.Tensor) -> None:
    """Accuracy at 1 and 5 sample by sample, the prediction, and mean per class recall of what is predicted."""
    images, classes = F.normalize(images, dim=1), F.normalize(classes, dim=1)
    ranks, predictions, _places = class_ranks(images, classes, labels)
    logits = 100.0 * images @ classes.T
    for k in (1, 5):
        top = logits.topk(k, dim=1)[1]
        assert_same_hits(ranks, (top == labels[:, None]).any(1).numpy(), k)
    clear = (logits.topk(2, dim=1)[0].diff(dim=1).abs() > 1e-4)[:, 0].numpy()
    np.testing.assert_array_equal(predictions[clear], logits.argmax(dim=1).numpy()[clear])
    if not np.any(ranks.tied):
        at1, at5 = peer_zeroshot.accuracy(logits, labels, topk=(1, 5))
        assert ranks.hits(1).mean() == pytest.approx(at1, abs=SAME)
        assert ranks.hits(5).mean() == pytest.approx(at5, abs=SAME)
        balanced = peer_zeroshot.balanced_accuracy_score(labels, logits.argmax(dim=1))
        assert mean_per_class(ranks.hits(1), labels.numpy()) == pytest.approx(balanced, abs=SAME)


@FEW_EXAMPLES
@pytest.mark.filterwarnings("ignore:A single label was found")
@pytest.mark.filterwarnings("ignore:y_pred contains classes not in y_true")
@given(SEEDS, st.integers(1, 60), st.integers(5, 30), st.integers(1, 30), st.floats(0.1, 5))
def test_accuracy_at_1_and_5_and_mean_per_class(
    seed: int, count: int, classes: int, present: int, noise: float
) -> None:
    """``present``: only the first so many classes have a label, so that often some or all but one are missing."""
    random = torch.Generator().manual_seed(seed)
    vectors = torch.randn(classes, 16, generator=random)
    labels = torch.randint(0, min(present, classes), (count,), generator=random)
    images = vectors[labels] + noise * torch.randn(count, 16, generator=random)
    assert_same_accuracies(images, vectors, labels)


@FEW_EXAMPLES
@given(SEEDS, st.integers(5, 12))
def test_accuracy_where_classes_tie(seed: int, classes: int) -> None:
    """Class vectors that repeat: the prediction is one of the equals, the hit is shared."""
    random = torch.Generator().manual_seed(seed)
    vectors = torch.randn(3, 8, generator=random)[torch.randint(0, 3, (classes,), generator=random)]
    labels = torch.randint(0, classes, (40,), generator=random)
    assert_same_accuracies(vectors[labels] + 0.5 * torch.randn(40, 8, generator=random), vectors, labels)


@pytest.mark.filterwarnings("ignore:y_pred contains classes not in y_true")
@pytest.mark.parametrize("case", ["balanced", "one class missing", "one class only", "imbalanced", "collapsed"])
def test_zeroshot_family_gives_the_peers_numbers(case: str, tmp_path: Path) -> None:
    """Through the peer's ``evaluate`` (its classifier, logits and scikit-learn) and our family, ensembles included."""
    random = torch.Generator().manual_seed(5)
    names = [f"class {number}" for number in range(12)]
    prompts = ["a {c}.", "a photo of a {c}.", "no {c}"]
    texts = [prompt.format(c=name) for name in names for prompt in prompts]
    embeddings = 9 * torch.randn(36, 20, generator=random)
    labels = torch.arange(300) % 12
    if case == "one class missing":
        labels[labels == 4] = 5
    if case == "one class only":
        labels[:] = 7
    if case == "imbalanced":
        labels[30:] = 0
    images = embeddings[3 * labels] + 12 * torch.randn(300, 20, generator=random)
    if case == "collapsed":
        images = 1 + 0.01 * images
    towers = Towers(texts, embeddings)
    loader = Loader(images, labels, names)
    theirs = peer_zeroshot.evaluate(towers, loader, towers.tokenizer, names, prompts, "cpu", amp=False)

    dataset = Dataset(blank_images(300), labels.numpy(), names)
    prepared = zeroshot.FAMILY.prepare(
        card(tmp_path, family="zeroshot", headline="acc1", params={"prompts": prompts}), dataset
    )
    rows = towers.tokenizer([text.text for text in prepared.texts])
    ours = compared(zeroshot.FAMILY, prepared, similarity(images, embeddings[rows]))
    assert {name: metric.value for name, metric in ours.metrics.items()} == pytest.approx(theirs, abs=SAME)


# Ours, as a user would build it


def blank_images(count: int) -> list[ImageSample]:
    return [ImageSample(f"image-{row}", NoImage()) for row in range(count)]


def similarity(images: torch.Tensor, texts: torch.Tensor) -> GlobalSimilarity:
    return GlobalSimilarity(unit(images, "image"), unit(texts, "text"))


def card(folder: Path, **content: Any) -> Task:
    about = {"name": "parity", "version": 1, "protocol": "test", "title": "parity", "licence": "none"}
    file = folder / "parity.yaml"
    file.write_text(yaml.safe_dump({**about, "source": {"reader": "folder", "path": "."}, **content}))
    return load_card(file)
