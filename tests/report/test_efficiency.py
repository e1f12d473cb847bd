"""The data-efficiency figure: what is on it, what is labelled, and that no text lies upon another or is cut."""

from __future__ import annotations

import random
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from browser import browser, needs_chromium
from helpers import goldieval, one_line
from hypothesis import given, settings
from hypothesis import strategies as st
from layout_faults import layout_faults
from synthetic_records import made, write

from goldieval.records.schema import Record
from goldieval.report.built_table import BuiltTable, build_table
from goldieval.report.efficiency import AXES, Efficiency, efficiency
from goldieval.report.efficiency_drawing import Drawing, draw
from goldieval.report.efficiency_legend import SHAPES, label_texts, styles
from goldieval.report.efficiency_point import EfficiencyPoint
from goldieval.report.efficiency_svg import efficiency_plot
from goldieval.report.label_places import Box, Label, place_labels
from goldieval.report.plot_choice import PlotChoice

pytestmark = pytest.mark.usefixtures("here")
ODD_NAMES = [r"$\frac{x$ & _", "模型" * 20, "W" * 60, "a\nb", "<script>x</script>", "x"]


def built(*records: Record, name: str = "leaderboard", **choice: Any) -> BuiltTable:
    Path("results").mkdir(exist_ok=True)
    return build_table(name, [write(Path("results"), *records)], plot=PlotChoice(**choice))


def figure_of(table: BuiltTable) -> Efficiency:
    found = efficiency(table.spec, table.sources)
    assert found is not None
    return found


def own(count: int, seed: int = 0) -> list[Record]:
    """Return records of models with known training data, many of which lie close to each other."""
    pick = random.Random(seed)
    names = ODD_NAMES + [f"open_clip:ViT-B-16@runs/{n}/epoch_{n}.pt" for n in range(count - len(ODD_NAMES))]
    return [
        made("coco-karpathy", name, 0.3 + 0.1 * pick.random(), n=2000,
             images_seen=int(10 ** pick.uniform(8, 9)), unique_pairs=int(10 ** pick.uniform(6, 10)))
        for name in names
    ]  # fmt: skip


# Places of labels


@given(
    st.lists(st.tuples(*[st.floats(0, 300)] * 2, st.floats(5, 120), st.floats(5, 15)), max_size=40),
    st.lists(st.tuples(*[st.floats(0, 300)] * 2), max_size=40),
)
@settings(max_examples=60, deadline=None)
def test_labels_cover_neither_each_other_nor_anything_else(
    wanted: list[tuple[float, ...]], points: list[tuple[float, float]]
) -> None:
    frame = Box(0, 0, 300, 200)
    taken = [Box(x - 3, y - 3, x + 3, y + 3) for x, y in points]
    places = [place for place in place_labels([Label(*each) for each in wanted], frame, taken) if place]
    assert all(frame.holds(place.box) for place in places)
    assert not any(a.box.meets(b.box) for a, b in combinations(places, 2))
    assert not any(place.box.meets(box) for place in places for box in taken)
    assert not any(a.line and b.box.crosses(*a.line) for a in places for b in places if a is not b)


def test_the_first_labels_get_their_places_first() -> None:
    one, two = place_labels([Label(50, 50, 90, 10)] * 2, Box(0, 40, 200, 60), [])
    assert one is not None and two is None


# The figure as a file


def texts_of(drawing: Drawing) -> list[tuple[str, Box]]:
    """Return every text of a figure with its extents, as matplotlib draws it."""
    from matplotlib.text import Text

    found = []
    for artist in drawing.figure.findobj(Text):
        if artist.get_text() and artist.get_visible():
            extent = artist.get_window_extent()
            found.append((artist.get_text(), Box(extent.x0, extent.y0, extent.x1, extent.y1)))
    return found


def faults(drawing: Drawing) -> list[str]:
    size = drawing.figure.get_size_inches() * drawing.figure.dpi
    page, texts = Box(0, 0, *size), texts_of(drawing)
    outside = [f"outside: {text}" for text, box in texts if not page.holds(box)]
    return outside + [f"{a} upon {b}" for (a, one), (b, two) in combinations(texts, 2) if one.meets(two)]


