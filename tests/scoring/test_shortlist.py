"""Two-stage search against sorting by hand, its measured loss, and how a run chooses a scoring mode."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from helpers import card as write_card
from helpers import class_folders, goldieval, one_line, records, toy_model
from pools import made, pool_of, tiles

from goldieval.families.approximation import Direction, approximations, loss_warnings
from goldieval.metrics.ranks import Ranks
from goldieval.records.files import read_record
from goldieval.records.results import load_results
from goldieval.scoring import audit
from goldieval.scoring import candidates as first_stage
from goldieval.scoring.blocks import PatchBlocks
from goldieval.scoring.candidates import candidates, nearest
from goldieval.scoring.conditioned import conditioned_matrix
from goldieval.scoring.cosine import class_ranks, unit
from goldieval.scoring.shortlist import (
    Exact,
    Shortlists,
    shortlist_classes,
    shortlist_ranks,
    shortlists,
    side_ranks,
)
from goldieval.scoring.similarities import ConditionedSimilarity, ShortlistSimilarity

IMAGES, TEXTS, DIM = 17, 29, 32


def similarity(k: int) -> ShortlistSimilarity:
    """Texts and image vectors that agree partly, so that a shortlist is neither perfect nor useless."""
    texts, patches = made(IMAGES, TEXTS, DIM)
    generator = torch.Generator().manual_seed(5)
    images = unit(torch.randn(IMAGES, DIM, generator=generator), "image")
    about = images[torch.arange(TEXTS) % (IMAGES - 1)] + 1.2 * F.normalize(texts, dim=-1)
    texts = about * texts.norm(dim=-1, keepdim=True)
    return ShortlistSimilarity(pool_of(DIM, 4), PatchBlocks.of(patches, 7), texts, images, k)


def patches_of(parts: ShortlistSimilarity) -> torch.Tensor:
    return torch.cat(list(parts.blocks.own.values()))


def images_of(parts: ShortlistSimilarity) -> torch.Tensor:
    assert parts.images is not None
    return parts.images


def positives() -> torch.Tensor:
    """Every text is relevant to its own image, every fifth also to another; the last image has no text."""
    own = torch.stack([torch.arange(TEXTS), torch.arange(TEXTS) % (IMAGES - 1)], dim=1)
    more = torch.stack([torch.arange(0, TEXTS, 5), (torch.arange(0, TEXTS, 5) + 3) % (IMAGES - 1)], dim=1)
    return torch.cat([more, own])


def scores(parts: ShortlistSimilarity) -> tuple[torch.Tensor, torch.Tensor]:
    """Cosines and text-conditioned scores, (texts, images)."""
    cosines = F.normalize(parts.texts, dim=-1) @ images_of(parts).T
    return cosines, conditioned_matrix(parts.pool, parts.texts, patches_of(parts)).T


def order(cosines: torch.Tensor, conditioned: torch.Tensor, k: int) -> list[int]:
    """Order of one query's gallery: the k of highest cosine by conditioned score, then the rest by cosine."""
    by_cosine = cosines.argsort(descending=True).tolist()
    listed = sorted(by_cosine[:k], key=lambda item: -float(conditioned[item]))
    return listed + by_cosine[k:]


def first_ranks(cosines: torch.Tensor, conditioned: torch.Tensor, pairs: Sequence[Sequence[int]], k: int) -> list[int]:
    """Rank of each query's first positive, 0 for a query without one; scores are (queries, gallery)."""
    true = {(query, item) for query, item in pairs}
    orders = [order(*rows, k) for rows in zip(cosines, conditioned, strict=True)]
    return [
        next((place for place, item in enumerate(items, 1) if (query, item) in true), 0)
        for query, items in enumerate(orders)
    ]


def check_answers(
    ranks: Ranks, cosines: torch.Tensor, conditioned: torch.Tensor, pairs: Sequence[Sequence[int]], k: int
) -> None:
    """Compare the best right and wrong answers with sorting by hand; only listed ones have a score."""
    assert ranks.answers is not None
    true = {(query, item) for query, item in pairs}
    for query, rows in enumerate(zip(cosines, conditioned, strict=True)):
        items = order(*rows, k)
        for name, wanted in (("right", True), ("wrong", False)):
            best = next((item for item in items if ((query, item) in true) == wanted), -1)
            score = getattr(ranks.answers, f"{name}_score")[query]
            assert getattr(ranks.answers, name)[query] == best
            listed = best in items[:k]
            assert np.isnan(score) != listed and (not listed or abs(score - float(rows[1][best])) < 1e-5)


