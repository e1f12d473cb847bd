"""Search for a model in a file by its own tensor names, whatever containers and wrappers it is nested in.

A file may contain several (student and teacher, a model and its moving average): FILE#NAME selects one.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from goldieval.core.errors import GoldievalError
from model_adapters.tensors import TensorFile

if TYPE_CHECKING:
    import torch

# Parts of a name added by wrappers of torch, DeepSpeed or FSDP.
TRANSPARENT = {"module", "_orig_mod", "_forward_module", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"}
AVERAGED = re.compile("ema|teacher|momentum|swa|averag|target|shadow")
WHOLE = 0.6  # fraction of the best prefix's names; a single tower has fewer, because both towers use the same names


@dataclass(frozen=True)
class UnwrappedModel:
    """A model found in a file.

    Attributes:
        state: Tensors by the model's own names.
        extra: Other tensors with the same prefix.
        container: Mappings and lists of the file around the model, as a path.
        prefix: What wrappers put before all names.
        others: Further models in the file.
        beside: Tensors that belong to no model.
        skipped: Optimiser state.
    """

    state: dict[str, torch.Tensor]
    extra: dict[str, torch.Tensor]
    container: str = ""
    prefix: str = ""
    others: list[str] = field(default_factory=list)
    beside: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)


def find_model(stored: TensorFile, layouts: Sequence[Mapping[str, str]], part: str = "") -> UnwrappedModel:
    """Return the model of a file in the layout that fits best.

    Args:
        stored: The file.
        layouts: Mappings from names in a file to names in the model; all names are required, except those that the
            caller can do without.
        part: A part of the prefix, if the file contains several models; overridden by the part after ``#`` in the spec.

    Raises:
        GoldievalError: There are several models and none is named, or none of that name. An incomplete model is
            returned, because the caller knows what may be missing.
    """
    tries = [(layout, _prefixes(stored.tensors, layout)) for layout in layouts]
    layout, counts = max(tries, key=lambda each: max(each[1].values(), default=0))
    if not counts:
        return UnwrappedModel({}, {}, beside=list(stored.tensors), skipped=stored.skipped)
    models = _models(counts, len(layout))
    if wanted := stored.part or part:
        chosen = _only(_named(models, wanted), stored, f"no {wanted}, only {_names(models)}")
    else:
        chosen = _default(models, stored, layout)
    return _cut(chosen, models, stored, layout)


def _models(counts: Counter[str], whole: int) -> list[str]:
    """Return the prefixes of complete models; if there are none, the prefix with most of the names."""
    most = max(counts.values())
    if most < WHOLE * whole:
        return [min((prefix for prefix in counts if counts[prefix] == most), key=len)]
    return [prefix for prefix, count in counts.items() if count > WHOLE * most]


def _cut(chosen: str, models: list[str], stored: TensorFile, layout: Mapping[str, str]) -> UnwrappedModel:
    """Return the tensors of one prefix, without those of other models nested below it."""
    others = [prefix for prefix in models if prefix != chosen]
    deeper = tuple(prefix for prefix in others if prefix.startswith(chosen))
    plain = _plain_names(stored.tensors, layout)
    own = {
        name.removeprefix(chosen): raw
        for raw, name in plain.items()
        if name.startswith(chosen) and not (deeper and name.startswith(deeper))
    }
    state = {layout[name]: stored.tensors[raw] for name, raw in own.items() if name in layout}
    around = next(
        (raw.removesuffix(name) for name, raw in own.items() if name in layout and raw.endswith(name)), chosen
    )
    container = max((path for path in stored.containers if around.startswith(path)), key=len, default="")
    return UnwrappedModel(
        state,
        {name: stored.tensors[raw] for name, raw in own.items() if name not in layout},
        container.rstrip("."),
        around.removeprefix(container),
        [_label(prefix) for prefix in others],
        [raw for raw, name in plain.items() if not name.startswith(tuple(models))],
        stored.skipped,
    )


def _prefixes(names: Collection[str], layout: Mapping[str, str]) -> Counter[str]:
    """Count the names of the layout after each prefix that has any."""
    counts: Counter[str] = Counter()
    for name in _plain_names(names, layout).values():
        counts.update(prefix for prefix, rest in _splits(name) if rest in layout)
    return counts


def _splits(name: str) -> Iterator[tuple[str, str]]:
    """Yield the splits of ``"a.b"`` into prefix and rest: ``("", "a.b")`` and ``("a.", "b")``."""
    yield "", name
    for dot in re.finditer(r"\.", name):
        yield name[: dot.end()], name[dot.end() :]


def _plain_names(names: Collection[str], layout: Mapping[str, str]) -> dict[str, str]:
    """Return each name without the marks of wrappers; all unchanged if two names would become equal."""
    drop = TRANSPARENT - {part for name in layout for part in name.split(".")}
    plain = {name: ".".join(part for part in name.split(".") if part not in drop) for name in names}
    return plain if len(set(plain.values())) == len(plain) else {name: name for name in names}


def _default(models: list[str], stored: TensorFile, layout: Mapping[str, str]) -> str:
    """Return the only model, or the only one that is not an average or teacher, or one of several identical ones."""
    trained = [prefix for prefix in models if not AVERAGED.search(prefix)]
    if len(models) > 1 and len(trained) != 1 and _same(models, stored, layout):
        return models[0]
    return _only(trained if len(trained) == 1 else models, stored, "no model")


def _only(prefixes: list[str], stored: TensorFile, none: str) -> str:
    if len(prefixes) == 1:
        return prefixes[0]
    if not prefixes:
        raise GoldievalError(f"{stored.file} holds {none}.")
    raise GoldievalError(
        f"{stored.file} holds {len(prefixes)} models, {_names(prefixes)}. "
        f"Name one after the file, as in {stored.file.name}#{_label(prefixes[0])}"
    )


def _same(models: list[str], stored: TensorFile, layout: Mapping[str, str]) -> bool:
    import torch

    first, *rest = (_cut(prefix, models, stored, layout).state for prefix in models)
    return all(
        other.keys() == first.keys() and all(torch.equal(part, other[name]) for name, part in first.items())
        for other in rest
    )


def _named(prefixes: list[str], wanted: str) -> list[str]:
    """Return the prefixes that a word refers to: equal to it, else with a part equal to it, else containing it."""
    meant = [
        [prefix for prefix in prefixes if _label(prefix) == wanted.strip(".")],
        [prefix for prefix in prefixes if wanted in prefix.split(".")],
        [prefix for prefix in prefixes if wanted in prefix],
    ]
    return next((found for found in meant if found), [])


def _label(prefix: str) -> str:
    return prefix.rstrip(".") or "top"


def _names(prefixes: list[str]) -> str:
    return " and ".join(_label(prefix) for prefix in prefixes)


def without(found: UnwrappedModel, harmless: Collection[str]) -> UnwrappedModel:
    """Remove extra tensors that are known not to matter, given by the last part of their name."""
    extra = {name: part for name, part in found.extra.items() if name.rpartition(".")[2] not in harmless}
    return replace(found, extra=extra)
