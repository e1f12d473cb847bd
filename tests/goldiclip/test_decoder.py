"""Both readings of the decoder: what they may see, what counts, and that encoding never notices them."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from goldieval.goldiclip.answers import joined_sequence
from goldieval.goldiclip.config import ModelConfig
from goldieval.goldiclip.data.texts import Texts
from goldieval.goldiclip.encoders import encode_by_length
from goldieval.goldiclip.model import GoldiClip, ImageFeatures
from goldieval.goldiclip.objectives.decoding import IGNORE, decoding_loss, positions_before, targets_of

READINGS = ["through_encoder", "in_encoder"]
SIZES = {
    "image_size": 32,
    "vision_width": 32,
    "vision_layers": 2,
    "vision_heads": 2,
    "text_width": 32,
    "text_layers": 3,
    "text_heads": 2,
    "embed_dim": 32,
    "merges": 20,
    "context_length": 20,
}
START, END = 532, 533


def made(reading: str, **changes: object) -> GoldiClip:
    torch.manual_seed(0)
    return GoldiClip(ModelConfig.model_validate({**SIZES, "decoder": reading, **changes}))


def answer_logits(
    model: GoldiClip, question: torch.Tensor, answer: torch.Tensor, features: ImageFeatures
) -> torch.Tensor:
    return model.next_token_logits(model.answer_states(question, answer, features))


@pytest.fixture(params=READINGS)
def model(request: pytest.FixtureRequest) -> GoldiClip:
    return made(request.param)


def framed(*texts: list[int]) -> torch.Tensor:
    rows = [[START, *ids, END] for ids in texts]
    longest = max(map(len, rows))
    return torch.tensor([row + [0] * (longest - len(row)) for row in rows])


QUESTION, ANSWER = framed([5, 6, 7, 8], [9, 10]), framed([20, 21, 22], [23])


@pytest.fixture
def features(model: GoldiClip) -> ImageFeatures:
    return model.image_features(torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(1)))


def loss_of(model: GoldiClip, question: torch.Tensor, answer: torch.Tensor, features: ImageFeatures) -> torch.Tensor:
    states, targets = model.answer_states(question, answer, features), targets_of(answer, END)
    return decoding_loss(states.flatten(0, 1), targets.flatten(), model.text.embedding.weight)


def moved(after: torch.Tensor, before: torch.Tensor) -> float:
    """Largest change of a logit, in the row of the batch that changed least."""
    return float((after - before).detach().abs().amax((1, 2)).min())


# Encoding


@pytest.mark.parametrize("reading", READINGS)
def test_encoding_does_not_notice_the_decoder(reading: str) -> None:
    """Identical to the bit whether its weights do not exist, exist, have changed, or have just been used."""
    without, with_decoder = made("none"), made(reading)
    assert with_decoder.load_state_dict(without.state_dict(), strict=False).unexpected_keys == []
    expected = without.encode_text(QUESTION)
    assert torch.equal(with_decoder.encode_text(QUESTION), expected)
    assert with_decoder.decoder is not None
    for weights in with_decoder.decoder.parameters():
        nn.init.normal_(weights, std=3)
    answer_logits(with_decoder, QUESTION, ANSWER, with_decoder.image_features(torch.randn(2, 3, 32, 32)))
    assert torch.equal(with_decoder.encode_text(QUESTION), expected)
    assert torch.equal(with_decoder.text(QUESTION)[1], without.text(QUESTION)[1])


def test_trimming_padding_leaves_encoding_unchanged() -> None:
    model = made("none")
    short = model.encode_text(QUESTION)
    padded = torch.nn.functional.pad(QUESTION, (0, 14))
    torch.testing.assert_close(model.encode_text(padded), short, atol=1e-5, rtol=0)
    torch.testing.assert_close(model.encode_text(QUESTION[1:, :4]), short[1:], atol=1e-5, rtol=0)


def test_end_of_text_is_found_by_its_id_and_the_first_counts() -> None:
    model = made("none")
    assert model.text.end_of(torch.tensor([[START, 3, END, 0], [START, END, END, END]])).tolist() == [2, 1]
    once, twice = framed([5]), torch.tensor([[START, 5, END, END, 7]])
    torch.testing.assert_close(model.encode_text(twice), model.encode_text(once), atol=1e-5, rtol=0)


def test_bucketing_by_length_changes_nothing() -> None:
    """Also where a text holds id 0, which is a token of the vocabulary (``!``) and padding behind the end."""
    model = made("none")
    texts = [[5] * n for n in (7, 1, 4, 9, 2, 3)] + [[0, 0, 0, 0], [0, 300], [8, 0, 0, 9]]
    ids = framed(*texts)
    alone = torch.cat([model.encode_text(framed(text)) for text in texts])
    torch.testing.assert_close(encode_by_length(model, Texts.of(ids)), alone, atol=1e-5, rtol=0)


# What a position sees


def test_later_answer_tokens_are_not_seen(model: GoldiClip, features: ImageFeatures) -> None:
    before = answer_logits(model, QUESTION, ANSWER, features)
    for place in range(1, ANSWER.shape[1]):
        changed = ANSWER.clone()
        changed[:, place] = 99
        after = answer_logits(model, QUESTION, changed, features)
        torch.testing.assert_close(after[:, :place], before[:, :place], atol=1e-5, rtol=0)
        assert moved(after[:, place:], before[:, place:]) > 1e-4


def test_question_and_image_are_seen(model: GoldiClip, features: ImageFeatures) -> None:
    before = answer_logits(model, QUESTION, ANSWER, features)
    other = QUESTION.clone()
    other[:, 1] = 99
    assert moved(answer_logits(model, other, ANSWER, features), before) > 1e-4
    swapped = ImageFeatures(*(part.flip(0) for part in features))
    assert moved(answer_logits(model, QUESTION, ANSWER, swapped), before) > 1e-4
    pooled_only = ImageFeatures(features.pooled, features.patches.flip(0), features.raw)
    assert moved(answer_logits(model, QUESTION, ANSWER, pooled_only), before) > 1e-4


def test_padding_does_not_matter(model: GoldiClip, features: ImageFeatures) -> None:
    """Neither that of questions and answers nor what stands behind a question's end."""
    before = answer_logits(model, QUESTION, ANSWER, features)
    for question, answer in (
        (torch.nn.functional.pad(QUESTION, (0, 3)), ANSWER),
        (QUESTION, torch.nn.functional.pad(ANSWER, (0, 4))),
    ):
        after = answer_logits(model, question, answer, features)[:, : ANSWER.shape[1]]
        ends = (ANSWER == END).int().argmax(1)
        for row, end in enumerate(ends.tolist()):
            torch.testing.assert_close(after[row, :end], before[row, :end], atol=1e-5, rtol=0)
        torch.testing.assert_close(
            loss_of(model, question, answer, features), loss_of(model, QUESTION, ANSWER, features), atol=1e-5, rtol=0
        )
    one = ImageFeatures(*(part[1:] for part in features))
    alone = answer_logits(model, QUESTION[1:, :4], ANSWER[1:, :3], one)
    torch.testing.assert_close(alone[:, :2], before[1:, :2], atol=1e-5, rtol=0)


