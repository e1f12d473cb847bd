"""Probes of the numbers that come out of a model: mode, values, norms, determinism, batches, padding, identity."""

from __future__ import annotations

import torch

from goldieval.core.errors import listing
from goldieval.doctor.check import Check
from goldieval.doctor.subject import Subject
from goldieval.scoring.cosine import unit

# Distances of unit vectors: no cosine with any third vector can move by more. Half precision rounds at about 1e-3.
SAME_IN_ANY_BATCH = {"fp32": 1e-4, "bf16": 3e-2, "fp16": 5e-3}
SAME_WHEN_TRIMMED = {"fp32": 1e-5, "bf16": 3e-2, "fp16": 5e-3}


def evaluation_mode(subject: Subject) -> Check:
    """Inside ``inference()`` nothing may be in training mode: dropout would be on, BatchNorm would use the batch."""
    training = [name or type(part).__name__ for name, part in subject.parts if part.training]
    if training:
        found = f"{len(training)} modules in training mode inside inference(): {listing(training)}. Call eval() there."
        return Check("evaluation mode", False, found)
    if not subject.weights:
        return Check("evaluation mode", None, "the adapter holds no torch module to look at")
    return Check("evaluation mode", True, f"all {len(subject.parts)} modules, no dropout, fixed statistics")


def finite_values(subject: Subject) -> Check:
    """Features must be plain finite rows, one an input, without a graph behind them."""
    for side, (_, inputs, features) in subject.towers.items():
        if features.ndim != 2 or len(features) != len(inputs) or not features.is_floating_point():
            found = f"{side} features are {features.dtype} {tuple(features.shape)} for {len(inputs)} inputs"
            return Check("finite values", False, f"{found}; expected floats, shape ({len(inputs)}, dim)")
        bad = int((~torch.isfinite(features)).any(1).sum())
        if bad:
            return Check("finite values", False, f"{bad} of {len(features)} {side} features hold NaN or infinity")
        if features.requires_grad:
            found = f"{side} features carry gradients: inference() should be torch.inference_mode()"
            return Check("finite values", False, found)
    return Check("finite values", True, f"{len(subject.pixels)} pictures and {len(subject.tokens)} texts, no NaN")


def unit_norm(subject: Subject) -> Check:
    """Every vector has a direction, and not all the same one."""
    norms = []
    for side, (_, _, features) in subject.towers.items():
        unit(features, side)
        lengths = features.float().norm(dim=1)
        norms.append(f"{side} norms {float(lengths.min()):.3g} to {float(lengths.max()):.3g}")
    return Check("unit norm", True, f"can be reached: {', '.join(norms)} before")


def spread(subject: Subject) -> Check:
    """Note how alike the embeddings are: near 1, a trained model has collapsed; untrained ones are often there."""
    means = []
    for side, (_, _, features) in subject.towers.items():
        vectors = unit(features, side)
        cosines = torch.einsum("id,jd->ij", vectors, vectors)
        others = ~torch.eye(len(vectors), dtype=torch.bool, device=vectors.device)
        means.append(f"{side} {float(cosines[others].mean()):.3f}")
    return Check("spread", None, f"mean cosine between different inputs: {', '.join(means)} (1 = collapsed)")


def determinism(subject: Subject) -> Check:
    """The same batch twice must give the same bits."""
    for side, (encode, inputs, features) in subject.towers.items():
        again = encode(inputs)
        if not torch.equal(again.nan_to_num(), features.nan_to_num()):  # NaN has its own probe
            gap = float((again - features).abs().max())
            found = f"the same {side} batch twice differs by {gap:.1e}: dropout, noise or state in encode_{side}"
            return Check("determinism", False, found)
    return Check("determinism", True, "the same batch twice, equal to the bit")


def batch_size(subject: Subject) -> Check:
    """One by one, or together: an embedding may not depend on its neighbours."""
    limit = SAME_IN_ANY_BATCH[subject.info.precision]
    gaps = {}
    for side, (encode, inputs, features) in subject.towers.items():
        single = torch.cat([encode(row) for row in torch.split(inputs, 1)])
        gaps[side] = _distance(single, features, side)
    found = ", ".join(f"{side} {gap:.1e}" for side, gap in gaps.items())
    if max(gaps.values()) > limit:
        worst = max(gaps, key=lambda side: gaps[side])
        found = f"one by one and together differ: {found} (limit {limit:.0e}); encode_{worst} mixes its batch"
        return Check("batch size", False, found)
    return Check("batch size", True, f"changes no cosine by more than: {found}")


def trimming(subject: Subject) -> Check:
    """Where the adapter says that padding may be cut off, the embedding must not change."""
    trim = getattr(subject.model, "trim", None)
    if trim is None:
        return Check("trimming", None, f"not declared: every text is padded to {subject.tokens.shape[1]} tokens")
    limit = SAME_WHEN_TRIMMED[subject.info.precision]
    gap, shortest = 0.0, subject.tokens.shape[1]
    for row, padded in zip(torch.split(subject.tokens, 1), torch.split(subject.text_features, 1), strict=True):
        trimmed = trim(row)
        shortest = min(shortest, trimmed.shape[1])
        gap = max(gap, _distance(subject.model.encode_text(trimmed), padded, "text"))
    if gap > limit:
        found = f"trimmed and padded texts differ by {gap:.1e} (limit {limit:.0e}): trim cuts what the tower reads"
        return Check("trimming", False, found)
    if shortest == subject.tokens.shape[1]:
        return Check("trimming", None, f"cuts nothing: a short text still has {shortest} tokens")
    return Check("trimming", True, f"down to {shortest} of {subject.tokens.shape[1]} tokens, differs by {gap:.1e}")


def widths(subject: Subject) -> Check:
    """Both towers must end in the same space."""
    image, text = subject.image_features.shape[-1], subject.text_features.shape[-1]
    found = f"{image} for images, {text} for texts"
    return Check("widths", image == text, found if image == text else f"{found}: they cannot be compared")


def fingerprint(subject: Subject) -> Check:
    """Embeddings are stored under the model's identity: it must not change by asking or by encoding."""
    now = subject.model.describe()
    names = ("fingerprint", "image_identity", "text_identity")
    changed = [name for name in names if getattr(now, name) != getattr(subject.info, name)]
    if changed:
        found = f"{', '.join(changed)} changed while encoding: weights, running statistics or an unstable describe()"
        return Check("fingerprint", False, f"{found}; stored embeddings would never be found again")
    return Check("fingerprint", True, f"{now.fingerprint[:12]}, the same before and after use")


def _distance(ones: torch.Tensor, others: torch.Tensor, side: str) -> float:
    """Return the largest distance between the unit vectors of two (n, dim) features, row by row."""
    return float((unit(ones, side) - unit(others, side)).norm(dim=1).max())
