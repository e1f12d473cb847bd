"""Validation of the identity that an adapter returns."""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter, ValidationError

from goldieval.core.containment import utf8_safe
from goldieval.core.errors import AdapterError, listing
from goldieval.models.adapter import Model, ModelInfo, Precomputed
from goldieval.scoring.mode import checked_mode
from goldieval.tasks.validation import validation_line

_INFO = TypeAdapter(ModelInfo)


def info_of(values: Any) -> ModelInfo:
    """Return a description, given its values by field. Raises ValueError if a field is missing, wrong or unknown."""
    info = _INFO.validate_python(values)
    checked_mode(info.scoring)
    return info


def checked_info(model: Model) -> ModelInfo:
    """Return the validated result of ``describe()``; characters that UTF-8 cannot encode are escaped.

    Raises:
        AdapterError: The result is not a ``ModelInfo``, a field has the wrong type, the scoring mode does not exist,
            or a field is empty that names records and stored embeddings.
    """
    info: object = model.describe()
    if not isinstance(info, ModelInfo):
        raise AdapterError(f"describe() must return a ModelInfo; it returned {type(info).__name__}.")
    values = {name: utf8_safe(value) if isinstance(value, str) else value for name, value in vars(info).items()}
    try:
        info = info_of(values)
    except ValidationError as error:
        raise AdapterError(f"describe() returned a ModelInfo with {validation_line(error)}.") from error
    except ValueError as error:
        raise AdapterError(f"describe() returned a ModelInfo with {error}.") from error
    identities = () if isinstance(model, Precomputed) else ("image_identity", "text_identity")
    if empty := [name for name in ("spec", "fingerprint", *identities) if not getattr(info, name)]:
        raise AdapterError(
            f"describe() returned a ModelInfo without {listing(empty)}: records and embeddings are stored under it."
        )
    return info
