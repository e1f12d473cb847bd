"""Write into docs/segmentation.md which published values of open-vocabulary segmentation belong to which setting.

uv run python benchmarks/segmentation_settings.py
uv run python benchmarks/segmentation_settings.py --check      # exit 1 if the section is not what this command writes
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from goldieval.metrics.registry import metric_of
from goldieval.report.published import GRADES, load_published
from goldieval.report.score import Score

PAGE = Path(__file__).resolve().parents[1] / "docs" / "segmentation.md"
BEGIN = "<!-- published values: written by uv run python benchmarks/segmentation_settings.py -->"
END = "<!-- end of published values -->"
SETS = {"voc20": "VOC20", "pc59": "PC59", "coco-stuff": "COCO-Stuff", "ade20k": "ADE20K", "cityscapes": "Cityscapes"}
UNKNOWN = "setting unknown"
SETTINGS = {
    "training-free, plain patches": "`attention=plain`",
    "training-free, CSA": "`attention=csa`",
    UNKNOWN: "unknown",
}
METRIC = "miou"
Cells = dict[str, Score]


def rows() -> dict[tuple[str, str], Cells]:
    """Return the published values by setting and model, and then by set; of several, that with the best evidence."""
    found: dict[tuple[str, str], Cells] = {}
    scores = [score for score in load_published().scores if score.task in SETS and score.metric == METRIC]
    for score in sorted(scores, key=lambda score: GRADES.index(score.grade)):
        if score.protocol in SETTINGS and score.value is not None and "ablation" not in score.model:
            found.setdefault((score.protocol, score.model), {}).setdefault(score.task, score)
    return found


def section() -> str:
    """Return the section, with its markers."""
    found = rows()
    return "\n".join([BEGIN, "", *_values(found), "", _both(found), "", *_ranges(found), "", END])


def _values(found: dict[tuple[str, str], Cells]) -> list[str]:
    """Return the table of all models, by setting, those with the most sets first."""
    lines = [f"| model | setting | {' | '.join(SETS.values())} | evidence |", f"|---|---|{'--:|' * len(SETS)}---|"]
    order = list(SETTINGS)
    for protocol, model in sorted(found, key=lambda key: (order.index(key[0]), -len(found[key]), key[1])):
        cells = found[protocol, model]
        evidence = sorted({score.grade for score in cells.values()}, key=GRADES.index)
        lines.append(f"| {model} | {SETTINGS[protocol]} | {' | '.join(_texts(cells))} | {', '.join(evidence)} |")
    return lines


def _both(found: dict[tuple[str, str], Cells]) -> str:
    """Return a sentence about the models of which the same set was published in both settings."""
    plain, csa, _ = SETTINGS
    pairs = [
        f"{model} on {SETS[task]} {_text(score)} plain, {_text(found[csa, model][task])} with CSA"
        for (protocol, model), cells in sorted(found.items())
        for task, score in cells.items()
        if protocol == plain and task in found.get((csa, model), {})
    ]
    return f"The same weights in both settings: {'; '.join(pairs)}."


def _texts(cells: Cells) -> Iterable[str]:
    return (_text(cells[task]) if task in cells else "–" for task in SETS)


def _text(score: Score) -> str:
    assert score.value is not None
    return metric_of(METRIC).unit.text(score.value)


def _ranges(found: dict[tuple[str, str], Cells]) -> list[str]:
    """Return the table of the range of each known setting, and of the value whose setting is unknown."""
    lines = [f"| | {' | '.join(SETS.values())} |", f"|---|{'--:|' * len(SETS)}"]
    for protocol, name in SETTINGS.items():
        of_setting = [cells for (own, _), cells in found.items() if own == protocol]
        label = "setting unknown: " + ", ".join(model for own, model in found if own == UNKNOWN)
        texts = [_range([cells[task] for cells in of_setting if task in cells]) for task in SETS]
        lines.append(f"| {label if protocol == UNKNOWN else name} | {' | '.join(texts)} |")
    return lines


def _range(scores: Sequence[Score]) -> str:
    """Return the lowest and the highest value, and of how many models where there are several."""
    ordered = sorted(scores, key=lambda score: score.value or 0.0)
    if len(ordered) < 2:
        return _text(ordered[0]) if ordered else "–"
    return f"{_text(ordered[0])}–{_text(ordered[-1])} ({len(ordered)} models)"


def page(text: str) -> str:
    """Return the page with the section as it should be.

    Raises:
        ValueError: the page lacks a marker.
    """
    before, _, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        raise ValueError(f"{PAGE} needs the lines {BEGIN!r} and {END!r}")
    return before + section() + after


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the page, or check it; return 1 where it is not what this command writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="only compare")
    check = parser.parse_args(arguments).check
    text = PAGE.read_text(encoding="utf-8")
    wanted = page(text)
    if check:
        print(f"{PAGE}: {'up to date' if text == wanted else 'not what this command writes'}")
        return int(text != wanted)
    PAGE.write_text(wanted, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
