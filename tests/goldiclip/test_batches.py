"""Tokenizer, captions, crops and batches: everything a training step is fed with, the same whenever it is asked for."""

from __future__ import annotations

from functools import cache
from random import Random

import pytest
import regex
import torch
import torch.nn.functional as F
from batch_contents import caption_ids, same_content
from hypothesis import given, settings
from hypothesis import strategies as st
from open_clip import SimpleTokenizer

from goldieval.data.derive.sentences import sentences_of
from goldieval.goldiclip.config import FULL_MERGES, ModelConfig
from goldieval.goldiclip.data.batches import Batches
from goldieval.goldiclip.data.captions import MAX_SENTENCES, sample_captions
from goldieval.goldiclip.data.crops import crops_of, random_boxes
from goldieval.goldiclip.data.normalisation import MEAN, STD
from goldieval.goldiclip.data.shapes import ShapesCorpus, shapes_corpus
from goldieval.goldiclip.recipe import Recipe
from goldieval.goldiclip.tokenizer import Tokenizer

MERGES, SCENES, SIDE = 300, 40, 32
ENGLISH = [
    "A photo of 3 dogs, two cats & one étude!",
    "don't UPPER-case   it… at all",
    "Wow!!! 'quoted' (really?) $5.00 — 50%",
    "antidisestablishmentarianism, hyperparametrisation and other floccinaucinihilipilification",
    "",
    "a red star left of a small blue moon.",
]


@cache
def tokenizer(merges: int = MERGES, context_length: int = 77) -> Tokenizer:
    return Tokenizer(merges, context_length)


@cache
def corpus() -> ShapesCorpus:
    return shapes_corpus(SCENES, SIDE, tokenizer())


def bare(text: str) -> str:
    return regex.sub(r"\s|\u2028|\u2029", "", text)


# Tokenizer


def test_full_merges_are_clips_own_tokenizer() -> None:
    ours, theirs = tokenizer(FULL_MERGES), SimpleTokenizer()
    assert ours.encoder == theirs.encoder and ours.bpe_ranks == theirs.bpe_ranks
    assert ours.vocab_size == ModelConfig(merges=FULL_MERGES).vocab_size == 49408
    texts = [*ENGLISH, "word " * 300, "犬 🐕 ß"]
    assert torch.equal(ours(texts), theirs(texts))
    assert torch.equal(ours.padded([ours.ids(text) for text in texts], pad_to=77), theirs(texts))


@pytest.mark.parametrize("merges", [0, 1, MERGES])
@pytest.mark.parametrize("text", ENGLISH)
def test_small_vocabularies_say_any_english(text: str, merges: int) -> None:
    small = tokenizer(merges)
    ids = small.ids(text)
    assert all(0 <= id < 512 + merges for id in ids)
    assert bare(small.decode(ids)) == bare(small.clean_fn(text))


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=30))
def test_small_vocabularies_say_any_unicode(text: str) -> None:
    small = tokenizer()
    cleaned = small.clean_fn(text)
    if "</w>" in cleaned or "_of_text>" in cleaned:
        return  # the tokenizer's own marks, which decoding takes away
    assert bare(small.decode(small.ids(text))) == bare(cleaned)


def test_more_merges_shorten_texts() -> None:
    lengths = [len(tokenizer(merges).ids("a red star left of a small blue moon")) for merges in (0, 300, FULL_MERGES)]
    assert lengths[0] == 28 and lengths[0] > lengths[1] > lengths[2] == 9


def test_frames_padding_and_truncation() -> None:
    """Start and end are the last two ids, also when cut; what is behind the end is zero."""
    config = ModelConfig(merges=MERGES)
    small = tokenizer(MERGES, 8)
    assert (small.sot_token_id, small.eot_token_id) == (config.end_of_text - 1, config.end_of_text)
    rows = small.padded([[5, 6], list(range(1, 20)), []])
    sot, eot = small.all_special_ids
    assert rows.tolist() == [[sot, 5, 6, eot, 0, 0, 0, 0], [sot, 1, 2, 3, 4, 5, 6, eot], [sot, eot] + 6 * [0]]
    assert small.padded([[5]]).shape == (1, 3)
    assert torch.equal(small(["a red star", "word " * 20])[:, -1] == eot, torch.tensor([False, True]))


# Captions


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("One. Two.\nThree</s>Four", ["One", "Two", "Three", "Four"]),
        (" . \n\n</s>. ", []),
        ("no full stop", ["no full stop"]),
    ],
)
def test_sentences(text: str, sentences: list[str]) -> None:
    assert sentences_of(text) == sentences


