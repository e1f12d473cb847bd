"""Probes of the inputs and the construction of a model: pixels, resizing, tokens, activation, size."""

from __future__ import annotations

from collections import Counter

import torch

from goldieval.doctor.check import Check
from goldieval.doctor.subject import TEXTS, TOO_LONG, EncodingSubject, Subject, uniform_picture
from goldieval.models.listing import checked_against

BLACK, GREY, WHITE, RED = (0, 0, 0), (128, 128, 128), (255, 255, 255), (255, 0, 0)

# Mean and standard deviation of red, green and blue, for pixels in 0..1, of published models.
PUBLISHED_CONSTANTS = {
    "OpenAI's": ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
    "ImageNet's": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "SigLIP's": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
}
SAME = 2e-3  # published constants are rounded


def normalisation(subject: EncodingSubject) -> Check:
    """Recover mean and standard deviation from a black and a white picture, and check linearity with a grey one."""
    black, grey, white, red = (_colour(subject, colour) for colour in (BLACK, GREY, WHITE, RED))
    span = white - black
    if not bool(torch.isfinite(span).all()) or bool((span.abs() < 1e-6).any()):
        return Check("normalisation", False, "black and white pictures give the same pixels")
    if float(span.abs().max()) > 100:
        finding = (
            f"pixels run from {float(black.min()):.0f} to {float(white.max()):.0f}: divide by 255 first (ToTensor)"
        )
        return Check("normalisation", False, finding)
    if float((grey - black - span * 128 / 255).abs().max()) > 0.05 * float(span.abs().max()):
        return Check("normalisation", None, "not linear in brightness: mean and deviation cannot be determined")
    std = 1 / span
    mean = -black * std
    order = "" if len(red) < 3 or bool((red - black)[0] > (red - black)[-1]) else "; channels are not in RGB order"
    return Check("normalisation", None if order else _plausible(mean, std), f"{_constants(mean, std)}{order}")


def resizing(subject: EncodingSubject) -> Check:
    """Report the resolution, and how a wide picture is resized: its left quarter is white, the rest black."""
    wide = uniform_picture(BLACK, (256, 128))
    wide.paste(WHITE, (0, 0, 64, 128))
    black, white = _colour(subject, BLACK).mean(), _colour(subject, WHITE).mean()
    white_share = float((subject.model.preprocess(wide).float().mean(dim=0) > (black + white) / 2).float().mean())
    treatment = (
        "cut to the centre" if white_share < 0.02 else "squashed to fit" if abs(white_share - 0.25) < 0.05 else "padded"
    )
    height, width = subject.pixels.shape[-2:]
    return Check("resolution", None, f"{width} x {height} pixels; a wide picture is {treatment}")


def context_length(subject: EncodingSubject) -> Check:
    """Report the context length, and whether a longer text keeps its end token; the tokenizer must not refuse it."""
    tokens = subject.model.tokenize([TEXTS[0], TOO_LONG])
    features = subject.model.encode_text(tokens)
    if not bool(torch.isfinite(features).all()):
        return Check("context length", False, "a text longer than the context gives NaN or infinity")
    short, cut = tokens[0], tokens[1]
    ends = torch.nonzero(short != short[-1]).flatten()
    kept = len(ends) > 0 and bool(cut[-1] == short[ends[-1]])
    how = "keeps the end token" if kept else "loses the end token (wrong for end-token pooling)"
    return Check("context length", None, f"{tokens.shape[1]} tokens; cutting a longer text {how}")


def layout(subject: Subject) -> list[Check]:
    """Report what the adapter of a family was compared with, if that is known: released weights were run with none."""
    compared = checked_against(subject.info.family)
    return [Check("layout", None, f"compared with {compared}; no released weights")] if compared else []


def activation(subject: Subject) -> Check:
    """Report which GELU the towers use: the wrong one costs several points without any error."""
    kinds = Counter(type(part).__name__ for _, part in subject.parts if "gelu" in type(part).__name__.lower())
    if not kinds:
        return Check("activation", None, "no GELU among the modules; it may be a function")
    finding = ", ".join(f"{name} in {count} places" for name, count in kinds.items())
    return Check("activation", None, f"{finding}; must be the one used in training")


def size(subject: Subject) -> Check:
    """Report the number of parameters, precision and device."""
    info = subject.info
    device = next((str(weight.device) for module in subject.weights for weight in module.parameters()), "unknown")
    return Check("size", None, f"{info.parameters / 1e6:,.1f} M parameters, {info.precision} on {device}")


def _colour(subject: EncodingSubject, colour: tuple[int, int, int]) -> torch.Tensor:
    """Return the mean pixel of a preprocessed picture of one colour, shape (channels,)."""
    return subject.model.preprocess(uniform_picture(colour)).float().mean(dim=(1, 2))


def _constants(mean: torch.Tensor, std: torch.Tensor) -> str:
    values = f"mean {_three(mean)}, deviation {_three(std)}"
    names = [
        name
        for name, constants in PUBLISHED_CONSTANTS.items()
        if _close(mean, constants[0]) and _close(std, constants[1])
    ]
    if names:
        return f"{values}: {names[0]}"
    raw = _close(mean, (0.0, 0.0, 0.0)) and _close(std, (1.0, 1.0, 1.0))
    origin = "none; correct only if the model was trained without" if raw else "not those of a published model"
    return f"{values}: {origin}"


def _plausible(mean: torch.Tensor, std: torch.Tensor) -> bool | None:
    """Return True for the constants of a published model, otherwise None: others may be correct."""
    published = any(
        _close(mean, means) and _close(std, deviations) for means, deviations in PUBLISHED_CONSTANTS.values()
    )
    return True if published else None


def _close(values: torch.Tensor, expected: tuple[float, ...]) -> bool:
    return len(values) == len(expected) and float((values - torch.tensor(expected)).abs().max()) < SAME


def _three(values: torch.Tensor) -> str:
    return " ".join(f"{float(value):.3f}" for value in values)
