"""The figures of the study ``goldilocks``, from the committed run files alone; a figure without runs is not drawn.

    python benchmarks/goldilocks_figures.py            # docs/goldilocks-*.svg

Means over seeds; bars are 95 % intervals from the standard deviation between seeds, pooled over rows.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import matplotlib
from goldilocks_study.folders import Folders
from goldilocks_study.plan import load_plan
from goldilocks_study.run_files import BenchRun
from goldilocks_study.scores import Scores, refusal
from goldilocks_table import HEADLINES, on_the_way
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator
from trainings import ROOT

from goldieval.metrics.pooled import half_width

LADDER = ("b", "c", "e", "f", "g", "h")
STRATA = ("objects", "relations", "background")
WIDE = (9.0, 2.9)  # inches
COLOURS = dict(zip(LADDER, ("#666666", "#0072b2", "#009e73", "#e69f00", "#cc79a7", "#d55e00"), strict=True))


def ladder(scores: Scores) -> Figure | None:
    """Return the rows of the ladder at equal images (filled) and at equal processor time (open)."""
    rows = [row for row in LADDER if scores.of(f"images/{row}", HEADLINES[0])]
    if not rows:
        return None
    figure, axes = _panels(len(HEADLINES))
    for axis, column in zip(axes, HEADLINES, strict=True):
        for group, shift, filled in (("images", 0.0, True), ("time", 0.22, False)):
            for place, row in enumerate(rows):
                _point(axis, scores, f"{group}/{row}", column, place + shift, COLOURS[row], filled)
        axis.set_xticks(range(len(rows)), [f"({row})" for row in rows])
    return _labelled(figure, axes, "filled: equal images; open: as much processor time as (h)")


def strata(scores: Scores) -> Figure | None:
    """Return the ladder by what a sentence is about."""
    rows = [row for row in LADDER if scores.of(f"images/{row}", STRATA[0])]
    if not rows:
        return None
    figure, axes = _panels(len(STRATA))
    for axis, column in zip(axes, STRATA, strict=True):
        for place, row in enumerate(rows):
            _point(axis, scores, f"images/{row}", column, place, COLOURS[row], True)
        axis.set_xticks(range(len(rows)), [f"({row})" for row in rows])
        axis.set_title(f"sentences about {column}" if column != "background" else "sentences about the background")
        axis.set_ylim(0, 100)
    axes[0].set_ylabel("T2I R@1, %")
    return figure


def equal_time(scores: Scores) -> Figure | None:
    """Return scores on the way against processor seconds, on scenes of the validation split."""
    if not any(run.row in LADDER for run in scores.in_group("images")):
        return None
    figure, axes = _panels(len(HEADLINES))
    for group, style in (("images", "-"), ("time", "--")):
        for row in LADDER:
            if own := [run for run in scores.in_group(group) if run.row == row]:
                _on_the_way(axes, own, style, COLOURS[row], f"({row})" if group == "images" else "")
    axes[0].legend(frameon=False, fontsize=7)
    return _labelled(
        figure, axes, "processor seconds of training; dashed: as many as (h) takes, by a schedule of that length"
    )


def _on_the_way(axes: Sequence[Any], own: Sequence[BenchRun], style: str, colour: str, label: str) -> None:
    """Draw the mean scores of a row's runs after each step that all of them were evaluated at."""
    steps = sorted(set.intersection(*(set(run.validation) for run in own)))
    for axis, column in zip(axes, HEADLINES, strict=True):
        seconds = [fmean(_seconds(run, step) for run in own) for step in steps]
        means = [fmean(on_the_way(run, step)[column] for run in own) for step in steps]
        axis.plot(seconds, means, style, marker=".", color=colour, label=label)