@given(st.integers(1, 8), st.integers(1, 6), st.integers(0, 10**6))
def test_captions_are_one_to_three_of_the_sentences(pool: int, count: int, seed: int) -> None:
    """Sentence n is the ids [10 n + 10, 10 n + 11], sentences are joined by 1."""
    sentences = [[10 * n + 10, 10 * n + 11] for n in range(pool)]
    captions = sample_captions(sentences, count, [1], Random(seed))
    assert captions == sample_captions(sentences, count, [1], Random(seed))
    assert len(captions) == count
    for caption in captions:
        split = [[int(id) for id in part.split()] for part in " ".join(map(str, caption)).split(" 1 ")]
        assert 1 <= len(split) <= min(MAX_SENTENCES, pool)
        assert all(part in sentences for part in split)
        assert len({part[0] for part in split}) == len(split)  # none twice


def test_captions_of_all_lengths_windows_and_orders_occur() -> None:
    sentences = [[n] for n in range(2, 7)]
    drawn = [tuple(caption) for caption in sample_captions(sentences, 6000, [1], Random(0))]
    captions = set(drawn)
    assert {len(caption) for caption in captions} == {1, 3, 5}
    pairs = [drawn.count((start, 1, start + 1)) for start in (2, 3, 4, 5)]  # 6000 / 3 * (0.5 / 4 + 0.5 / 20) each
    assert all(240 < count < 360 for count in pairs)  # the last window as often as the others
    assert any(caption[0] > caption[-1] for caption in captions)
    assert drawn[:4] != [tuple(caption) for caption in sample_captions(sentences, 4, [1], Random(1))]


# Crops


def ramp(side: int, count: int = 200) -> torch.Tensor:
    """Pictures whose three channels are column, row and a constant, in pixels."""
    columns = torch.arange(side, dtype=torch.float32).expand(side, side)
    return torch.stack([columns, columns.T, torch.ones(side, side)]).expand(count, -1, -1, -1)


@pytest.mark.parametrize(("size", "area"), [(32, (0.8, 1.0)), (16, (0.1, 0.4)), (48, (1.0, 1.0)), (8, (0.05, 0.05))])
def test_crops_are_the_analytic_ones_and_inside(size: int, area: tuple[float, float]) -> None:
    """Bilinear sampling of a ramp is exact; only in the outer half pixel the picture ends."""
    boxes = random_boxes(200, area, torch.Generator().manual_seed(0))
    crops = crops_of(ramp(32), boxes, size)
    left, top, right, bottom = boxes.T
    assert float(boxes.min()) >= -1e-6 and float(boxes.max()) <= 1 + 1e-6
    shares = (right - left) * (bottom - top)
    assert area[0] - 1e-5 <= float(shares.min()) and float(shares.max()) <= area[1] + 1e-5
    torch.testing.assert_close(right - left, bottom - top)  # square
    places = (torch.arange(size) + 0.5) / size
    columns = ((left[:, None] + (right - left)[:, None] * places) * 32 - 0.5).clamp(0, 31)
    rows = ((top[:, None] + (bottom - top)[:, None] * places) * 32 - 0.5).clamp(0, 31)
    expected = torch.stack(
        [columns[:, None].expand(-1, size, -1), rows[:, :, None].expand(-1, -1, size), torch.ones(200, size, size)], 1
    )
    torch.testing.assert_close(crops, expected, atol=1e-3, rtol=0)
    assert bool((crops[:, 0, :, 0] < crops[:, 0, :, -1]).all())  # never mirrored


def test_boxes_cover_the_picture_and_follow_the_seed() -> None:
    first, again, other = (random_boxes(200, (0.1, 0.4), torch.Generator().manual_seed(seed)) for seed in (0, 0, 1))
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert float(first[:, :2].min()) < 0.05 and float(first[:, 2:].max()) > 0.95


# Corpus and batches


def test_corpus_is_finite_and_complete() -> None:
    assert len(corpus()) == SCENES == len(corpus().sentences) == len(corpus().questions)
    assert corpus().pictures.shape == (SCENES, SIDE, SIDE, 3) and corpus().pictures.dtype == torch.uint8
    assert all(sentence for said in corpus().sentences for sentence in said) and all(map(len, corpus().sentences))
    assert all(question and answer for asked in corpus().questions for question, answer in asked)
    fewer = shapes_corpus(4, SIDE, tokenizer())
    assert torch.equal(fewer.pictures, corpus().pictures[:4]) and fewer.sentences == corpus().sentences[:4]


def batches(rank: int = 0, world: int = 1, seed: int = 0, **data: object) -> Batches:
    content = {
        "name": "test",
        "title": "test",
        "model": {"image_size": SIDE},
        "data": {"scenes": SCENES, "locals": 2, "local_size": 16, **data},
        "objectives": {"softmax": 1.0},
        "optimiser": {"steps": 1, "batch_size": 8},
        "seed": seed,
    }
    return Batches(corpus(), tokenizer(MERGES, 500), Recipe.model_validate(content), rank, world)


def test_a_step_is_the_same_batch_whenever_it_is_asked_for() -> None:
    stream = batches()
    passed = [stream.at(step) for step in range(12)]  # more than two epochs of 5 steps
    assert same_content(batches().at(11), passed[11]) and same_content(batches().at(3), passed[3])
    jumping = batches()
    assert all(same_content(jumping.at(step), passed[step]) for step in (7, 0, 11, 4))
    assert not same_content(passed[0], passed[1]) and not same_content(passed[0], batches(seed=1).at(0))


