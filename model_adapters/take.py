"""Loading of a model that was found in a file, and one line on what was taken and what was left.

Tensors of modules that only training uses are left out by their names; any other tensor too many is an error.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from goldieval.core.errors import GoldievalError, listing
from goldieval.models.temperature import UNKNOWN
from model_adapters.fill import fill
from model_adapters.unwrap import TRANSPARENT, UnwrappedModel

if TYPE_CHECKING:
    import torch

SHOWN = 6
BIAS, SCALE = "logit_bias", "logit_scale"  # cosines need neither
TRAINING_ONLY = re.compile(
    r"((cls|class|classification|linear|lm|mlm|mim|itm|dino|ibot|aux|ssl)_)?heads?|(linear_)?(classifier|probe)|"
    r"predictor|(.*_)?queue(_.*)?|(.*_)?(momentum|teacher|ema)(_.*)?|.*_m|"  # self-supervision, copies of the towers
    r"text_decoder|cap_fq|num_samples|"  # SuperCLIP: token classifier and document frequencies
    r"(text_)?attn_cross_pool|(image|text)_token_mapping|distill_logit_scale"  # COSMOS: cross-modal distillation
)


@dataclass(frozen=True)
class Source:
    """Where a model comes from.

    Attributes:
        file: The file.
        found: The model in it.
        drop: Beginnings of names that the user left out with the option ``drop``.
    """

    file: Path
    found: UnwrappedModel
    drop: Sequence[str] = ()


def take(
    module: Any, state: Mapping[str, torch.Tensor], source: Source, name: str, hint: str = "", also: int = 0
) -> str:
    """Load a state dict into a module.

    Args:
        module: The module.
        state: All tensors of the model in the file, by the module's names.
        source: Where they come from.
        name: Name of the module, for error messages.
        hint: What to do if they do not fit.
        also: Number of tensors of the same model that the caller loads.

    Returns:
        What was taken and what was left.

    Raises:
        GoldievalError: Tensors are missing, too many, of another shape, not real numbers, NaN or infinite; or the
            user dropped what the model needs, or what the file does not have.
    """
    own = module.state_dict()
    extra = [each for each in state if each not in own]
    dropped = {each for each in extra if _is_below(each, source.drop) or _is_training_only(each, own)}
    if unbiased := BIAS in extra:
        dropped.add(BIAS)
    _check_drop(source, extra, own)
    more = [each for each in extra if each not in dropped]
    needed = {each: part for each, part in state.items() if each in own}
    added = _usual_scalars(needed, own)
    if more and not hint and len(needed | added) == len(own):
        hint = f" If the embeddings do not need {_branch(more[0], own)}, write ::drop={_branch(more[0], own)}"
    fill(module, needed | added, more, source.file, name, hint)
    if SCALE in added:
        setattr(module, UNKNOWN, True)
    left = [*_counted(_branch(each, own) for each in extra if each in dropped and each != BIAS), *_beside(source.found)]
    return "; ".join(
        part
        for part in (
            f"took {len(needed) + also:,} tensors{_place(source.found)}",
            f"also in the file: {listing(source.found.others, SHOWN)} (FILE#NAME)" if source.found.others else "",
            f"left: {listing(left, SHOWN)}" if left else "",
            f"{BIAS} left out: cosines do not need it" if unbiased else "",
            f"no {SCALE} in the file: cosines do not need it" if SCALE in added else "",
        )
        if part
    )


def _usual_scalars(state: Mapping[str, torch.Tensor], own: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return scale and bias of the logits that a file lacks: cosines do not need them."""
    added = {SCALE: own[SCALE]} if state and SCALE in own and SCALE not in state else {}
    if BIAS in own and BIAS not in state and SCALE in state:
        added[BIAS] = state[SCALE].new_zeros(())  # as open_clip begins with it
    return added


def _check_drop(source: Source, extra: Collection[str], own: Iterable[str]) -> None:
    for start in source.drop:
        # Open_clip's two layouts differ by ``text.``; the file may have the one and the module the other.
        needed = [name for name in own if _is_below(name, [start]) or _is_below(f"text.{name}", [start])]
        if needed:
            raise GoldievalError(f"drop={start}: the model needs {start} of {source.file}, {len(needed):,} tensors.")
        if not any(_is_below(name, [start]) for name in (*extra, *source.found.beside)):
            others = (
                f"it has {listing(dict.fromkeys(_branch(name, own) for name in extra)) or 'none'} besides the model"
            )
            raise GoldievalError(f"drop={start}: {source.file} has no such tensors; {others}.")


def _is_below(name: str, starts: Iterable[str]) -> bool:
    """Return whether a name is one of others, or begins with one and a dot."""
    return any(f"{name}.".startswith(f"{start.rstrip('.')}.") for start in starts)


def _is_training_only(name: str, own: Iterable[str]) -> bool:
    """Return whether a tensor belongs to a module that only training uses, outside the layers of the towers."""
    *outer, last = _branch(name, own).split(".")
    return bool(TRAINING_ONLY.fullmatch(last)) and not any(part.isdecimal() for part in outer)


def _branch(name: str, own: Iterable[str]) -> str:
    """Return the beginning of a name up to the first part at which it leaves the model's own names."""
    parts = name.split(".")
    for end in range(1, len(parts)):
        if not any(each.startswith(".".join(parts[:end]) + ".") for each in own):
            return ".".join(parts[:end])
    return name


def _place(found: UnwrappedModel) -> str:
    of = f" of {found.container}" if found.container else ""
    return of + (f", prefix {found.prefix} removed" if found.prefix else "")


def _beside(found: UnwrappedModel) -> list[str]:
    """Return the containers, or beginnings of names up to where they leave the model's prefix, of other tensors."""
    container = f"{found.container}." if found.container else ""
    around_model = [part for part in found.prefix.split(".") if part and part not in TRANSPARENT]
    starts = []
    for name in found.beside:
        around = container if name.startswith(container) else ""
        parts = [part for part in name.removeprefix(around).split(".") if part not in TRANSPARENT]
        shared = [a == b for a, b in zip(parts, around_model, strict=False)] if around == container else []
        starts.append(around + ".".join(parts[: [*shared, False].index(False) + 1]) if parts else name)
    return [*_counted(starts), *found.skipped]


def _counted(names: Iterable[str]) -> list[str]:
    return [f"{name} ({count:,})" if count > 1 else name for name, count in Counter(names).items()]
