"""``goldieval ls models``: checkpoints that can be named, by family, with what is known of each."""

from __future__ import annotations

import fnmatch
import glob
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from goldieval.core.display import Console, Text, print_json
from goldieval.core.errors import GoldievalError, did_you_mean

if TYPE_CHECKING:
    from goldieval.models.listing import ListedModel

UNKNOWN = "unknown"
LEAST_LICENCE = 12
HEADS = ("training images", "parameters", "px", "licence")


@dataclass(frozen=True)
class ModelFilters:
    """Which models are listed; an empty text is no filter.

    Attributes:
        pattern: glob over specs or names, or a part of them.
        family: family of the model.
        data: part of the name of the training data, or of the weights.
        licence: part of the licence.
        max_parameters: largest number of parameters, such as ``200M``.
        max_images: largest number of training images.
    """

    pattern: str = "*"
    family: str = ""
    data: str = ""
    licence: str = ""
    max_parameters: str = ""
    max_images: str = ""

    def refuse(self, what: str, allowed: Sequence[str]) -> None:
        """Raise GoldievalError for a filter of models that is given with another list."""
        for name, value in asdict(self).items():
            if value and name not in ("pattern", *allowed):
                raise GoldievalError(f"--{name.replace('_', '-')} does not apply to ls {what}, only to ls models.")

    def select(self, models: Sequence[ListedModel]) -> tuple[list[ListedModel], int]:
        """Return the models that match, and the number of those that may match but whose number is unknown."""
        from goldieval.models.listing import parse_count

        named = [each for each in models if self._matches(each)]
        parameters = parse_count(self.max_parameters, "--max-parameters") if self.max_parameters else None
        images = parse_count(self.max_images, "--max-images") if self.max_images else None
        kept, unknown = [], 0
        for each in named:
            values = [(each.parameters, parameters), (each.image_count, images)]
            if any(value is not None and most is not None and value > most for value, most in values):
                continue
            if any(value is None and most is not None for value, most in values):
                unknown += 1
                continue
            kept.append(each)
        return kept, unknown

    def _matches(self, model: ListedModel) -> bool:
        texts = ((self.data, f"{model.images} {model.model}"), (self.licence, model.licence))
        return (
            (not self.family or model.family == self.family)
            and _matches_name(self.pattern.casefold(), model.model.casefold())
            and all(part.casefold() in text.casefold() for part, text in texts)
        )


def list_models(filters: ModelFilters, json_: bool) -> None:
    """Print the models that match.

    Raises:
        GoldievalError: a filter is invalid, or there is no such family.
    """
    from goldieval.models.listing import listed_models
    from goldieval.tasks.plugins import describe_family, model_families

    families = model_families()
    if filters.family and filters.family not in families:
        near = did_you_mean(filters.family, families)
        raise GoldievalError(f"no model family {filters.family!r}.{near} See: goldieval ls families")
    models, unknown = filters.select(listed_models())
    if json_:
        print_json([asdict(each) | {"image_count": each.image_count} for each in models])
        return
    console = Console()
    every = filters == ModelFilters()
    for name, point in sorted(families.items()):
        own = [each for each in models if each.family == name]
        if own or every:
            _print_family(console, name, describe_family(point), own)
    if not models:
        console.print("no models match")
    if unknown:
        console.print(f"left out: {unknown:,} whose number is unknown")
    console.print("every fact with its source: goldieval ls models --json", style="dim")


def _matches_name(pattern: str, spec: str) -> bool:
    """Return whether a pattern matches a spec or its part after the family; without wildcards, a part suffices."""
    if not glob.has_magic(pattern):
        return pattern in spec
    return fnmatch.fnmatchcase(spec, pattern) or fnmatch.fnmatchcase(spec.partition(":")[2], pattern)


def _print_family(console: Console, name: str, description: str, models: Sequence[ListedModel]) -> None:
    console.print(Text.assemble((name, "bold"), f"  {description}"))
    names = [each.model for each in models]
    rows = [_facts(each) for each in models]
    for line in _lines(names, rows, console.width):
        console.print(Text(line), soft_wrap=True)
    console.print()


def _facts(model: ListedModel) -> tuple[str, str, str, str]:
    """Return the cells of a model beside its name, in the order of ``HEADS``."""
    parameters = UNKNOWN if model.parameters is None else f"{model.parameters / 1e6:,.0f} M"
    resolution = UNKNOWN if model.resolution is None else str(model.resolution)
    return model.images, parameters, resolution, model.licence


def _lines(names: Sequence[str], rows: Sequence[tuple[str, str, str, str]], width: int) -> Iterator[str]:
    """Yield the lines of a table: one for each model if all of them fit the window, else its name above the facts."""
    if not names:
        return
    table = [HEADS, *rows]
    widths = [max(len(row[column]) for row in table) for column in range(len(HEADS))]
    longest = max(map(len, names))
    if 9 + sum(widths[:3]) + LEAST_LICENCE > width:
        yield from _prose(names, rows, width)
        return
    fits = 2 + longest + sum(widths) + len(HEADS) <= width
    indent, room = (longest + 3, widths[3]) if fits else (6, max(width - 9 - sum(widths[:3]), LEAST_LICENCE))
    for name, (images, parameters, resolution, licence) in zip(["", *names], table, strict=True):
        cells = f"{images:<{widths[0]}} {parameters:>{widths[1]}} {resolution:>{widths[2]}}"
        if name and not fits:
            yield f"  {name}"
        start = f"  {name}".ljust(indent) if fits else " " * indent
        head, *rest = textwrap.wrap(licence, room)
        yield f"{start}{cells} {head}"
        yield from (f"{' ' * (indent + len(cells))} {line}" for line in rest)


def _prose(names: Sequence[str], rows: Sequence[tuple[str, str, str, str]], width: int) -> Iterator[str]:
    """Yield the lines of a list for a narrow window."""
    for name, row in zip(names, rows, strict=True):
        yield f"  {name}"
        facts = "; ".join(f"{head}: {value}" for head, value in zip(HEADS, row, strict=True))
        yield from textwrap.wrap(facts, width, initial_indent="    ", subsequent_indent="    ")