def test_every_epoch_shows_every_scene_once_in_another_order() -> None:
    stream, whole = batches(), (corpus().pictures.permute(0, 3, 1, 2) / 255 - MEAN) / STD

    def rows(step: int) -> list[int]:
        return [int((whole - picture).flatten(1).abs().amax(1).argmin()) for picture in stream.at(step).images.whole()]

    first, second = ([row for step in steps for row in rows(step)] for steps in (range(5), range(5, 10)))
    assert sorted(first) == sorted(second) == list(range(SCENES)) and first != second


@pytest.mark.parametrize("world", [2, 4])
def test_ranks_share_the_batch_of_one_process(world: int) -> None:
    """Without overlap and in order; the draws belong to the sample and not to the process."""
    whole = batches().at(6)
    shares = [batches(rank, world).at(6) for rank in range(world)]
    for name in ("whole", "first", "local"):
        shown = [getattr(batch.images, name)() for batch in (*shares, whole)]
        assert torch.equal(torch.cat(shown[:-1]), shown[-1]), name
    assert [own for share in shares for own in caption_ids(share)] == caption_ids(whole)
    for *own, ids in (
        [batch.question.ids for batch in (*shares, whole)],
        [batch.answer.ids for batch in (*shares, whole)],
    ):
        rows = [F.pad(share, (0, ids.shape[-1] - share.shape[-1])) for share in own]
        assert torch.equal(torch.cat(rows), ids)
    assert torch.equal(torch.cat([share.draws for share in shares]), whole.draws)


def test_captions_of_a_batch() -> None:
    """k each, said of that very scene, non-empty, framed, and drawn anew in every epoch."""
    batch, sot, eot = batches(captions=3).at(0), *tokenizer().all_special_ids
    assert batch.captions.ids.shape[:2] == (8, 3) and [len(own) for own in caption_ids(batch)] == [3] * 8
    for framed, own in zip(batch.captions.ids, caption_ids(batch), strict=True):
        for ids, bare_ids in zip(framed.tolist(), own, strict=True):
            assert bare_ids and ids[: len(bare_ids) + 2] == [sot, *bare_ids, eot]
    rows = torch.randperm(SCENES, generator=torch.Generator().manual_seed(0))[:8].tolist()
    for row, own in zip(rows, caption_ids(batch), strict=True):
        said = [" ".join(map(str, sentence)) for sentence in corpus().sentences[row]]
        stop = " ".join(map(str, tokenizer().ids(".")))
        for caption in own:
            rest = " ".join(map(str, caption))
            for sentence in sorted(said, key=len, reverse=True):
                rest = rest.replace(sentence, "")
            assert set(rest.split()) <= set(stop.split())
    texts = {str(caption_ids(batches(captions=3, seed=seed).at(0))) for seed in (0, 5)}
    assert len(texts) == 2


def test_questions_as_captions_and_no_local_crops() -> None:
    plain, asked = batches().at(0), batches(questions_as_captions="answered").at(0)
    assert torch.equal(plain.question.ids, asked.question.ids)
    for own, with_question, question, answer in zip(
        caption_ids(plain), caption_ids(asked), asked.question.ids.tolist(), asked.answer.ids.tolist(), strict=True
    ):
        words = [id for id in question[0] + answer[0] if 0 < id < tokenizer().sot_token_id]
        assert with_question[:-1] == own[:-1] and with_question[-1] == words
    either = batches(questions_as_captions="either").at(0)
    pairs = zip(caption_ids(either), caption_ids(asked), asked.question.ids.tolist(), strict=True)
    bare = [[id for id in question[0] if 0 < id < tokenizer().sot_token_id] for _, _, question in pairs]
    last = [own[-1] for own in caption_ids(either)]
    whole = [own[-1] for own in caption_ids(asked)]
    assert all(text in (short, long) for text, short, long in zip(last, bare, whole, strict=True))
    assert last != bare and last != whole
    both = batches(questions_as_captions="answered", questions=2, question_captions=2).at(0)
    for captions, questions, answers in zip(
        caption_ids(both), both.question.ids.tolist(), both.answer.ids.tolist(), strict=True
    ):
        pairs_of = [
            [id for id in question + answer if 0 < id < tokenizer().sot_token_id]
            for question, answer in zip(questions, answers, strict=True)
        ]
        assert captions[-2:] == pairs_of[::-1]
    three = batches(questions=3).at(0)
    assert three.question.ids.shape[:2] == three.answer.ids.shape[:2] == (8, 3)
    for own in torch.cat([three.question.ids, three.answer.ids], dim=-1):
        assert len(own.unique(dim=0)) == 3
    none = batches(locals=0).at(0)
    assert none.images.local().shape[:2] == (8, 0)