def test_questions_about_one_image_are_answered_as_if_alone(model: GoldiClip, features: ImageFeatures) -> None:
    """Three about each of two images, of different lengths; as with the images repeated, and none sees another."""
    question = framed([5, 6, 7, 8], [9], [11, 12], [9, 10], [5], [13, 14, 15])
    answer = framed([20, 21], [22], [23, 24], [25], [26, 27], [28])
    shared = answer_logits(model, question, answer, features)
    repeated = ImageFeatures(*(part.repeat_interleave(3, dim=0) for part in features))
    torch.testing.assert_close(shared, answer_logits(model, question, answer, repeated), atol=1e-5, rtol=0)
    other, said = question.clone(), answer.clone()
    other[1, 1], said[1, 1] = 99, 99
    changed = answer_logits(model, other, said, features)
    rest = [0, 2, 3, 4, 5]
    torch.testing.assert_close(changed[rest], shared[rest], atol=1e-5, rtol=0)
    assert moved(changed[1:2], shared[1:2]) > 1e-4
    turned = answer_logits(model, question, answer, ImageFeatures(*(part.flip(0) for part in features)))
    assert moved(turned, shared) > 1e-4


# What counts


def test_targets_are_the_answer_and_its_end() -> None:
    assert targets_of(ANSWER, END).tolist() == [[20, 21, 22, END, IGNORE], [23, END, IGNORE, IGNORE, IGNORE]]


def test_positions_before_the_end_are_those_with_targets() -> None:
    lengths = torch.tensor([5, 3])
    rows, columns = positions_before(lengths, lengths)
    assert torch.stack([rows, columns], 1).tolist() == (targets_of(ANSWER, END) != IGNORE).nonzero().tolist()


