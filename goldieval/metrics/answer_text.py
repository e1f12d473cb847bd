"""Normal forms of short answers, as the official evaluation of VQA and the clean-up before its submissions make them.

Both are reproduced with their quirks, because published numbers depend on them:

- a punctuation mark is removed where it stands beside a space anywhere in the answer, or where the answer has a number
  like ``1,000``; otherwise a space takes its place;
- a full stop is removed unless a digit follows, but only the first 32 of an answer (the official code passes a flag in
  the place of a count);
- ``none`` becomes ``0``, as ``zero`` does; numbers above ten stay words;
- an apostrophe is put back into words such as ``dont``, but not into ``im``, ``ive`` and ``id've``, which stand in the
  official table with a capital that no answer has after lower-casing; ``somebody'd`` loses its apostrophe.

Sources: ``vqaEval.py`` of GT-Vision-Lab/VQA; ``EvalAIAnswerProcessor`` of facebookresearch/mmf, which LLaVA and
lmms-eval use.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

PUNCTUATION = ';/[]"{}()=+\\_-><@`,?!'
ARTICLES = {"a", "an", "the"}
DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
NUMBERS = {"none": "0"} | {word: str(number) for number, word in enumerate(DIGITS)}
SHORT_FORMS = (
    "ain't aren't can't could've couldn't couldn't've didn't doesn't don't hadn't hadn't've hasn't haven't he'd "
    "he'd've he's how'd how'll how's isn't it'd it'd've it'll ma'am mightn't mightn't've might've mustn't must've "
    "needn't not've o'clock oughtn't 'ow's'at shan't she'd've should've shouldn't shouldn't've somebody'd've "
    "somebody'll somebody's someone'd someone'd've someone'll someone's something'd something'd've something'll "
    "that's there'd there'd've there're there's they'd they'd've they'll they're they've 'twas wasn't we'd've we've "
    "weren't what'll what're what's what've when's where'd where's where've who'd who'd've who'll who's who've why'll "
    "why're why's won't would've wouldn't wouldn't've y'all y'all'd've y'all'll you'd you'd've you'll you're you've"
)
FULL_STOP = re.compile(r"\.(?!\d)")
FULL_STOPS = 32
GROUPED_DIGITS = re.compile(r"\d,\d")
REMEMBERED = 1 << 15  # answers repeat: most of the 2 million of VQAv2's validation split are among a few thousand


def _misspelt() -> Iterator[tuple[str, str]]:
    """Yield every short form that lacks one of its apostrophes, with its right form."""
    for word in SHORT_FORMS.split():
        yield from ((word[:at] + word[at + 1 :], word) for at, letter in enumerate(word) if letter == "'")


APOSTROPHES = dict(_misspelt()) | {"somebody'd": "somebodyd"}


def one_line(answer: str) -> str:
    """Return an answer without line breaks, tabs and surrounding white space."""
    return answer.replace("\n", " ").replace("\t", " ").strip()


def without_punctuation(answer: str) -> str:
    """Return an answer without punctuation, see above.

    >>> without_punctuation("yes, it is."), without_punctuation("10,000"), without_punctuation("t-shirt")
    ('yes it is', '10000', 't shirt')
    """
    grouped, left = GROUPED_DIGITS.search(answer) is not None, answer
    for mark in PUNCTUATION:
        beside_space = f"{mark} " in answer or f" {mark}" in answer
        left = left.replace(mark, "" if beside_space or grouped else " ")
    return FULL_STOP.sub("", left, count=FULL_STOPS)


def plain_words(answer: str) -> str:
    """Return an answer in lower case, without articles, with digits for numbers up to ten and with apostrophes.

    >>> plain_words("The two dogs dont bark")
    "2 dogs don't bark"
    """
    numbered = (NUMBERS.get(word, word) for word in answer.lower().split())
    return " ".join(APOSTROPHES.get(word, word) for word in numbered if word not in ARTICLES)


@lru_cache(REMEMBERED)
def official_form(answer: str) -> str:
    """Return the normal form of an answer by the official evaluation of VQA."""
    return plain_words(without_punctuation(one_line(answer)))


@lru_cache(REMEMBERED)
def submitted_form(answer: str) -> str:
    """Return an answer as LLaVA and lmms-eval clean it before they submit or compare it.

    Commas and question marks are removed and ``'s`` becomes a word of its own before the official normal form is taken.

    >>> submitted_form("It's the dog's, 2"), official_form("It's the dog's, 2")
    ("it 's dog 's 2", "it's dog's 2")
    """
    marked = answer.lower().replace(",", "").replace("?", "").replace("'s", " 's")
    return official_form(marked)
