"""Pages and plots: self-contained files in which text from records is escaped, usable in a browser."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from helpers import goldieval, one_line
from synthetic_records import made, share, write

from goldieval.records.schema import Record
from goldieval.report.built_table import BuiltTable, build_table
from goldieval.report.efficiency import efficiency
from goldieval.report.heat import heat_tables
from goldieval.report.heat_cells import STEPS
from goldieval.report.page import page
from goldieval.report.standings import standings
from goldieval.report.table_spec import load_spec
from goldieval.report.task_panels import task_panels
from goldieval.tasks.catalogue import Catalogue

HOSTILE = """"><img src=x onerror="alert(1)"><script>window.ran=1</script></script>'`{{7*7}}${9}"""


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def real_tasks() -> list[str]:
    return [name for name, task in Catalogue().tasks.items() if task.card.source.on_disk]


def leaderboard(*records: Record, name: str = "leaderboard") -> BuiltTable:
    Path("results").mkdir(exist_ok=True)
    return build_table(name, [write(Path("results"), *records)])


def full(models: int = 20, tasks: int = 20) -> list[Record]:
    """Return records of every real task, some under other names, with six metrics each."""
    names, found = real_tasks(), []
    for number in range(tasks):
        task = names[number % len(names)]
        card = Catalogue().tasks[task].card
        metrics = {name: share(0.3 + number / 100, 5000) for name in card.metrics()[:6]}
        metrics.setdefault(card.headline, share(0.4, 5000))
        for model in range(models):
            found.append(made(task, f"open_clip:ViT-B-16@a/epoch_{model}.pt", name=f"{task}-{number}", metrics=metrics,
                              images_seen=10**6 * (model + 1), unique_pairs=10**6))  # fmt: skip
    return found


