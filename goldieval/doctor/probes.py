"""Probes of a model before a long run; they are in ``numerics``, ``inputs``, ``answering`` and ``stored``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import torch

from goldieval.core.containment import contained
from goldieval.core.environment import pick_device
from goldieval.core.errors import GoldievalError, TaskError
from goldieval.doctor import answering, inputs, numerics, stored
from goldieval.doctor.answering import AnsweringSubject
from goldieval.doctor.check import Check, reason, run_probe
from goldieval.doctor.subject import EncodingSubject, Subject
from goldieval.models.adapter import Adapter, LoadOptions, Model, Precomputed, inference
from goldieval.models.loading import load
from goldieval.models.spec import ModelSpec, parse_spec

ProbedSubject = TypeVar("ProbedSubject", bound=Subject)
PROBES = (
    numerics.evaluation_mode,
    numerics.finite_values,
    numerics.unit_norm,
    numerics.spread,
    numerics.widths,
    numerics.determinism,
    numerics.batch_size,
    numerics.trimming,
    inputs.normalisation,
    inputs.resizing,
    inputs.context_length,
    inputs.activation,
    inputs.size,
)


def checks(model_spec: str, device: str = "auto", offline: bool = False) -> list[Check]:
    """Load a model and probe it.

    Raises:
        GoldievalError: the model cannot be loaded, or the device does not exist.
    """
    spec, options = parse_spec(model_spec), LoadOptions(pick_device(device), offline=offline)
    with contained(f"loading the model {spec.text}", GoldievalError):
        model = load(spec, options)
    return probe(model, spec)


def probe(model: Model, spec: ModelSpec) -> list[Check]:
    """Probe a loaded model, and check that it is in the same mode afterwards."""
    if isinstance(model, Precomputed):
        return [run_probe(each, stored.EmbeddingsSubject(model, spec)) for each in stored.PROBES]
    try:
        with contained():
            info = model.describe()
    except TaskError as error:
        return [Check("describe", False, reason(error))]
    if isinstance(model, Adapter):
        return _probed(EncodingSubject(model, info), PROBES)
    return _probed(AnsweringSubject(model, info), (numerics.evaluation_mode, *answering.PROBES, inputs.size))


def _probed(subject: ProbedSubject, probes: Sequence[Callable[[ProbedSubject], Check]]) -> list[Check]:
    before = _modes(subject)
    with inference(subject.model):
        finding = [*(run_probe(each, subject) for each in probes), *inputs.layout(subject)]
    return [*finding, run_probe(numerics.fingerprint, subject), left_as_found(subject, before)]


def left_as_found(subject: Subject, before: list[bool]) -> Check:
    """Check that ``inference()`` restores the mode of each module, as an evaluation within a training needs."""
    same = _modes(subject) == before and not torch.is_inference_mode_enabled()
    finding = "training and evaluation mode as before" if same else "inference() does not restore the mode of the model"
    return Check("left as found", same, finding)


def _modes(subject: Subject) -> list[bool]:
    return [part.training for _, part in subject.parts]
