"""Flipped queries on the terminal, with the answers that came first."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import RenderableType

from goldieval.comparison.answers import Ranking
from goldieval.comparison.details import Details
from goldieval.comparison.flips import Flip
from goldieval.comparison.result import Comparison
from goldieval.core.display import Text
from goldieval.report.numbers import label, score_text


def flips(comparison: Comparison, details: Sequence[Details]) -> list[RenderableType]:
    """Return the queries that only one of the models gets right, with the answers that came first."""
    parts: list[RenderableType] = []
    for row, behind in zip(comparison.rows, details, strict=True):
        listed = behind.flips.listed
        parts += [Text(), Text(f"{row.task} {label(row.metric)}: flipped queries, {behind.flips.counts}", "bold")]
        for flip in listed:
            tail = f"  [{', '.join(flip.tags)}]" if flip.tags else ""
            parts.append(Text(f"  {flip.what:6} {flip.sample}  A {flip.a}, B {flip.b}{tail}", whole=True))
            lines = [flip.image if flip.image != flip.sample else "", flip.text, *_answer_lines(flip)]
            parts += [Text(f"         {line}", "dim", whole=True) for line in lines if line]
        if behind.rerun:
            parts.append(Text(f"  run again to see the wrong answers: {behind.rerun}", "yellow", whole=True))
    return parts


def _answer_lines(flip: Flip) -> list[str]:
    """Return one line for each model whose first answer is wrong; generated ones are in the line above."""
    tops = (("A", flip.top_a), ("B", flip.top_b))
    return [
        f"first under {name}: {top.first.content or top.first.id}{_against(top)}"
        for name, top in tops
        if top is not None and not top.is_right and top.first.id
    ]


def _against(top: Ranking) -> str:
    """Return the scores of the first and of the right answer, where there are any."""
    if top.first.score is None or top.right.score is None:
        return ""
    return f"  {score_text(top.first.score)}, right {score_text(top.right.score)}"
