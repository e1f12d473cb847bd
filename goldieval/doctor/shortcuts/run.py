"""Loading of the models whose features are measured, and of the untrained one beside which they are read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from goldieval.core.containment import contained
from goldieval.core.environment import pick_device
from goldieval.core.errors import GoldievalError, NotApplicableError, TaskError
from goldieval.doctor.shortcuts.measure import Shortcuts, shortcuts
from goldieval.models.adapter import Adapter, LoadOptions
from goldieval.models.loading import load
from goldieval.models.spec import expand, parse_spec

UNTRAINED = "random"


def measured(model_spec: str, device: str = "auto", offline: bool = False) -> Iterator[Shortcuts]:
    """Yield what the features of every model of a spec encode.

    Raises:
        GoldievalError: a model cannot be loaded or fails, does not encode pictures and texts, or the device does not
            exist.
    """
    options = LoadOptions(pick_device(device), offline=offline)
    for spec in expand(parse_spec(model_spec)):
        with contained(f"loading the model {spec.text}", GoldievalError):
            model = load(spec, options)
        if not isinstance(model, Adapter):
            raise NotApplicableError(f"model {spec.text}: --shortcuts needs a model that encodes pictures and texts.")
        with contained(f"measuring the features of {spec.text}", GoldievalError):
            found = _measured(model, spec.text)
        yield found


def _measured(model: Adapter, spec: str) -> Shortcuts:
    try:
        return shortcuts(model, spec)
    except TaskError as error:
        raise TaskError(f"model {spec}: {error}") from error


def untrained(beside: Sequence[Shortcuts]) -> Shortcuts | None:
    """Return what the features of an untrained model encode: images by its own feature alone, and texts.

    Args:
        beside: measured models; None is returned if they are all untrained models of the same kind.
    """
    if all(parse_spec(found.model).family == UNTRAINED for found in beside):
        return None
    model = load(parse_spec(UNTRAINED), LoadOptions())
    assert isinstance(model, Adapter)
    return shortcuts(model, UNTRAINED, patches=False)
