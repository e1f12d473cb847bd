"""Replacement of the place in a model spec, without a change of its other parts."""

from __future__ import annotations

from goldieval.models.spec import ModelSpec


def with_where(spec: ModelSpec, where: str) -> str:
    """Return the text of a spec with another WHERE, or with one if it has none; its options follow.

    >>> from goldieval.models.spec import parse_spec
    >>> with_where(parse_spec("open_clip:ViT-B-16@*.pt::size=384"), "run/1.pt"), with_where(parse_spec("flair"), "a.pt")
    ('open_clip:ViT-B-16@run/1.pt::size=384', 'flair@a.pt')
    """
    options = options_text(spec)
    stem = spec.text.removesuffix(options)
    stem = stem.removesuffix(spec.where).removesuffix("@") if spec.where else stem
    return f"{stem}@{where}{options}"


def options_text(spec: ModelSpec) -> str:
    """Return the options of a spec as they are written."""
    return "".join(f"::{name}={value}" for name, value in spec.options.items())
