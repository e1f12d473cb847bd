"""The JSON of a sample: caption fields as sentences, questions in ``vqa``, groups of ``foils``."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar, overload

from PIL import Image

from goldieval.data.derive.sentences import sentences_of
from goldieval.data.table_files import LIST, MISSING, is_missing
from goldieval.data.text_files import LONE_SURROGATE
from goldieval.goldiclip.data.corpus import Bad, BadSampleError, Ids, Sample
from goldieval.goldiclip.tokenizer import Tokenizer

# DreamLIP's seven caption fields, in the order in which FLAIR joins them.
DREAMLIP = (
    "raw_caption",
    *("shortIB_captions", "longIB_captions"),  # InstructBLIP
    *("shortSV_captions", "longSV_captions"),  # ShareGPT4V
    *("shortLLA_captions", "longLLA_captions"),  # LLaVA-1.5
)
FIELDS = ("caption", "captions", *DREAMLIP)

T = TypeVar("T")


class Lazy(Sequence[T], Generic[T]):
    """Items that are made when they are accessed: a batch needs few of an image's sentences as token ids."""

    def __init__(self, items: Sequence[Any], make: Callable[[Any], T]) -> None:
        self._items, self._make = items, make

    def __len__(self) -> int:
        return len(self._items)

    @overload
    def __getitem__(self, place: int) -> T: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[T]: ...
    def __getitem__(self, place: int | slice) -> T | Sequence[T]:
        if isinstance(place, slice):
            return Lazy(self._items[place], self._make)
        return self._make(self._items[place])


def sample_of(
    where: str,
    text: bytes,
    picture: Callable[[dict[str, Any]], Image.Image],
    fields: Sequence[str],
    tokenizer: Tokenizer,
) -> Sample:
    """Make a sample from its JSON and its picture.

    Args:
        where: File, and key or line, for messages.
        text: The JSON.
        picture: Reads the picture, given the parsed JSON.
        fields: Caption fields.
        tokenizer: Turns texts into token ids.

    Raises:
        BadSampleError: JSON, captions or picture cannot be used.
    """
    entry = parsed(where, text)
    own_sentences, bad = sentences(where, entry, fields, tokenizer)
    own_questions, bad_questions = questions(where, entry, tokenizer)
    own_foils, bad_foils = foils(where, entry, tokenizer)
    return Sample(picture(entry), own_sentences, own_questions, bad + bad_questions + bad_foils, own_foils)


def parsed(where: str, text: bytes) -> dict[str, Any]:
    """Return the JSON object of a sample.

    Raises:
        BadSampleError: The JSON is broken, or is not an object.
    """
    try:
        entry = json.loads(text)
    except (ValueError, RecursionError) as error:  # broken, not UTF-8, or nested without end
        reason = f"{error.msg} at character {error.pos + 1}" if isinstance(error, json.JSONDecodeError) else str(error)
        raise BadSampleError(where, "broken JSON", reason) from error
    if not isinstance(entry, dict):
        raise BadSampleError(where, "broken JSON", "it is not an object with fields")
    if not _is_unicode(text, entry):
        raise BadSampleError(where, "broken text", "half of a surrogate pair, which is not Unicode")
    return entry


def _is_unicode(text: bytes, entry: dict[str, Any]) -> bool:
    r"""Return False where a text holds half of a surrogate pair, which only an escape (``\ud83d``) can produce."""
    return b"\\ud" not in text.lower() or not LONE_SURROGATE.search(json.dumps(entry, ensure_ascii=False))


def sentences(
    where: str, entry: dict[str, Any], fields: Sequence[str], tokenizer: Tokenizer
) -> tuple[Sequence[Ids], list[Bad]]:
    """Return the sentences of all caption fields that a sample has; a field holds a text, or a list of texts.

    Args:
        where: File, and key or line, for messages.
        entry: The JSON of the sample.
        fields: Caption fields.
        tokenizer: Turns texts into token ids.

    Returns:
        Token ids of the sentences, and the texts that were left out.

    Raises:
        BadSampleError: No field holds a sentence.
    """
    found: list[str] = []
    bad: list[Bad] = []
    for name in fields:
        value = entry.get(name)
        for text in value if isinstance(value, list) else [value]:
            if isinstance(text, str) and text.strip() in MISSING:
                bad.append(Bad(where, "placeholder instead of a caption", f"{text.strip()!r} in {name}"))
            elif isinstance(text, str) and LIST.fullmatch(text.strip()):
                bad.append(Bad(where, "a list written as text", f"in {name}"))
            elif isinstance(text, str):
                found += sentences_of(text)
            elif text is not None:
                bad.append(Bad(where, "caption that is not a text", f"in {name}"))
    if not found:
        if bad:
            raise BadSampleError(where, "no caption", f"{bad[0].kind}, {bad[0].what}")
        raise BadSampleError(where, "no caption", f"its fields are {', '.join(map(str, entry)) or 'none'}")
    return Lazy(found, tokenizer.ids), bad


def questions(where: str, entry: dict[str, Any], tokenizer: Tokenizer) -> tuple[Sequence[tuple[Ids, Ids]], list[Bad]]:
    """Return the token ids of the pairs in ``vqa``, and those that were left out because a part is empty."""
    pairs = entry.get("vqa")
    found: list[tuple[str, str]] = []
    bad: list[Bad] = []
    if pairs is not None and not isinstance(pairs, list):
        bad.append(Bad(where, "vqa that is not a list", f"it is {str(pairs)[:40]!r}"))
        pairs = None
    for number, pair in enumerate(pairs or (), start=1):
        question, answer = (_text(pair, side) for side in ("question", "answer"))
        if question and answer:
            found.append((question, answer))
        else:
            bad.append(Bad(where, "empty answer" if question else "empty question", f"pair {number} of vqa"))
    return Lazy(found, lambda pair: (tokenizer.ids(pair[0]), tokenizer.ids(pair[1]))), bad


def foils(where: str, entry: dict[str, Any], tokenizer: Tokenizer) -> tuple[Sequence[Sequence[Ids]], list[Bad]]:
    """Return the token ids of the lists in ``foils``, each a true caption and its foils, and those that are no such."""
    given = entry.get("foils")
    if given is None:
        return (), []
    found: list[list[str]] = []
    bad: list[Bad] = []
    for number, texts in enumerate(given if isinstance(given, list) else [given], start=1):
        are_texts = isinstance(texts, list) and all(isinstance(text, str) and text.strip() for text in texts)
        if are_texts and len(texts) > 1:
            found.append(texts)
        else:
            bad.append(Bad(where, "foils that are not captions", f"list {number}: {str(texts)[:40]!r}"))
    return Lazy(found, lambda texts: [tokenizer.ids(text) for text in texts]), bad


def _text(pair: Any, side: str) -> str:
    """Return the question or the answer of a pair as text; an answer may be a number."""
    value = pair.get(side) if isinstance(pair, dict) else None
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return "" if is_missing(value) else str(value)
    return value.strip() if isinstance(value, str) else ""