def ranked(ranks: Ranks) -> list[int]:
    assert not ranks.tied[ranks.positives > 0].any()
    return np.where(ranks.positives > 0, ranks.low, 0).tolist()


@pytest.mark.parametrize("k", [1, 3, 9, 16])
@pytest.mark.parametrize("tile", [4, 8192])
def test_ranks_equal_sorting_by_hand(k: int, tile: int) -> None:
    parts, pairs = similarity(k), positives()
    with mock.patch.multiple(first_stage, QUERIES=tile, GALLERY=tile), tiles(3, 4):
        to_image, to_text = parts.retrieval(pairs)
    cosines, conditioned = scores(parts)
    assert ranked(to_image) == first_ranks(cosines, conditioned, pairs.tolist(), k)
    assert ranked(to_text) == first_ranks(cosines.T, conditioned.T, pairs.flip(1).tolist(), k)
    check_answers(to_image, cosines, conditioned, pairs.tolist(), k)
    check_answers(to_text, cosines.T, conditioned.T, pairs.flip(1).tolist(), k)
    assert (to_image.gallery, to_text.gallery) == (IMAGES, TEXTS)
    assert to_image.positives.tolist() == torch.bincount(pairs[:, 0], minlength=TEXTS).tolist()


def test_a_short_list_is_lossy_and_a_complete_list_is_exact() -> None:
    """Ensures that the other tests compare scores that differ."""
    exact = [side.low.tolist() for side in ConditionedSimilarity.retrieval(similarity(1), positives())]
    assert [side.low.tolist() for side in similarity(2).retrieval(positives())] != exact
    for k in (TEXTS, TEXTS + 1, 10**6):
        parts = similarity(k)
        assert [side.low.tolist() for side in parts.retrieval(positives())] == exact and not parts.audits


def test_lists_of_the_whole_gallery_rank_as_exact_scores_do() -> None:
    """Tests the two stages themselves, which ``ShortlistSimilarity`` skips here."""
    parts = similarity(1)
    first = candidates(unit(parts.texts, "text"), images_of(parts), 1000, positives())
    exact_scores = Exact(parts.pool, parts.texts, parts.blocks)
    found = shortlist_ranks(shortlists(exact_scores, *(stage.members for stage in first)), first, positives())
    for ours, exact in zip(found, ConditionedSimilarity.retrieval(parts, positives()), strict=True):
        assert all((getattr(ours, name) == getattr(exact, name)).all() for name in ("above", "tied", "tied_positives"))


def test_a_text_that_no_image_shortlists_is_ranked_among_its_own_candidates() -> None:
    """Unlike in FLAIR's one-sided shortlist, text to image is not restricted by the images' choices."""
    parts, k = similarity(1), 1
    to_image, _ = parts.retrieval(positives())
    units = unit(parts.texts, "text")
    chosen = set(nearest(images_of(parts), units, k).flatten().tolist())
    own = nearest(units, images_of(parts), k)
    alone = [text for text, image in positives().tolist() if text not in chosen and image in own[text]]
    assert alone and (to_image.low[alone] == 1).all()


@pytest.mark.parametrize(("queries", "gallery"), [(4, 5), (512, 8192)])
def test_nearest_are_the_best_cosines_whatever_the_tiles(queries: int, gallery: int) -> None:
    parts = similarity(1)
    texts = unit(parts.texts, "text")
    with mock.patch.multiple(first_stage, QUERIES=queries, GALLERY=gallery):
        found = nearest(texts, images_of(parts), 7)
        assert nearest(texts, images_of(parts), 99).shape == (TEXTS, IMAGES)
    assert found.sort(1).values.equal((texts @ images_of(parts).T).topk(7).indices.sort(1).values)