def loss_of_logits(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return decoding_loss(logits.flatten(0, 1), targets.flatten(), torch.eye(logits.shape[-1]))


def test_loss_is_the_mean_over_target_positions_only() -> None:
    logits = torch.randn(2, 5, 534, generator=torch.Generator().manual_seed(0))
    targets = targets_of(ANSWER, END)
    loss = loss_of_logits(logits, targets)
    by_hand = [
        -logits[row, place].log_softmax(-1)[targets[row, place]]
        for row, place in (targets != IGNORE).nonzero().tolist()
    ]
    assert len(by_hand) == 6
    torch.testing.assert_close(loss, torch.stack(by_hand).mean())
    elsewhere = logits.masked_fill((targets == IGNORE)[..., None], 50.0)
    elsewhere[..., 7] += (targets == IGNORE) * 100.0
    assert torch.equal(loss_of_logits(elsewhere, targets), loss)


def test_nothing_to_answer_is_zero_and_not_nan() -> None:
    logits = torch.randn(2, 3, 534, requires_grad=True)
    loss = loss_of_logits(logits, torch.full((2, 3), IGNORE))
    loss.backward()
    assert float(loss.detach()) == 0
    assert logits.grad is not None and not bool(logits.grad.any())


# What learns


def test_embedding_is_tied_and_learns_from_both_uses(model: GoldiClip, features: ImageFeatures) -> None:
    """No second table of the vocabulary's size; its gradient is that of reading plus that of writing."""
    tables = [name for name, weights in model.named_parameters() if START + 2 in weights.shape]
    assert tables == ["text.embedding.weight"]
    embedding = model.text.embedding.weight
    loss_of(model, QUESTION, ANSWER, features).backward()
    assert embedding.grad is not None
    assert float(embedding.grad[6].abs().max()) > 0  # read in a question, never a target...
    assert float(embedding.grad[333].abs().max()) > 0  # ...and never read, only an alternative when writing


def test_gradient_of_the_embedding_is_that_of_reading_plus_that_of_writing(
    model: GoldiClip, features: ImageFeatures
) -> None:
    embedding, read = model.text.embedding, []

    def keep(module: nn.Module, ids: tuple[torch.Tensor, ...], rows: torch.Tensor) -> None:
        rows.retain_grad()
        read.append((ids[0], rows))

    def cut(module: nn.Module, ids: tuple[torch.Tensor, ...], rows: torch.Tensor) -> torch.Tensor:
        return rows.detach()

    gradients = []
    for hook in (keep, cut):
        handle = embedding.register_forward_hook(hook)
        model.zero_grad()
        loss_of(model, QUESTION, ANSWER, ImageFeatures(*(part.detach() for part in features))).backward()
        handle.remove()
        assert embedding.weight.grad is not None
        gradients.append(embedding.weight.grad.clone())
    reading = torch.zeros_like(embedding.weight)
    for ids, rows in read:
        assert rows.grad is not None
        reading.index_add_(0, ids.flatten(), rows.grad.flatten(0, 1))
    torch.testing.assert_close(gradients[0], reading + gradients[1], atol=1e-6, rtol=1e-4)
    assert float(reading.abs().max()) > 1e-4 and float(gradients[1].abs().max()) > 1e-4


def test_answering_trains_what_encodes_the_query(model: GoldiClip, features: ImageFeatures) -> None:
    loss_of(model, QUESTION, ANSWER, features).backward()
    trained = {name for name, weights in model.named_parameters() if weights.grad is not None and weights.grad.any()}
    untrained = {name for name, _ in model.named_parameters()} - trained
    assert untrained == {"logit_scale", "logit_bias"}


def test_later_blocks_of_a_longer_decoder_and_full_depth() -> None:
    with pytest.raises(ValueError, match="decoder_layers 4 exceed text_layers 3"):
        made("in_encoder", decoder_layers=4)
    model = made("in_encoder", decoder_layers=3)
    assert model.decoder is not None and len(model.decoder.cross) == 3
    features = model.image_features(torch.randn(2, 3, 32, 32))
    assert answer_logits(model, QUESTION, ANSWER, features).shape == (2, 5, 534)


# Answers as long as the context


def test_question_too_long_for_its_answer_is_cut_and_no_target_is_lost() -> None:
    """Written into the tower's own sequence, a full question leaves room: as if it had been asked that short."""
    model = made("in_encoder")
    features = model.image_features(torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(1)))
    words, context = list(range(30, 48)), SIZES["context_length"]
    long, short, said = framed(words, [5]), framed(words[:7], [5]), framed([20, 21, 22], [23])
    assert long.shape[1] == context
    joined, places = joined_sequence(model.text, long, said)
    for row in range(2):
        end = int((said[row] == END).int().argmax())
        assert joined[row, places[row, 0]] == END and joined[row, 0] == START
        assert joined[row, places[row, 1 : end + 1]].tolist() == said[row, 1 : end + 1].tolist()
    again, there = joined_sequence(model.text, short, said)
    assert torch.equal(again[:, : int(there.max())], joined[:, : int(there.max())]) and torch.equal(there, places)
    before = answer_logits(model, long, said, features)
    changed = said.clone()
    changed[:, 1] = 99
    after = answer_logits(model, long, changed, features)
    torch.testing.assert_close(after[:, :1], before[:, :1], atol=1e-5, rtol=0)
    assert moved(after[:, 1:2], before[:, 1:2]) > 1e-4


