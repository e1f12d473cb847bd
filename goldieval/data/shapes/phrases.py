"""English phrases for objects, relations and backgrounds, with synonyms."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

from goldieval.data.shapes.dice import chance, choose
from goldieval.data.shapes.meaning import ObjectDescription
from goldieval.data.shapes.world import Background

SIZE_WORDS = {"small": ("small", "little", "tiny"), "large": ("large", "big", "huge")}
FILL_WORDS = {"solid": ("solid", "filled"), "striped": ("striped", "stripy"), "outlined": ("outlined", "hollow")}
NOUNS_FOR_ANY_SHAPE = ("object", "shape", "figure")
RELATION_WORDS = {
    "left of": ("to the left of", "left of"),
    "right of": ("to the right of", "right of"),
    "above": ("above", "higher than"),
    "below": ("below", "lower than"),
}
TEXTURE_PHRASES = {
    "plain": ("plain {}", "uniform {}"),
    "gradient": ("{} gradient", "fading {}"),
    "speckled": ("speckled {}", "{} with speckles"),
    "striped": ("striped {}", "{} with stripes"),
}


def noun_phrase(rng: random.Random, wanted: ObjectDescription, synonyms: bool = True) -> str:
    """Return the object without an article, for example "small striped red star in the top left"."""

    def word(table: Mapping[str, tuple[str, ...]], key: str) -> str:
        return choose(rng, table[key]) if synonyms else table[key][0]

    size = [word(SIZE_WORDS, wanted.size)] if wanted.size else []
    look = [word(FILL_WORDS, wanted.fill)] if wanted.fill else []
    colour = [wanted.colour] if wanted.colour else []
    swapped = synonyms and chance(rng, 0.3)
    adjectives = size + (colour + look if swapped else look + colour)
    noun = wanted.shape or (choose(rng, NOUNS_FOR_ANY_SHAPE) if synonyms else NOUNS_FOR_ANY_SHAPE[0])
    place = [f"in the {wanted.place}"] if wanted.place else []
    return " ".join([*adjectives, noun, *place])


def plural_phrase(rng: random.Random, wanted: ObjectDescription) -> str:
    """Return the plural without an article; the description does not mention the place."""
    phrase = noun_phrase(rng, wanted, synonyms=False)
    return phrase + ("es" if phrase.endswith("s") else "s")


def a(phrase: str) -> str:
    return f"{'an' if phrase[0] in 'aeiou' else 'a'} {phrase}"


def each_with_article(wanted: Sequence[ObjectDescription], phrases: Sequence[str]) -> list[str]:
    """Prefix each phrase by "a" or "an", or by "another" if the same description occurred before."""
    repeated = [one in wanted[:i] for i, one in enumerate(wanted)]
    return [f"another {phrase}" if again else a(phrase) for phrase, again in zip(phrases, repeated, strict=True)]


def joined(parts: Sequence[str]) -> str:
    """Return "a", "a and b" or "a, b and c"."""
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def relation_phrase(rng: random.Random, relation: str) -> str:
    return choose(rng, RELATION_WORDS[relation])


def background_phrase(rng: random.Random, background: Background) -> str:
    """Return for example "speckled beige" or "beige with speckles"."""
    return choose(rng, TEXTURE_PHRASES[background.texture]).format(background.colour)


def sentence(text: str) -> str:
    return text[0].upper() + text[1:] + "."