class Tags(HTMLParser):
    """Collects every tag with its attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def hostile() -> Record:
    return made("coco-karpathy", HOSTILE, title=HOSTILE, protocol=HOSTILE, licence=HOSTILE, notice=HOSTILE,
                warnings=[HOSTILE], status="partial", reason=HOSTILE)  # fmt: skip


def test_nothing_from_a_record_becomes_a_tag_a_handler_or_a_script() -> None:
    tags = Tags(page(leaderboard(hostile(), made("coco-karpathy", "good")))).found
    assert [tag for tag, _ in tags].count("script") == 1
    assert "img" not in {tag for tag, _ in tags}
    assert [name for _, attributes in tags for name in attributes if name.startswith("on")] == []


def test_only_the_script_that_is_written_there_may_run_and_nothing_is_fetched() -> None:
    text = page(leaderboard(made("coco-karpathy", "a")))
    (script,) = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    (policy,) = [attributes["content"] for _, attributes in Tags(text).found if "http-equiv" in attributes]
    assert policy and f"script-src 'sha256-{digest}'" in policy and "default-src 'none'" in policy
    (style,) = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    assert f"style-src 'sha256-{base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()}'" in policy
    links = [attributes.get("href") or "" for tag, attributes in Tags(text).found if tag in ("a", "link")]
    assert all(link.startswith("#") for link in links)
    assert not any("src" in attributes for _, attributes in Tags(text).found)


def test_twenty_models_by_twenty_tasks_stay_under_two_megabytes() -> None:
    made_table = leaderboard(*full())
    assert len(made_table.sources.records) == 400
    assert len(page(made_table).encode()) < 2e6


def test_the_page_holds_every_metric_with_badges_and_its_task() -> None:
    text = page(leaderboard(made("coco-karpathy", "a", 0.5, limit=100, scoring="conditioned", precision="bf16")))
    assert 'id="task-coco-karpathy"' in text
    for badge in ("karpathy test of val2014, all captions", "conditioned scoring", "bf16", "subset of 100 images"):
        assert re.search(rf'<span class="badge[^"]*">{re.escape(badge)}</span>', text), badge
    assert '<tr class="published" data-kind="published">' in text and "published, not measured here" in text


def test_every_setting_of_a_task_has_a_panel_and_published_rows_stand_apart() -> None:
    records = [made("coco-karpathy", "a"), made("coco-karpathy", "b"), made("coco-karpathy", "b", limit=100),
               made("coco-karpathy", "c", status="failed", reason="no memory", metrics={})]  # fmt: skip
    whole, part = [panel for panel in task_panels(leaderboard(*records)) if panel.task == "coco-karpathy"]
    assert whole.ours and part.ours and (whole.anchor, part.anchor) == ("task-coco-karpathy", "task-coco-karpathy-2")
    assert [row.name for row in whole.ours.rows] == ["a", "b"] and whole.notes == ["c: failed: no memory"]
    assert [row.name for row in part.ours.rows] == ["b"] and ("subset of 100 images", "odd") in part.badges
    assert [kind for kind, _, _ in whole.others] == ["published"] and part.others == []
    assert dict(whole.ours.footer)["chance"][0] == "10.0"


def test_the_page_says_who_leads_and_what_cannot_be_separated() -> None:
    near = [made("coco-karpathy", "best", 0.50), made("coco-karpathy", "near", 0.49)]
    clear = [
        made("cifar10", name, metrics={"acc1": share(value, 9000)}) for name, value in (("best", 0.9), ("near", 0.8))
    ]
    text = page(leaderboard(*near, *clear))
    assert "best leads 1 of 2 tasks alone, and shares the lead in 1." in text
    assert "In 1 of 2 tasks no model can be called the best." in text
    assert "<b>leads alone</b>" in text and 'data-label="cannot be separated">near</td>' in text


def test_one_model_leads_nothing() -> None:
    text = page(leaderboard(made("coco-karpathy", "only")))
    assert "nothing to compare" in text and "leads alone</th>" not in text


def test_colours_run_from_chance_to_the_ceiling_and_chance_stands_in_the_table() -> None:
    scores = {"guess": 0.1, "middle": 0.55, "right": 1.0, "below": 0.02}
    built = leaderboard(*(made("coco-karpathy", name, value) for name, value in scores.items()))
    (heat,) = heat_tables(built.grid, built.sources, standings(built.grid))
    steps = {row.name: row.cells[0].step for _, rows in heat.groups for row in rows if row.kind == "ours"}
    assert steps == {"guess": 0, "below": 0, "middle": STEPS // 2, "right": STEPS} and heat.chance == ["10.0"]
    assert {row.kind for title, rows in heat.groups for row in rows if title == "published"} == {"published"}
    marks = {row.name: row.cells[0].mark for _, rows in heat.groups for row in rows}
    assert marks["right"] == "leads" and not any(marks[name] for name in marks if name != "right")


def test_drawn_scenes_have_a_page_of_their_own() -> None:
    records = made("shapes-retrieval", "a"), made("coco-karpathy", "b")
    real, drawn = page(leaderboard(*records)), page(leaderboard(*records, name="shapes"))
    assert "shapes-retrieval" not in real and "coco-karpathy" not in drawn and "shapes-retrieval" in drawn
    write(Path("drawn"), records[0])
    ran = goldieval("table", "--html", "page.html", "--out", "drawn")
    assert ran.code == 0 and "goldieval table shapes" in ran.err
    assert "of drawn scenes, which have a table of their own: goldieval table shapes" in Path("page.html").read_text()


def test_the_page_is_written_whole_or_one_line_says_why() -> None:
    write(Path("results"), made("coco-karpathy", "a"))
    ran = goldieval("table", "--html", "page.html")
    assert ran.code == 0 and "page.html: " in ran.out and Path("page.html").read_text().endswith("</html>\n")
    ran = goldieval("table", "--html", "nowhere/page.html")
    assert ran.code == 2 and "--html nowhere/page.html" in one_line(ran.err)


# The data-efficiency plot


def test_points_know_their_training_data_and_published_models_are_among_them() -> None:
    records = [made("coco-val2017", "ours", 0.3, images_seen=10**7, unique_pairs=10**6),
               made("coco-val2017", "unknown", 0.2),
               made("coco-val2017", "odd", 0.9, precision="bf16", images_seen=1, unique_pairs=1)]  # fmt: skip
    made_table = leaderboard(*records, name="goldiclip-retrieval")
    found = efficiency(made_table.spec, made_table.sources)
    assert found
    points = {point.name: point for point in found.points}
    assert (points["ours"].score, points["ours"].unique_pairs) == (pytest.approx(30.0), 10**6)
    assert points["ours"].low is not None and points["FLAIR Merged-30M B/16"].low is None
    assert points["FLAIR Merged-30M B/16"].images_seen == 32 * 30_000_000
    assert points["FLAIR Merged-30M B/16"].label == "FLAIR Merged-30M B/16 (text-conditioned scores)"
    assert points["COSMOS Merged-30M B/16"].label == "COSMOS Merged-30M B/16"
    assert "Measured here and not on the figure: " in page(made_table)
    unknown, odd = sorted(line for line in found.missing if line.startswith(("unknown: ", "odd: ")))[::-1]
    assert (
        "--trained unknown=PAIRS,SEEN" in unknown
        and odd == "odd: measured under another setting: bf16"
        and "odd" not in points
    )


@pytest.mark.parametrize(("ending", "magic"), [("png", b"\x89PNG"), ("pdf", b"%PDF"), ("svg", b"<?xml")])
def test_plots_are_pictures_also_with_names_that_look_like_formulas(ending: str, magic: bytes) -> None:
    pairs: dict[str, Any] = {"images_seen": 10**7, "unique_pairs": 10**6}
    write(Path("results"), made("coco-val2017", r"$\frac{x$ & _", 0.3, **pairs))
    ran = goldieval("table", "goldiclip-retrieval", "--plot", f"plot.{ending}")
    assert ran.code == 0, ran.err
    assert Path(f"plot.{ending}").read_bytes().startswith(magic)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["goldiclip-retrieval", "--plot", "x.gif"], "name a .png, .pdf or .svg file"),
        (["superclip-llava", "--plot", "x.png"], "has no plot"),
        (["shapes", "--plot", "x.png"], "no score of shapes-retrieval"),
    ],
)
def test_no_plot_is_one_line(arguments: list[str], line: str) -> None:
    ran = goldieval("table", *arguments)
    assert ran.code == 2 and line in one_line(ran.err) and not Path(arguments[-1]).exists()


def test_every_plot_that_a_shipped_table_names_can_be_drawn_with_a_record() -> None:
    for name in ("goldiclip-retrieval", "superclip-zeroshot", "shapes"):
        assert load_spec(name).plot is not None