def test_equal_scores_are_ties_on_and_behind_the_list() -> None:
    """Every image twice: both copies of the positive tie, on the list and behind it."""
    parts = similarity(8)
    twins = ShortlistSimilarity(
        parts.pool,
        PatchBlocks.of(torch.cat([patches_of(parts)] * 2), 7),
        parts.texts,
        torch.cat([images_of(parts)] * 2),
        8,
    )
    pairs = torch.stack([torch.arange(TEXTS), torch.arange(TEXTS) % IMAGES], dim=1)
    to_image, _ = twins.retrieval(pairs)
    listed = (nearest(unit(parts.texts, "text"), images_of(parts), 4) == pairs[:, 1:]).any(1).numpy()
    assert set(listed) == {True, False}
    assert (to_image.tied == 1).all()
    assert (to_image.low[listed] <= 7).all() and (to_image.low[~listed] > 8).all()


def test_a_positive_that_ties_with_a_listed_candidate_by_cosine_still_comes_behind_the_list() -> None:
    """Of four items 0 and 1 are listed; 2, the positive, has the cosine of 1: one above and one tie by cosine."""
    own = Shortlists(torch.tensor([[0, 1]]), torch.tensor([[0.9, 0.8]]))
    one = np.array([1])
    ranks = side_ranks(own, Ranks(one, one, one, one, 4), torch.tensor([[0, 2]]))
    assert (ranks.low.tolist(), ranks.high.tolist()) == ([3], [3])


PROMPTS = torch.arange(24).view(12, 2)
LABELS = torch.arange(IMAGES) % 12


@pytest.mark.parametrize("k", [1, 3, 11])
def test_classes_equal_sorting_by_hand(k: int) -> None:
    parts = similarity(k)
    ranks, predictions, places = parts.classes(PROMPTS, LABELS)
    units = F.normalize(F.normalize(parts.texts, dim=-1)[PROMPTS].mean(1), dim=-1)
    vectors = parts.texts.norm(dim=-1).mean() * units
    cosines, conditioned = images_of(parts) @ units.T, conditioned_matrix(parts.pool, vectors, patches_of(parts))
    orders = [order(*rows, k) for rows in zip(cosines, conditioned, strict=True)]
    assert predictions.tolist() == [items[0] for items in orders]
    assert places.tolist() == [items.index(label) for items, label in zip(orders, LABELS.tolist(), strict=True)]
    assert ranks.low.tolist() == (places + 1).tolist() and ranks.gallery == 12
    lost = parts.audits["i2c"]
    exact = (conditioned.argsort(dim=1, descending=True)[:, :3] == LABELS[:, None]).any(1)
    assert lost.exact(3).tolist() == exact.tolist() and lost.approximate(3).tolist() == (places < 3).tolist()
    assert lost.best_lost.tolist() == [int(row.argmax()) not in items[:k] for row, items in zip(conditioned, orders)]  # noqa: B905
    assert lost.positive_lost.tolist() == [label not in o[:k] for label, o in zip(LABELS.tolist(), orders)]  # noqa: B905


def test_of_equally_scored_classes_the_first_is_predicted() -> None:
    """As in the other modes, whatever the order in which the first stage lists them."""
    parts = similarity(2)
    units = unit(parts.texts[:12], "class")
    behind = class_ranks(images_of(parts)[:2], units, torch.tensor([4, 7]))
    own = Shortlists(torch.tensor([[7, 4], [4, 7]]), torch.full((2, 2), 0.5))
    _, predictions, places = shortlist_classes(own, behind, torch.tensor([4, 7]))
    assert (predictions.tolist(), places.tolist()) == ([4, 4], [0, 1])


def test_all_classes_are_exact() -> None:
    exact = ConditionedSimilarity.classes(similarity(1), PROMPTS, LABELS)
    whole = similarity(12)
    assert whole.classes(PROMPTS, LABELS).places.tolist() == exact.places.tolist() and not whole.audits
    assert similarity(1).classes(PROMPTS, LABELS).predictions.tolist() != exact.predictions.tolist()


# The measured loss


