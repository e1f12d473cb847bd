"""Whether a tokenizer was made for English alone, and what records, screens and tables say of other languages."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from helpers import card, goldieval, json_lines, picture, toy_model
from open_clip.tokenizer import SimpleTokenizer

from goldieval import evaluate
from goldieval.models.languages import SENTENCES, unread_languages

MULTILINGUAL = """
    def count_tokens(self, texts):
        return [2 + len(text) // 3 for text in texts]
"""
LANGUAGES = ["en", "de", "zh"]


def clip(texts: Sequence[str]) -> list[int]:
    return [len(SimpleTokenizer().encode(text)) + 2 for text in texts]


def test_the_tokenizer_of_clip_reads_english_alone() -> None:
    assert unread_languages(["en"], clip) == []
    assert unread_languages([*LANGUAGES, "sw", "ru"], clip) == ["de", "zh", "sw", "ru"]


def test_a_multilingual_tokenizer_reads_all() -> None:
    """About what one of 131,000 tokens needs: 0.3 to 0.6 tokens per letter, 1 per Chinese character."""
    measured = {"ar": 0.31, "el": 0.39, "hi": 0.34, "ja": 0.68, "ko": 0.53, "ru": 0.29, "th": 0.54, "zh": 1.0}

    def count(texts: Sequence[str]) -> list[int]:
        assert list(texts) == list(SENTENCES.values())
        return [2 + round(len(text) * measured[name]) for name, text in SENTENCES.items()]

    assert unread_languages([*LANGUAGES, *SENTENCES, "sw"], count) == []


def test_a_tokenizer_of_european_languages_lacks_those_it_does_not_know() -> None:
    """As Mistral's first: Russian is known, so that German, which has no sentence, is not doubted."""
    assert unread_languages(["de", "ru", "zh", "th"], lambda texts: [
        2 + round(len(text) * (0.37 if name == "ru" else 1.3)) for name, text in SENTENCES.items()
    ]) == ["zh", "th"]  # fmt: skip


def test_words_that_become_the_mark_of_the_unknown_are_not_read() -> None:
    assert unread_languages(["de", "zh"], lambda texts: [3] * len(texts)) == ["de", "zh"]


def test_a_model_that_cannot_count_tokens_is_not_judged() -> None:
    assert unread_languages(["zh"], lambda texts: None) == []


@pytest.fixture
def task(tmp_path: Path) -> Path:
    """Three images with a caption in three languages each."""
    rows = [{"image": f"{row}.png", **{name: f"{name} {row}" for name in LANGUAGES}} for row in range(3)]
    json_lines(tmp_path / "data" / "captions.jsonl", rows)
    for row in range(3):
        picture(tmp_path / "data" / f"{row}.png", row)
    source = {"file": "captions.jsonl", "languages": LANGUAGES}
    params = {"k": [1], "languages": LANGUAGES}
    return card(tmp_path, "language-table", "retrieval", source=source, params=params, headline="t2i_macro_r1")


def test_a_result_on_languages_that_the_tokenizer_does_not_know_says_so(task: Path, tmp_path: Path) -> None:
    (record,) = evaluate("goldiclip", str(task), out=tmp_path / "results", cache=False)
    assert record.status == "ok", record.reason
    assert record.task.unread_languages == ["de", "zh"]
    note = "the model's tokenizer was not made for these languages: de, zh"
    assert record.warnings[0].startswith(note)
    assert {"t2i_r1_de", "i2t_r1_zh", "t2i_macro_r1", "i2t_macro_r1", "t2i_r1"} <= set(record.metrics)
    shown = " ".join(goldieval("show", str(tmp_path / "results")).out.split())
    assert note in shown
    table = goldieval("table", "--out", str(tmp_path / "results"), "--tasks-dir", str(task.parent))
    assert note in " ".join(table.out.split()), table.out + table.err


def test_a_model_with_a_multilingual_tokenizer_gets_no_note(task: Path, tmp_path: Path) -> None:
    spec = toy_model(tmp_path)
    file = Path(spec.removesuffix(":load"))
    source = file.read_text()
    place = source.index("    def encode_text")
    file.write_text(source[:place] + MULTILINGUAL.lstrip("\n") + "\n" + source[place:])
    (record,) = evaluate(spec, str(task), out=None, cache=False)
    assert record.status == "ok" and record.task.unread_languages == []
    assert not any("tokenizer" in line for line in record.warnings)
