"""Which languages a tokenizer was made for, measured by how many tokens it needs for a sentence.

A tokenizer of English alone splits other scripts into bytes (one to two tokens per letter) or replaces them by a mark
for the unknown (hardly any token). What it knows takes about one token per Chinese character, and one for several
letters of an alphabet. Measured: the tokenizer of CLIP needs 0.8 to 2.1 tokens per character for the sentences below, a
multilingual one of 131,000 tokens 0.3 to 0.5 for alphabets and 0.7 to 1.0 for Chinese and Japanese.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

# The beginning of article 1 of the Universal Declaration of Human Rights.
SENTENCES = {
    "ar": "يولد جميع الناس أحرارا متساوين في الكرامة والحقوق",
    "el": "Όλοι οι άνθρωποι γεννιούνται ελεύθεροι και ίσοι στην αξιοπρέπεια και τα δικαιώματα",
    "hi": "सभी मनुष्यों को गौरव और अधिकारों के मामले में जन्मजात स्वतन्त्रता और समानता प्राप्त है",
    "ja": "すべての人間は、生まれながらにして自由であり、かつ、尊厳と権利とについて平等である",
    "ko": "모든 인간은 태어날 때부터 자유로우며 그 존엄과 권리에 있어 동등하다",
    "ru": "Все люди рождаются свободными и равными в своем достоинстве и правах",
    "th": "มนุษย์ทั้งหลายเกิดมามีอิสระและเสมอภาคกันในเกียรติศักดิ์และสิทธิ",
    "zh": "人人生而自由,在尊严和权利上一律平等",
}
FEWEST, MOST = 0.12, 0.75  # tokens per character of a language that a tokenizer knows
MOST_OF = {"ja": 1.2, "zh": 1.2}  # whose characters are syllables and words
ENDS = 2  # tokens for start and end
ENGLISH = "en"

Counter = Callable[[Sequence[str]], "list[int] | None"]


def unread_languages(languages: Sequence[str], count_tokens: Counter) -> list[str]:
    """Return those of some languages that a tokenizer was not made for; none if it cannot be asked.

    A language without a sentence of its own counts as unread if the tokenizer knows none of the sentences: then it was
    made for English alone.

    Args:
        languages: codes of languages.
        count_tokens: returns the number of tokens of each text, or None if that is unknown.
    """
    others = [language for language in languages if language != ENGLISH]
    if not others or not (counts := count_tokens(list(SENTENCES.values()))):
        return []
    known = {language: _is_known(language, count) for language, count in zip(SENTENCES, counts, strict=True)}
    english_only = not any(known.values())
    return [language for language in others if not known.get(language, not english_only)]


def _is_known(language: str, tokens: int) -> bool:
    share = (tokens - ENDS) / len(SENTENCES[language])
    return FEWEST < share < MOST_OF.get(language, MOST)