def test_audit_of_all_queries_is_the_difference_to_exact_scores() -> None:
    parts, pairs = similarity(3), positives()
    found = parts.retrieval(pairs)
    exact = ConditionedSimilarity.retrieval(parts, pairs)
    _, conditioned = scores(parts)
    for name, side, true, matrix in zip(("t2i", "i2t"), found, exact, (conditioned, conditioned.T), strict=True):
        lost, asked = parts.audits[name], side.positives > 0
        assert lost.rows.tolist() == np.flatnonzero(asked).tolist() and (lost.size, lost.of) == (3, asked.sum())
        for k in (1, 5):
            assert lost.exact(k).tolist() == true.hits(k)[asked].tolist()
            assert lost.approximate(k).tolist() == side.hits(k)[asked].tolist()
        units = unit(parts.texts, "text")
        own = nearest(units, images_of(parts), 3) if name == "t2i" else nearest(images_of(parts), units, 3)
        best = matrix.argmax(1)
        assert lost.best_lost.tolist() == (~(own == best[:, None]).any(1)).numpy()[asked].tolist()
        assert 0 < lost.positive_lost.mean() < 1


def test_the_best_positive_may_be_lost_although_another_is_listed() -> None:
    parts = similarity(2)
    pairs = torch.cartesian_prod(torch.arange(TEXTS), torch.arange(IMAGES))  # everything is true
    to_image, _ = parts.retrieval(pairs)
    lost = parts.audits["t2i"]
    assert (to_image.low == 1).all() and lost.exact(1).all() and lost.approximate(1).all()
    assert lost.positive_lost.any() and lost.positive_lost.tolist() == lost.best_lost.tolist()


def test_the_sample_is_seeded_and_holds_queries_with_a_positive_only() -> None:
    asked = np.arange(4000) % 3 > 0
    rows = audit.sample(asked)
    assert len(set(rows.tolist())) == audit.SAMPLE == 256 and asked[rows].all() and (np.diff(rows) > 0).all()
    assert rows.tolist() == audit.sample(asked).tolist() and rows.max() > 3000 and rows.min() < 1000
    assert audit.sample(asked[:30]).tolist() == np.flatnonzero(asked[:30]).tolist()


@pytest.mark.parametrize("size", [1, 6])
def test_a_part_of_the_queries_is_compared_with_itself(size: int) -> None:
    whole, part, pairs = similarity(3), similarity(3), positives()
    whole.retrieval(pairs)
    with mock.patch.object(audit, "SAMPLE", size):
        part.retrieval(pairs)
    for name, lost in part.audits.items():
        places = np.searchsorted(whole.audits[name].rows, lost.rows)
        assert len(lost.rows) == size and lost.of == whole.audits[name].of
        for field in ("best_lost", "positive_lost"):
            assert getattr(lost, field).tolist() == getattr(whole.audits[name], field)[places].tolist()
        assert lost.exact(1).tolist() == whole.audits[name].exact(1)[places].tolist()
        assert lost.approximate(2).tolist() == whole.audits[name].approximate(2)[places].tolist()


def test_the_record_holds_the_loss_with_n_and_interval() -> None:
    hits = {1: np.array([1.0, 1, 0, 1]), 5: np.ones(4)}
    lost = {1: np.array([0.0, 1, 0, 1]), 5: np.ones(4)}
    flags = np.array([True, False, False, False])
    made_of = audit.Audit(8, np.array([0, 2, 3, 5]), 6, hits.__getitem__, lost.__getitem__, flags, ~flags)
    direction = Direction({"t2i_r1": 1, "t2i_r5": 5}, np.array([0, 0, 0, 1, 1, 2]))
    found = approximations({"t2i": made_of}, {"t2i": direction, "i2t": direction})
    assert list(found) == ["t2i"]
    part = found["t2i"]
    assert (part.shortlist, part.queries, part.of, part.seed) == (8, 4, 6, 0)
    assert (part.best_lost.value, part.best_lost.n, part.positive_lost.value) == (0.25, 4, 0.75)
    assert (part.loss["t2i_r1"].value, part.loss["t2i_r1"].n, part.loss["t2i_r1"].clusters) == (0.25, 4, 3)
    none = part.loss["t2i_r5"]  # no loss seen is no loss of at most what so few queries can show
    assert none.value == 0 and none.low < -0.3 and none.high > 0.3
    (line,) = loss_warnings(found)
    assert "shortlist of 8" in line and "4 of 6 t2i queries t2i_r1 loses 25.0 points" in line


# A run's choice of the mode