def test_with_very_many_points_no_text_lies_upon_another_or_leaves_the_figure() -> None:
    plot = figure_of(built(*own(64)))
    assert len(plot.points) > 100
    drawing = draw(plot)
    assert faults(drawing) == [] and len(drawing.labels) > 20 and drawing.unlabelled
    frames = [axes.get_window_extent() for axes in drawing.figure.axes]
    boxes = [Box(frame.x0, frame.y0, frame.x1, frame.y1) for frame in frames]
    for label in drawing.labels:
        extent = label.get_window_extent()
        assert any(frame.holds(Box(extent.x0, extent.y0, extent.x1, extent.y1)) for frame in boxes), label.get_text()


def test_faults_of_a_figure_are_found() -> None:
    drawing = draw(figure_of(built(*own(8))))
    drawing.figure.text(0.99, 0.5, "runs out of the figure")
    drawing.figure.text(0.3, 0.3, "one"), drawing.figure.text(0.3, 0.3, "two")
    assert {"outside: runs out of the figure", "one upon two"} <= set(faults(drawing))


@pytest.mark.parametrize("name", ["goldiclip-retrieval", "superclip-zeroshot", "ablation"])
def test_figures_of_the_shipped_tables_have_no_faults(name: str) -> None:
    plot = figure_of(build_table(name))
    assert plot.points and faults(draw(plot)) == []


def test_a_single_model_is_drawn() -> None:
    plot = figure_of(built(made("shapes-retrieval", "a", images_seen=100), name="shapes"))
    assert len(plot.points) == 1 and faults(draw(plot)) == []
    assert efficiency_plot(plot, "unique_pairs", "pairs") == "" and "<svg" in efficiency_plot(plot, "images_seen", "x")


def test_the_same_data_give_the_same_file() -> None:
    write(Path("results"), *own(10))
    for ending in ("png", "pdf", "svg"):
        files = [Path(f"{number}.{ending}") for number in (1, 2)]
        assert all(goldieval("table", "--plot", str(file)).code == 0 for file in files)
        assert files[0].read_bytes() == files[1].read_bytes()


# What is on it


def test_own_models_are_on_it_or_a_line_says_why_not() -> None:
    records = [
        made("coco-karpathy", "placed", 0.3, images_seen=10**9),
        made("coco-karpathy", "unknown", 0.3),
        made("coco-karpathy", "part", 0.3, limit=100, images_seen=10**9),
        made("coco-karpathy", "conditioned", 0.4, scoring="conditioned", images_seen=10**9),
        made("coco-karpathy", "again", 0.4, images_seen=10**9),
        made("coco-karpathy", "open_clip:ViT-B-16/laion400m_e32", 0.38),  # a published model states its training data
    ]
    plot = figure_of(built(*records))
    points = {point.name: point for point in plot.points if point.kind == "ours"}
    assert {"placed", "conditioned", "again"} <= set(points) and "global" not in points["placed"].label
    assert points["conditioned"].label == "conditioned (text-conditioned scores)"
    part, unknown = sorted(line for line in plot.missing if line.startswith(("part", "unknown")))
    assert part == "part: measured on subset of 100 images" and "--trained unknown=PAIRS,SEEN" in unknown
    with_data = figure_of(built(*records, trained=("unkn*=30M,1.2B",)))
    (point,) = [point for point in with_data.points if point.name == "unknown"]
    assert (point.unique_pairs, point.images_seen) == (30_000_000, 1_200_000_000)


def test_an_own_run_of_a_public_checkpoint_knows_its_published_training_data() -> None:
    sources = build_table("leaderboard", []).sources
    model = next(each for each in sources.published.models.values() if each.spec and each.images_seen)
    plot = figure_of(built(made("coco-karpathy", model.spec, 0.38)))
    (point,) = [point for point in plot.points if point.kind == "ours"]
    assert (point.unique_pairs, point.images_seen) == (model.unique_pairs, model.images_seen) and not plot.missing


