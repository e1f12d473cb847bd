"""Every rule by which answers are judged, by hand; what published numbers depend on is tested quirk by quirk."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

import numpy as np
import pytest

from goldieval.metrics.annotators import agreement_credit
from goldieval.metrics.answer_rules import rule_names, rule_of
from goldieval.metrics.answer_text import official_form, submitted_form, without_punctuation
from goldieval.tasks.vqa_params import RuleName


def credit(rule: str, given: str, truths: Sequence[str], options: Sequence[str] = ()) -> float:
    return rule_of(rule).credit(given, truths, options)


def test_cards_know_every_rule_by_the_name_of_its_module() -> None:
    assert rule_names() == sorted(get_args(RuleName))
    kinds = {name: rule_of(name).truths for name in rule_names()}
    assert {kinds[name] for name in kinds if name.startswith(("vqa", "vizwiz"))} == {"annotators"}
    assert kinds["letter"] == "letter" and kinds["yes-no"] == "yes or no" and kinds["exact"] == "any"
    assert kinds["mme"] == kinds["mme-lmms-eval"] == "yes and no"


@pytest.mark.parametrize(
    ("answer", "official", "submitted"),
    [
        ("The Red Car.", "red car", "red car"),
        ("none", "0", "0"),
        ("Ten dogs, eleven cats", "10 dogs eleven cats", "10 dogs eleven cats"),
        ("1,000", "1000", "1000"),
        ("1,000; yes/no", "1000 yesno", "1000 yes no"),  # the comma is gone before the rest is looked at
        ("t-shirt", "t shirt", "t shirt"),
        ("t- shirt", "t shirt", "t shirt"),
        ("yes/no", "yes no", "yes no"),
        ("2.5", "2.5", "2.5"),
        ("2.", "2", "2"),
        (".5", ".5", ".5"),
        ("a.m.", "am", "am"),
        ("dont", "don't", "don't"),
        ("couldn'tve", "couldn't've", "couldn't've"),
        ("Im", "im", "im"),
        ("somebody'd", "somebodyd", "somebodyd"),
        ("dog's", "dog's", "dog 's"),
        ("what?", "what", "what"),
        ("what?ever", "what ever", "whatever"),
        ("red,blue", "red blue", "redblue"),
        ("red\tand\nblue", "red and blue", "red and blue"),
        ("A", "", ""),
        ("", "", ""),
        ("5:30", "5:30", "5:30"),
        ("don't", "don't", "don't"),
        ("ÉTÉ!", "été", "été"),
    ],
)
def test_normal_forms(answer: str, official: str, submitted: str) -> None:
    assert (official_form(answer), submitted_form(answer)) == (official, submitted)


def test_only_the_first_32_full_stops_are_removed() -> None:
    assert without_punctuation("." * 40) == "." * 8


def test_credit_of_agreement_is_the_mean_over_nine_of_ten() -> None:
    def brute(given: str, truths: Sequence[str]) -> float:
        return float(
            np.mean(
                [
                    min(1.0, sum(truth == given for at, truth in enumerate(truths) if at != left) / 3)
                    for left in range(len(truths))
                ]
            )
        )

    generator = np.random.default_rng(0)
    for _ in range(300):
        truths = generator.choice(["red", "blue", "green"], generator.integers(1, 12), p=[0.5, 0.3, 0.2]).tolist()
        assert agreement_credit("red", truths) == pytest.approx(brute("red", truths), abs=1e-12)


def test_the_official_evaluation_normalises_only_where_annotators_disagree() -> None:
    agree, disagree = ["two"] * 10, ["two"] * 7 + ["2", "2 dogs", "two."]
    assert [credit("vqa", given, agree) for given in ("two", "Two", "2", "two ")] == [1, 0, 0, 1]
    assert [credit("vqa", given, disagree) for given in ("two", "Two!", "2", "3 dogs")] == [1, 1, 1, 0]
    assert credit("vqa", "yes\n", ["yes"] * 10) == 1
    assert credit("vqa", "red", ["red "] + ["red"] * 9) == 1  # white space is no disagreement


def test_variants_of_vqa_accuracy_differ_where_they_should() -> None:
    agree = ["two"] * 10
    assert [credit(rule, "two", agree) for rule in ("vqa", "vqa-submitted", "vqa-lavis", "vqa-evalai", "vizwiz")] == [
        1,
        0,
        0,
        1,
        0,
    ]
    mixed = ["a dog"] * 9 + ["dog"]
    assert [
        credit(rule, "a dog", mixed) for rule in ("vqa", "vqa-submitted", "vqa-lavis", "vqa-evalai", "vizwiz")
    ] == pytest.approx([1, 1, 0.3, 1, 0.3])
    marked = ["red."] * 9 + ["red"]
    assert credit("vqa-lavis", "red", marked) == 1 and credit("vizwiz", "red", marked) == pytest.approx(0.3)


def test_unanswerable_is_an_answer_of_vizwiz_like_any_other() -> None:
    truths = ["unanswerable"] * 4 + ["unsuitable"] * 3 + ["coca cola", "coke", "coke"]
    assert credit("vizwiz", "Unanswerable", truths) == 1
    assert credit("vizwiz", "unsuitable.", truths) == pytest.approx(0.9)
    assert credit("vizwiz", "coke", truths) == pytest.approx(0.6)
    assert credit("vizwiz", "", truths) == 0


def test_gqa() -> None:
    assert [credit("gqa", given, ["left"]) for given in ("left", "Left.", "LEFT...", "left!", "to the left")] == [
        1,
        1,
        1,
        0,
        0,
    ]
    assert credit("gqa-lmms-eval", "Left!", ["left"]) == 1 and credit("gqa-lmms-eval", "t-shirt", ["tshirt"]) == 1


@pytest.mark.parametrize(
    ("given", "llava", "lmms_eval"),
    [
        ("B", "B", "B"),
        ("B.", "", "B"),
        ("B. mitosis", "B", "B"),
        ("B.mitosis", "", "B"),
        ("B\nbecause", "", ""),
        ("The answer is B.", "B", ""),
        ("I think. The answer is C", "", ""),
        ("I think. The answer is C!", "C", ""),
        ("The answer is C and The answer is B.", "", ""),  # two of them
        ("b", "", "B"),
        ("(B)", "", ""),
        ("Answer: B", "", ""),
        ("E", "E", "E"),
        ("F", "", "F"),
        ("", "", ""),
    ],
)
def test_letters(given: str, llava: str, lmms_eval: str) -> None:
    options = ["meiosis", "mitosis", "osmosis"]
    for rule, letter in (("letter", llava), ("letter-lmms-eval", lmms_eval)):
        assert rule_of(rule).parsed(given, options) == letter
        assert credit(rule, given, ["B"], options) == float(letter == "B")


def test_there_are_as_many_letters_as_options() -> None:
    assert rule_of("letter").parsed("The answer is G.", list("abcdefg")) == "G"


@pytest.mark.parametrize(
    ("given", "llava", "lmms_eval"),
    [
        ("Yes", "yes", "yes"),
        ("no", "no", "no"),
        ("No, there is not", "no", "no, there is not"),
        ("There is not a dog.", "no", "there is not a dog."),
        ("Yes. There is no cat", "yes", "yes. there is no cat"),
        ("no,no", "yes", "no,no"),  # without the comma it is another word
        ("NO", "yes", "no"),
        ("nothing", "yes", "nothing"),
        ("no\nyes", "yes", "no\nyes"),
        ("", "yes", ""),
    ],
)
def test_yes_and_no_of_pope(given: str, llava: str, lmms_eval: str) -> None:
    assert (rule_of("yes-no").parsed(given), rule_of("yes-no-lmms-eval").parsed(given)) == (llava, lmms_eval)
    for rule, read in (("yes-no", llava), ("yes-no-lmms-eval", lmms_eval)):
        assert [credit(rule, given, [truth]) for truth in ("yes", "no")] == [read == "yes", read == "no"]


@pytest.mark.parametrize(
    ("given", "official", "lmms_eval"),
    [
        ("Yes", "yes", "yes"),
        ("NO.", "no", "no"),
        ("yes, but no", "yes", "yes"),
        ("no yes", "no", "no"),
        ("noyes", "no", "no"),
        ("know", "no", "no"),
        ("eyes", "yes", "yes"),
        ("I see no", "other", "other"),
        ("y", "other", "yes"),
        ("N.", "other", "no"),
        ("   yes", "other", "yes"),
        ("....yes", "other", "yes"),
        ("", "other", "other"),
    ],
)
def test_yes_and_no_of_mme(given: str, official: str, lmms_eval: str) -> None:
    assert (rule_of("mme").parsed(given), rule_of("mme-lmms-eval").parsed(given)) == (official, lmms_eval)
    assert [credit("mme", given, [truth]) for truth in ("yes", "no")] == [official == "yes", official == "no"]