CONDITIONED = """

from goldieval.goldiclip.pooling import TextConditionedPool


class Conditioned(Toy):
    def __init__(self):
        torch.manual_seed(0)
        self.pool = TextConditionedPool(48, 4).requires_grad_(False)

    def describe(self):
        return ModelInfo("toy", "file", "1" * 64, image_identity="toy-image", text_identity="toy-text", scoring="OWN")

    def patch_tokens(self, pixels):
        return torch.stack([self.encode_image(pixels).roll(step, 1) for step in range(3)], dim=1)


def conditioned(spec, options):
    return Conditioned()
"""


def conditioned_model(folder: Path, own: str = "conditioned") -> str:
    """A toy model with a pooling, whose own mode is ``own``."""
    file = Path(toy_model(folder).removesuffix(":load"))
    file.write_text(file.read_text() + CONDITIONED.replace("OWN", own))
    return f"{file}:conditioned"


def run(folder: Path, model: str, tasks: str, *more: str) -> dict[str, dict[str, Any]]:
    """Records by task."""
    out = folder / "-".join(["out", *more]).replace("/", "")
    ran = goldieval("run", "--model", model, "--tasks", tasks, "--limit", "40", "--out", out, *more)
    assert ran.code == 0, ran.out + ran.err
    return {record["task"]["name"]: record for record in records(out)}