def test_the_task_is_the_one_with_own_models_else_the_most_published() -> None:
    assert figure_of(built(name="superclip-zeroshot")).title == "imagenet, top-1"
    records = [made("flickr30k-test", "a", images_seen=10), made("flickr30k-test", "b"), made("cifar10", "a"),
               made("cifar10", "b"), made("cifar10", "c")]  # fmt: skip
    assert figure_of(built(*records)).title == "flickr30k-test, T2I R@1"  # known training data before more models
    assert figure_of(built(*records, task="cifar10")).title == "cifar10, top-1"
    assert figure_of(built(*records, task="coco-karpathy:i2t_r1")).title == "coco-karpathy, I2T R@1"


def test_without_own_models_it_is_the_average_of_38_sets_with_the_small_data_baselines() -> None:
    plot = figure_of(built())
    pairs = {point.name: point.unique_pairs for point in plot.points}
    assert plot.title == "DataComp, average of 38" and all(point.kind == "published" for point in plot.points)
    small = {"OpenCLIP DataComp-S B/32": 1_400_000, "OpenCLIP CC12M RN50-quickgelu": 12_000_000,
             "OpenCLIP DataComp-M B/32": 14_000_000, "OpenCLIP YFCC15M RN50-quickgelu": 15_000_000,
             "OpenCLIP DataComp-L B/16": 140_000_000}  # fmt: skip
    assert {name: pairs.get(name) for name in small} == small
    assert {"SuperCLIP B-512M, short and long", "MobileCLIP2-S0"} <= set(pairs)


def test_imported_models_join_with_the_training_data_of_their_weights() -> None:
    rows = ["RN50-quickgelu,openai,0.4812", "ViT-B-16,openai,0.5626", "ViT-Z,unknown,0.3"]
    Path("a.csv").write_text("\n".join(["name,pretrained,Average perf. on 38 datasets", *rows]) + "\n")
    table = build_table("leaderboard", [], [Path("a.csv")], plot=PlotChoice("datacomp-38"))
    plot = figure_of(table)
    (point,) = [point for point in plot.points if point.kind == "imported"]  # that of OpenAI's B/16 is published
    assert (point.name, point.unique_pairs) == (
        "RN50-quickgelu openai",
        400_000_000,
    ) and "ViT-Z/unknown" in plot.left_out


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(0, 9), st.booleans()), min_size=1, max_size=12))
def test_the_frontier_is_what_nothing_with_as_little_data_surpasses(drawn: list[tuple[int, int, bool]]) -> None:
    points = [
        EfficiencyPoint(str(number), "published", float(score), None, None, x, None, "conditioned" if other else "")
        for number, (x, score, other) in enumerate(drawn)
    ]
    found = Efficiency("t", points, []).on("unique_pairs")
    compared = [point for point in points if not point.other_scoring]
    for point in found:
        x = point.unique_pairs or 0
        beaten = any(
            (each.unique_pairs or 0) <= x and each.score >= point.score
            and ((each.unique_pairs or 0) < x or each.score > point.score)
            for each in compared
        )  # fmt: skip
        if point.frontier:
            assert not beaten and not point.other_scoring
        elif not point.other_scoring:  # of equal points, one stands for all
            assert beaten or any(
                each.frontier and (each.unique_pairs, each.score) == (point.unique_pairs, point.score) for each in found
            )


def test_asked_for_models_are_labelled_and_the_rest_is_in_the_legend() -> None:
    plot = figure_of(
        built(made("coco-karpathy", "mine", 0.3, images_seen=10**9), labels=("openai clip b/32", "OpenAI CLIP*"))
    )
    ranked = {point.name: point.rank for point in plot.on("unique_pairs")}
    assert ranked["OpenAI CLIP B/32"] == 0 and ranked["OpenCLIP LAION-2B B/32"] is None
    of_points, entries = styles(plot.points)
    assert set(of_points) == set(entries) and len({style.shape for style in entries}) == len(entries)
    assert [style.filled for style in of_points] == [point.kind == "ours" for point in plot.points]
    texts = [label.get_text() for label in draw(plot).labels]
    assert "mine" in texts and "OpenAI CLIP B/32" in texts and "OpenCLIP LAION-2B B/32" not in texts


