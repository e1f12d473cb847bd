"""Colours of the classes in a drawn map, which readers with and without colour blindness can tell apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

Colour = tuple[int, int, int]

# Found by maximising the smallest CIEDE2000 difference of any two of these, white, black and OTHERS: under simulated
# protanopia and deuteranopia (Machado et al. 2009), and 0.6 times that of normal vision. It is 11.7 (19.5 under normal
# vision); 18 colours have 10.6.
PALETTE: tuple[Colour, ...] = (
    (64, 224, 0),
    (128, 0, 64),
    (96, 128, 255),
    (192, 128, 0),
    (64, 32, 128),
    (96, 224, 192),
    (224, 32, 96),
    (32, 128, 96),
    (255, 224, 160),
    (32, 96, 128),
    (224, 160, 128),
    (128, 32, 255),
    (96, 96, 0),
    (32, 160, 192),
    (96, 32, 0),
    (255, 192, 255),
)
OTHERS: Colour = (150, 150, 150)  # of the classes beyond the colours of the palette


def sheet_colours(present: Sequence[int]) -> Mapping[int, Colour]:
    """Return the colour of each class of a drawing.

    The first classes have the colours of the palette, each another one; the others are grey. A class has the colour
    of its number if no earlier class has it, so that it has the same one in most drawings of a task.

    Args:
        present: the classes that occur, the most important first.
    """
    first = present[: len(PALETTE)]
    preferred = {number: number % len(PALETTE) for number in first}
    places: dict[int, int] = {}
    for number, place in preferred.items():
        if place not in places.values():
            places[number] = place
    left = iter(place for place in range(len(PALETTE)) if place not in places.values())
    for number in first:
        if number not in places:
            places[number] = next(left)
    return {number: PALETTE[places[number]] if number in places else OTHERS for number in present}