Found = dict[str, dict[str, dict[str, Any]]]
MODES = ["global", "conditioned", "shortlist:3", "shortlist:5", "shortlist:5000"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("modes")


@pytest.fixture(scope="module")
def found(folder: Path) -> Found:
    """Records of one model by mode and task."""
    model, tasks = conditioned_model(folder), "shapes-retrieval,shapes-zeroshot,shapes-composition"
    return {mode: run(folder, model, tasks, "--no-cache", "--scoring", mode) for mode in MODES}


def test_modes_of_one_model_never_share_a_record(folder: Path, found: Found) -> None:
    for task in ("shapes-retrieval", "shapes-zeroshot"):
        rows = [found[mode][task] for mode in MODES]
        assert [row["task"]["scoring"] for row in rows] == MODES
        assert len({row["setting"] for row in rows}) == len({row["key"] for row in rows}) == len(MODES)
        assert {row["task"]["protocol"] for row in rows} == {rows[0]["task"]["protocol"]}
    frame = load_results(folder).frame()
    ours = frame[(frame.task == "shapes-retrieval") & (frame.metric == "t2i_r1")]
    assert sorted(ours.scoring) == sorted(MODES)


def test_without_an_option_the_mode_is_the_models_own(tmp_path: Path) -> None:
    for own in ("global", "conditioned", "shortlist:4"):
        plain = run(tmp_path / own, conditioned_model(tmp_path, own), "shapes-retrieval")["shapes-retrieval"]
        asked = run(tmp_path, conditioned_model(tmp_path, "global"), "shapes-retrieval", "--scoring", own)
        named = asked["shapes-retrieval"]
        assert plain["task"]["scoring"] == named["task"]["scoring"] == own
        assert (plain["key"], plain["metrics"]) == (named["key"], named["metrics"])


def test_set_scoring_is_equivalent(tmp_path: Path) -> None:
    model = conditioned_model(tmp_path)
    one = run(tmp_path, model, "shapes-retrieval", "--scoring", "shortlist:3")["shapes-retrieval"]
    two = run(tmp_path, model, "shapes-retrieval", "--set", "scoring=shortlist:3")["shapes-retrieval"]
    assert one["key"] == two["key"] and one["task"] == two["task"] and one["approximation"] == two["approximation"]


def test_a_shortlist_states_its_loss_and_exact_scores_none(folder: Path, found: Found) -> None:
    exact, short = found["conditioned"], found["shortlist:3"]
    assert not any(record["approximation"] for record in exact.values())
    retrieval = short["shapes-retrieval"]
    assert set(retrieval["approximation"]) == {"t2i", "i2t"}
    part = retrieval["approximation"]["i2t"]
    assert (part["queries"], part["of"], part["shortlist"]) == (40, 40, 3)  # all that there are
    for name, loss in part["loss"].items():
        difference = exact["shapes-retrieval"]["metrics"][name]["value"] - retrieval["metrics"][name]["value"]
        assert loss["value"] == pytest.approx(difference, abs=1e-9) and loss["low"] <= loss["value"] <= loss["high"]
    assert part["best_lost"]["value"] > 0
    assert set(short["shapes-zeroshot"]["approximation"]["i2c"]["loss"]) == {"acc1", "acc5"}
    assert sum("is an approximation" in warning for warning in retrieval["warnings"]) == 2
    (file,) = (folder / "out---no-cache---scoring-shortlist:3").rglob("shapes-retrieval*.json")
    assert read_record(file).approximation["i2t"].queries == 40


def test_a_long_list_gives_the_metrics_of_exact_scores(found: Found) -> None:
    exact, long = found["conditioned"], found["shortlist:5000"]
    assert {name: record["metrics"] for name, record in exact.items()} == {n: r["metrics"] for n, r in long.items()}
    assert not any(record["approximation"] for record in long.values())


def test_a_few_candidates_are_all_scored(found: Found) -> None:
    """A shortlist of three of four candidates would decide by what it omits; therefore the record is exact."""
    ours, theirs = found["shortlist:3"]["shapes-composition"], found["conditioned"]["shapes-composition"]
    assert ours["task"]["scoring"] == "conditioned" and ours["key"] == theirs["key"]
    assert ours["metrics"] == theirs["metrics"]


@pytest.mark.parametrize("mode", ["conditioned", "shortlist:3"])
def test_a_model_without_pooling_is_refused_before_any_work(tmp_path: Path, mode: str, store: Path) -> None:
    arguments = ["--model", toy_model(tmp_path), "--tasks", "shapes-retrieval", "--out", tmp_path / "out"]
    ran = goldieval("run", *arguments, "--scoring", mode)
    line = one_line(ran.err)
    assert ran.code == 2 and f"--scoring {mode}: toy has no text-conditioned pooling; use --scoring global" in line
    assert not records(tmp_path / "out") and not store.exists()


@pytest.mark.parametrize(
    "mode", ["conditional", "shortlist", "shortlist:", "shortlist:0", "shortlist:-1", "shortlist:x"]
)
def test_a_mode_that_does_not_exist_is_one_line(tmp_path: Path, mode: str) -> None:
    ran = goldieval("run", "--model", "random", "--tasks", "shapes-retrieval", "--scoring", mode, "--out", tmp_path)
    assert ran.code == 2
    assert f"no scoring mode {mode!r}: choose auto, global, conditioned or shortlist:K" in one_line(ran.err)


def test_two_modes_or_nothing_to_compare_are_one_line(tmp_path: Path) -> None:
    start = ["run", "--model", "random", "--out", tmp_path, "--scoring", "global", "--tasks"]
    ran = goldieval(*start, "shapes-retrieval", "--set", "scoring=conditioned")
    assert ran.code == 2 and "two scoring modes are requested, conditioned and global" in one_line(ran.err)
    ran = goldieval(*start, "shapes-vqa")
    assert ran.code == 2 and "none of these tasks compares images with texts" in one_line(ran.err)


def test_a_card_may_name_a_shortlist_and_a_run_overrules_it(tmp_path: Path) -> None:
    class_folders(tmp_path / "data", {"cat": 3, "dog": 2, "fish": 2, "bird": 1})
    params = {"prompts": ["a photo of a {c}"], "scoring": "shortlist:2"}
    file = write_card(tmp_path, params=params)
    model = conditioned_model(tmp_path)
    assert run(tmp_path, model, str(file))["mine"]["task"]["scoring"] == "shortlist:2"
    assert run(tmp_path, model, str(file), "--scoring", "global")["mine"]["task"]["scoring"] == "global"
    assert run(tmp_path, model, str(file), "--scoring", "auto")["mine"]["task"]["scoring"] == "conditioned"
    write_card(tmp_path, params=params | {"scoring": "shortlist:none"})
    ran = goldieval("run", "--model", model, "--tasks", file)
    assert ran.code == 2 and "params.scoring: no scoring mode 'shortlist:none'" in one_line(ran.err)
    write_card(tmp_path, params=params)
    ran = goldieval("run", "--model", toy_model(tmp_path), "--tasks", file, "--out", tmp_path / "failed", "--json")
    (record,) = json.loads(ran.out)
    assert ran.code == 1 and "no text-conditioned pooling for shortlist:2 scoring" in record["reason"]
