"""Probes of the outputs of a model: mode, finite values, norms, determinism, batches, padding, fingerprint."""

from __future__ import annotations

import torch

from goldieval.core.errors import listing
from goldieval.doctor.check import Check
from goldieval.doctor.subject import EncodingSubject, Subject
from goldieval.scoring.cosine import unit

# Distances of unit vectors, which bound the change of any cosine. Half precision rounds at about 1e-3.
SAME_IN_ANY_BATCH = {"fp32": 1e-4, "bf16": 3e-2, "fp16": 5e-3}
SAME_WHEN_TRIMMED = {"fp32": 1e-5, "bf16": 3e-2, "fp16": 5e-3}


def evaluation_mode(subject: Subject) -> Check:
    """Check that no module is in training mode inside ``inference()``: no dropout, no batch statistics."""
    training = [name or type(part).__name__ for name, part in subject.parts if part.training]
    if training:
        finding = (
            f"{len(training)} modules in training mode inside inference(): {listing(training)}. Call eval() there."
        )
        return Check("evaluation mode", False, finding)
    if not subject.weights:
        return Check("evaluation mode", None, "the adapter has no torch module to check")
    return Check("evaluation mode", True, f"all {len(subject.parts)} modules, no dropout, fixed statistics")


def finite_values(subject: EncodingSubject) -> Check:
    """Check that features are finite, one row per input, and carry no gradients."""
    for side, (_, inputs, features) in subject.towers.items():
        if features.ndim != 2 or len(features) != len(inputs) or not features.is_floating_point():
            finding = f"{side} features are {features.dtype} {tuple(features.shape)} for {len(inputs)} inputs"
            return Check("finite values", False, f"{finding}; expected floats, shape ({len(inputs)}, dim)")
        bad = int((~torch.isfinite(features)).any(1).sum())
        if bad:
            return Check("finite values", False, f"{bad} of {len(features)} {side} features contain NaN or infinity")
        if features.requires_grad:
            finding = f"{side} features carry gradients: inference() should be torch.inference_mode()"
            return Check("finite values", False, finding)
    return Check("finite values", True, f"{len(subject.pixels)} pictures and {len(subject.tokens)} texts, no NaN")


def unit_norm(subject: EncodingSubject) -> Check:
    """Check that all vectors can be normalised, and that they are not all the same."""
    norms = []
    for side, (_, _, features) in subject.towers.items():
        unit(features, side)
        lengths = features.float().norm(dim=1)
        norms.append(f"{side} norms {float(lengths.min()):.3g} to {float(lengths.max()):.3g}")
    return Check("unit norm", True, f"can be reached: {', '.join(norms)} before")


def spread(subject: EncodingSubject) -> Check:
    """Report the mean cosine between different inputs: a trained model near 1 has collapsed."""
    means = []
    for side, (_, _, features) in subject.towers.items():
        vectors = unit(features, side)
        cosines = torch.einsum("id,jd->ij", vectors, vectors)
        others = ~torch.eye(len(vectors), dtype=torch.bool, device=vectors.device)
        means.append(f"{side} {float(cosines[others].mean()):.3f}")
    return Check("spread", None, f"mean cosine between different inputs: {', '.join(means)} (1 = collapsed)")


def determinism(subject: EncodingSubject) -> Check:
    """Check that the same batch, encoded twice, gives identical features."""
    for side, (encode, inputs, features) in subject.towers.items():
        again = encode(inputs)
        if not torch.equal(again.nan_to_num(), features.nan_to_num()):  # NaN has its own probe
            distance = float((again - features).abs().max())
            finding = f"the same {side} batch twice differs by {distance:.1e}: dropout, noise or state in encode_{side}"
            return Check("determinism", False, finding)
    return Check("determinism", True, "the same batch twice gives identical features")


def batch_size(subject: EncodingSubject) -> Check:
    """Check that an embedding does not depend on the other inputs of its batch."""
    limit = SAME_IN_ANY_BATCH[subject.info.precision]
    distances = {}
    for side, (encode, inputs, features) in subject.towers.items():
        single = torch.cat([encode(row) for row in torch.split(inputs, 1)])
        distances[side] = _distance(single, features, side)
    finding = ", ".join(f"{side} {distance:.1e}" for side, distance in distances.items())
    if max(distances.values()) > limit:
        worst = max(distances, key=lambda side: distances[side])
        finding = (
            f"one by one and in a batch they differ: {finding} (limit {limit:.0e}); encode_{worst} mixes its batch"
        )
        return Check("batch size", False, finding)
    return Check("batch size", True, f"changes no cosine by more than {finding}")


def trimming(subject: EncodingSubject) -> Check:
    """Check that embeddings do not change when the adapter trims padding."""
    trim = getattr(subject.model, "trim", None)
    if trim is None:
        return Check("trimming", None, f"not declared: every text is padded to {subject.tokens.shape[1]} tokens")
    limit = SAME_WHEN_TRIMMED[subject.info.precision]
    distance, shortest = 0.0, subject.tokens.shape[1]
    for row, padded in zip(torch.split(subject.tokens, 1), torch.split(subject.text_features, 1), strict=True):
        trimmed = trim(row)
        shortest = min(shortest, trimmed.shape[1])
        distance = max(distance, _distance(subject.model.encode_text(trimmed), padded, "text"))
    if distance > limit:
        finding = f"trimmed and padded texts differ by {distance:.1e} (limit {limit:.0e})"
        return Check("trimming", False, f"{finding}: trim removes tokens that the tower reads")
    if shortest == subject.tokens.shape[1]:
        return Check("trimming", None, f"removes nothing: a short text still has {shortest} tokens")
    return Check("trimming", True, f"down to {shortest} of {subject.tokens.shape[1]} tokens, differs by {distance:.1e}")


def widths(subject: EncodingSubject) -> Check:
    """Check that both towers give features of the same width."""
    image, text = subject.image_features.shape[-1], subject.text_features.shape[-1]
    finding = f"{image} for images, {text} for texts"
    return Check("widths", image == text, finding if image == text else f"{finding}: they cannot be compared")


def fingerprint(subject: Subject) -> Check:
    """Check that ``describe()`` returns the same identities after encoding, since embeddings are stored under them."""
    now = subject.model.describe()
    names = ("fingerprint", "image_identity", "text_identity")
    changed = [name for name in names if getattr(now, name) != getattr(subject.info, name)]
    if changed:
        finding = f"{', '.join(changed)} changed while encoding: weights, running statistics or an unstable describe()"
        return Check("fingerprint", False, f"{finding}; stored embeddings could never be reused")
    return Check("fingerprint", True, f"{now.fingerprint[:12]}, the same before and after use")


def _distance(ones: torch.Tensor, others: torch.Tensor, side: str) -> float:
    """Return the largest distance between the unit vectors of two (n, dim) features, row by row."""
    return float((unit(ones, side) - unit(others, side)).norm(dim=1).max())