def data_efficiency(scores: Scores) -> Figure | None:
    """Return scores against unique scenes, at equal images."""
    runs = [run for run in scores.runs if run.group == "scenes" or (run.group == "images" and run.row in ("b", "h"))]
    if not scores.in_group("scenes"):
        return None
    figure, axes = _panels(len(HEADLINES))
    for row in ("b", "h"):
        sizes = sorted({(run.scenes or 0, f"{run.group}/{run.row}") for run in runs if run.row.split("-")[0] == row})
        for axis, column in zip(axes, HEADLINES, strict=True):
            shown = [(size, name) for size, name in sizes if scores.of(name, column)]
            for size, name in shown:
                _point(axis, scores, name, column, size, COLOURS[row], True)
            means = [fmean(scores.of(name, column).values()) for _, name in shown]
            axis.plot([size for size, _ in shown], means, color=COLOURS[row], label=f"({row})")
            axis.set_xscale("log")
            axis.set_xticks([size for size, _ in shown], [f"{size / 1000:g}" for size, _ in shown])
            axis.minorticks_off()
    axes[0].legend(frameon=False, fontsize=7)
    return _labelled(figure, axes, "unique scenes, thousands")


def weights(scores: Scores) -> Figure | None:
    """Return losses and learned weights of (h) over time, mean over seeds."""
    runs = [run for run in scores.in_group("images") if run.row == "h"]
    if not runs:
        return None
    figure, axes = _panels(2)
    for axis, kind in zip(axes, ("losses", "weights"), strict=True):
        for name in (name for name in runs[0].curves if name.startswith(f"{kind}/")):
            means = [fmean(values) for values in zip(*(run.curves[name] for run in runs), strict=True)]
            axis.plot(runs[0].curves["step"], means, label=name.partition("/")[2])
        axis.set_title(f"{kind} of (h)")
        axis.set_yscale("log")
        axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.yaxis.set_major_formatter("{x:g}")
        axis.yaxis.set_minor_formatter("")
        axis.set_xlabel("step")
    axes[1].legend(frameon=False, fontsize=7, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


FIGURES: dict[str, Callable[[Scores], Figure | None]] = {
    "ladder": ladder,
    "equal-time": equal_time,
    "data-efficiency": data_efficiency,
    "strata": strata,
    "weights": weights,
}


def _panels(number: int) -> tuple[Figure, Sequence[Any]]:
    figure = Figure(figsize=WIDE, layout="constrained")
    axes = figure.subplots(1, number, squeeze=False)[0]
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _labelled(figure: Figure, axes: Sequence[Any], below: str) -> Figure:
    """Return a figure of headline scores with the titles of its panels and what its horizontal axes are."""
    for axis, column in zip(axes, HEADLINES, strict=True):
        axis.set_title(column)
    axes[0].set_ylabel("score, %")
    figure.supxlabel(below, fontsize=8)
    return figure


def _point(axis: Any, scores: Scores, row: str, column: str, place: float, colour: str, filled: bool) -> None:
    """Draw the mean of a row with its interval, if it has runs."""
    seeds = scores.of(row, column)
    if seeds:
        half = half_width(*scores.deviation(column), 1 / len(seeds))
        face = colour if filled else "white"
        axis.errorbar(place, fmean(seeds.values()), yerr=0 if half != half else half, fmt="o", color=colour, mfc=face,
                      capsize=2, markersize=5)  # fmt: skip


def _seconds(run: BenchRun, step: int) -> float:
    assert run.processor_seconds is not None
    return run.processor_seconds * step / max(run.validation)


def draw(folder: Path, out: Path) -> Iterator[Path]:
    """Draw all figures that have runs.

    Args:
        folder: folder of the run files.
        out: folder of the figures.

    Yields:
        The files that were written.

    Raises:
        SystemExit: no table of these rows may be printed, and so no figure.
    """
    scores = Scores.read(folder)
    if line := refusal(load_plan().gate, scores):
        raise SystemExit(line)
    settings = {"svg.hashsalt": "goldilocks", "svg.fonttype": "none", "font.size": 8, "axes.titlesize": 8}
    with matplotlib.rc_context(settings):
        for name, make in FIGURES.items():
            if (figure := make(scores)) is not None:
                file = out / f"goldilocks-{name}.svg"
                figure.savefig(file, metadata={"Date": None})
                yield file


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT, help="folder of results/ and docs/; by default this checkout")
    home = parser.parse_args().out.resolve()
    for written in draw(Folders(home).results, home / "docs"):
        print(written)
