"""Class names of a new card: cleaned where a folder's name is no word, with notices."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence

from goldieval.core.errors import listing
from goldieval.data.manage.wordnet import WNID, names_of_synsets

LEADING_NUMBER = re.compile(r"\d{1,5}[._\- ]+(?=[^\W\d])")
INITIAL = re.compile(r"^[a-z]/")
JOINED_WORDS = re.compile(r"(?:[A-Z][a-z]{2,}){2,}")
COCO_SUFFIX = re.compile(r"(?<=\w)-(?:(?:other-)?merged|other|stuff)$")  # of COCO's stuff: wall-other-merged
FILE_LIKE = re.compile(r".*\.(?:jpe?g|png|gif|bmp|tiff?|webp|txt|csv|json|tar)", re.IGNORECASE)


def cleaned(names: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return class names as a prompt needs them, and notices of what was changed.

    WordNet ids become the names of their classes; numbers and initials (``a/abbey``) before all names are dropped;
    underscores become spaces; and words that are written together (``AnnualCrop``) are separated. Names that would
    become equal are kept as they are.

    >>> cleaned(["001.Black_footed_Albatross", "002.Laysan_Albatross"])[0]
    ['Black footed Albatross', 'Laysan Albatross']
    """
    resolved = names_of_synsets(names) if names and all(WNID.fullmatch(name) for name in names) else {}
    found = [resolved.get(name, name) for name in names]
    numbered = all(LEADING_NUMBER.match(name) for name in found)
    filed = len(found) > 1 and all(INITIAL.match(name) for name in found)
    found = [INITIAL.sub("", name, count=1).replace("/", " ") if filed else name for name in found]
    found = [_separated(LEADING_NUMBER.sub("", name, count=1) if numbered else name) for name in found]
    often = {name for name, count in Counter(found).items() if count > 1}
    found = [name if new in often and name not in resolved else new for name, new in zip(names, found, strict=True)]
    changed = [f"{name} -> {new}" for name, new in zip(names, found, strict=True) if name != new]
    return found, [f"class names cleaned: {listing(changed)}"] if changed else []


def distinct_labels(lines: Sequence[str]) -> list[str]:
    """Return lines of names, separated by commas, of which no two begin with the same name: a label is put before.

    >>> distinct_labels(["screen, silver screen", "screen, CRT screen"])
    ['silver screen: screen, silver screen', 'CRT screen: screen, CRT screen']
    """
    first = [line.partition(",")[0].strip() for line in lines]
    often = {name for name, count in Counter(first).items() if count > 1}
    last = [line.rpartition(",")[2].strip() for line in lines]
    labels = [other if name in often else name for name, other in zip(first, last, strict=True)]
    labels = [f"{label} {labels[:row].count(label) + 1}" if label in labels[:row] else label
              for row, label in enumerate(labels)]  # fmt: skip
    return [f"{label}: {line}" if name != label else line
            for label, name, line in zip(labels, first, lines, strict=True)]  # fmt: skip


def _separated(name: str) -> str:
    words = " ".join(COCO_SUFFIX.sub("", name).replace("_", " ").split())
    return re.sub("(?<=[a-z])(?=[A-Z])", " ", words) if JOINED_WORDS.fullmatch(words) else words


def doubtful(names: Sequence[str], prompt: str) -> list[str]:
    """Return a warning about the names with which a prompt reads badly, or nothing if there are none.

    >>> doubtful(["cat", "0", "7"], "a photo of a {c}.")[0]
    "2 class names read badly in a prompt ('a photo of a 0.'): 0 (a number), 7 (a number)"
    """
    found = [(name, reason) for name in names for reason, fits in _DOUBTS.items() if fits(name)]
    first = dict(reversed(found))
    bad = [name for name in names if name in first]
    if not bad:
        return []
    many = f"{len(bad):,} class names read" if len(bad) > 1 else "a class name reads"
    shown = listing([f"{name} ({first[name]})" for name in bad])
    return [f"{many} badly in a prompt ({prompt.replace('{c}', bad[0])!r}): {shown}"]


_DOUBTS: dict[str, Callable[[str], bool]] = {
    "a WordNet id": lambda name: bool(WNID.fullmatch(name)),
    "a file name": lambda name: bool(FILE_LIKE.fullmatch(name)),
    "a number": lambda name: bool(re.fullmatch(r"[+-]?[\d\s.,]+", name)),
    "a numbered class": lambda name: bool(re.fullmatch(r"(?:class|label|category|c|cls)[ _-]?\d+", name, re.I)),
    "one letter": lambda name: len(name.strip()) == 1,
    "no letters": lambda name: not any(letter.isalnum() for letter in name),
    "an id": lambda name: bool(re.fullmatch(r"(?=.*\d)[0-9a-f]{8,}", name, re.I)),
}