def test_cut_of_a_question_depends_on_no_other_row_and_not_on_how_much_is_written() -> None:
    model = made("in_encoder")
    long, said = framed(list(range(30, 48)), [5]), framed([20, 21, 22], list(range(100, 113)))
    _, together = joined_sequence(model.text, long, said)
    _, alone = joined_sequence(model.text, long[:1], said[:1, :5])
    assert torch.equal(together[:1, :4], alone[:, :4])
    ends = [int(joined_sequence(model.text, long[:1], said[1:, :written])[1][0, 0]) for written in range(1, 13)]
    assert len(set(ends)) == 1  # while generation writes as much as it may


@pytest.mark.parametrize("reading", READINGS)
def test_caption_of_full_length_is_written_to_its_end(reading: str) -> None:
    """Asked nothing, every token of a caption that fills the context is predicted from the one before it."""
    model = made(reading)
    features = model.image_features(torch.randn(1, 3, 32, 32))
    nothing, caption = framed([]), framed(list(range(30, 48)))
    assert caption.shape[1] == 20
    logits = answer_logits(model, nothing, caption, features)
    shorter = answer_logits(model, nothing, caption[:, :12], features)
    torch.testing.assert_close(logits[:, :12], shorter, atol=1e-5, rtol=0)
    changed = caption.clone()
    changed[:, 18] = 99  # the last word; what predicts end-of-text reads it
    other = answer_logits(model, nothing, changed, features)
    torch.testing.assert_close(other[:, :18], logits[:, :18], atol=1e-5, rtol=0)
    assert moved(other[:, 18:19], logits[:, 18:19]) > 1e-4


# Writing


class Scripted(nn.Module):
    """A decoder that writes what it is told, then repeats 3 for ever."""

    def __init__(self, script: list[list[int]]) -> None:
        super().__init__()
        self.script, self.calls = script, 0

    def forward(self, text: nn.Module, question: torch.Tensor, answer: torch.Tensor, *image: object) -> torch.Tensor:
        self.calls += 1
        logits = torch.zeros(*answer.shape, 534)
        for row, said in enumerate(self.script):
            for place in range(answer.shape[1]):
                logits[row, place, (said + [3] * 50)[place]] = 1
        return logits


def test_writing_stops_at_end_of_text(monkeypatch: pytest.MonkeyPatch) -> None:
    model = made("through_encoder")
    monkeypatch.setattr(model, "next_token_logits", lambda states: states)
    script = Scripted([[20, 21, END], [END]])
    model.decoder = script
    features = model.image_features(torch.randn(2, 3, 32, 32))
    assert model.generate(QUESTION, features).tolist() == [[20, 21, END], [END, END, END]]
    assert script.calls == 3
    model.decoder = Scripted([[20, 21, 22, 23], [24]])
    assert model.generate(QUESTION, features, longest=4).tolist() == [[20, 21, 22, 23], [24, 3, 3, 3]]


def test_what_is_written_is_the_likeliest_by_the_full_forward(model: GoldiClip, features: ImageFeatures) -> None:
    with torch.no_grad():
        model.text.embedding.weight.mul_(20)
    written = model.generate(QUESTION, features, longest=5)
    answer = torch.cat([torch.full((2, 1), START), written], dim=1)
    likeliest = answer_logits(model, QUESTION, answer, features).argmax(-1)[:, :-1]
    ended = ((written == END).cumsum(1) - (written == END).int()) > 0
    assert torch.equal(written.masked_fill(ended, END), written)
    assert torch.equal(likeliest.masked_fill(ended, END), written)


def test_a_model_learns_to_answer_by_looking(model: GoldiClip) -> None:
    """Two pictures, one question, two answers."""
    pictures = torch.stack([torch.zeros(3, 32, 32), torch.ones(3, 32, 32)])
    question, answer = framed([5, 6], [5, 6]), framed([20], [23])
    optimiser = torch.optim.AdamW(model.parameters(), lr=5e-3)
    for _ in range(40):
        optimiser.zero_grad()
        loss_of(model, question, answer, model.image_features(pictures)).backward()
        optimiser.step()
    assert model.generate(question, model.image_features(pictures)).tolist() == [[20, END], [23, END]]