def test_more_families_than_markers_share_the_last_one() -> None:
    points = [
        EfficiencyPoint(f"family{number} {size}", "published", 1.0, None, None, 1, 1)
        for number in range(len(SHAPES) + 3)
        for size in range(2 if number else 1)
    ]
    _, entries = styles(points)
    assert len(entries) == len(SHAPES) and entries[-1].text == "other published"
    assert len({(style.shape, style.colour) for style in entries}) == len(entries)


def test_labels_leave_out_what_all_measured_models_begin_with() -> None:
    points = [
        EfficiencyPoint(f"open_clip:B@runs/{name}", "ours", 1.0, None, None, 1, 1) for name in ("a/1.pt", "b/2.pt")
    ]
    assert label_texts(points, "open_clip:B@runs/") == ["…a/1.pt", "…b/2.pt"]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--plot-task", "coco-karpaty"], "no task 'coco-karpaty'. Did you mean coco-karpathy"),
        (["--plot-task", "coco-karpathy:acc9"], "no score of 'acc9'. There are"),
        (["--trained", "mine"], "write NAME=PAIRS,SEEN"),
        (["--trained", "mine=1,2,3"], "write NAME=PAIRS,SEEN"),
        (["--trained", "mine=-1,2"], "write NAME=PAIRS,SEEN"),
        (["--trained", "mine=,"], "write NAME=PAIRS,SEEN"),
        (["--trained", "mine=1e999,2"], "write NAME=PAIRS,SEEN"),
    ],
)
def test_wrong_options_of_the_plot_are_one_line(arguments: list[str], line: str) -> None:
    ran = goldieval("table", "--plot", "x.png", *arguments)
    assert ran.code == 2 and line in one_line(ran.err) and not Path("x.png").exists()


def test_names_that_no_model_has_and_options_without_a_plot_are_said() -> None:
    write(Path("results"), made("coco-karpathy", "mine", 0.3, images_seen=10**9))
    ran = goldieval("table", "--plot", "x.png", "--label", "nobody*", "--trained", "noone=1M,2M")
    assert ran.code == 0 and "--label nobody*: no such model has a score of coco-karpathy" in ran.err
    assert "--trained noone: no such model" in ran.err
    ran = goldieval("table", "--label", "mine")
    assert ran.code == 2 and "give --plot FILE or --html FILE" in one_line(ran.err)


# The figure on a page


@needs_chromium
@pytest.mark.parametrize("count", [6, 64])
def test_no_text_of_the_figure_on_a_page_lies_upon_another_or_is_cut(count: int, tmp_path: Path) -> None:
    plot = figure_of(built(*own(count)))
    drawings = "".join(efficiency_plot(plot, axis, title) for axis, title in AXES.items())
    style = "<style>svg{width:min(100%,560px);font-family:system-ui,sans-serif}</style>"
    (tmp_path / "page.html").write_text(f'<!doctype html><meta charset="utf-8"><title>t</title>{style}{drawings}')
    with browser(tmp_path / "profile") as chromium:
        chromium.open(tmp_path / "page.html")
        for width in (1280, 400):
            chromium.resize(width)
            assert layout_faults(chromium) == []
        outside = chromium.run(
            "[...document.querySelectorAll('svg')].flatMap(svg => {"
            " const frame = svg.querySelector('.axis').getBoundingClientRect();"
            " return [...svg.querySelectorAll('text.label')].filter(text => {"
            "  const box = text.getBoundingClientRect();"
            "  return box.left < frame.left || box.right > frame.right + 1"
            "   || box.top < frame.top || box.bottom > frame.bottom; }).map(text => text.textContent); })"
        )
        assert outside == [] and chromium.errors == []
        assert chromium.run("document.querySelectorAll('script').length") == 0
        names = chromium.run("[...document.querySelectorAll('g title')].map(each => each.textContent)")
        assert len(names) == sum(len(plot.on(axis)) for axis in AXES)
        assert chromium.run("document.querySelectorAll('text.label').length") >= 8


def test_the_scoring_of_a_label_is_not_cut() -> None:
    point = EfficiencyPoint("a name of a model that is very long indeed", "ours", 1.0, None, None, 5, 5, "other scores")
    (text,) = label_texts([point], "")
    assert text.endswith("… (other scores)") and text.startswith("a name of a model")
