"""The leaderboard page in Chromium: nothing cut or faint in any window, and sorting, filtering, hints and themes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import Page, browser, needs_chromium
from layout_faults import faults_of_every_view, layout_faults
from synthetic_records import made, share, write

from goldieval.records.schema import Record
from goldieval.report.built_table import build_table
from goldieval.report.formats.html import to_html
from goldieval.report.page import page
from goldieval.tasks.catalogue import Catalogue

pytestmark = needs_chromium

HOSTILE = """"><img src=x onerror="alert(1)"><script>window.ran=1</script></script>'`{{7*7}}${9}"""
RUN = "open_clip:ViT-B-16-quickgelu@/scratch/group/2026-05-17_merged30m_lr5e-4_bs8192/checkpoints/epoch_{}.pt"
LONG = [*(RUN.format(epoch) for epoch in (31, 32)), "huggingface:facebook/metaclip-b16-fullcc2.5b", "random", "a" * 70]


def small() -> list[Record]:
    """Return five models on one task, two on another, a subset and a record whose every text is hostile."""
    records = [made("coco-karpathy", f"model-{number}", number / 10) for number in range(1, 6)]
    for number in (1, 2):
        metrics = {"acc1": share(1 - number / 10, 10000), "acc5": share(0.95, 10000)}
        records.append(made("cifar10", f"model-{number}", metrics=metrics))
    hostile = made("coco-karpathy", HOSTILE, title=HOSTILE, protocol=HOSTILE, licence=HOSTILE, notice=HOSTILE,
                   warnings=[HOSTILE], status="partial", reason=HOSTILE)  # fmt: skip
    return [*records, made("coco-karpathy", "model-3", 0.99, limit=100), hostile]


def large() -> list[Record]:
    """Return long names of models and tasks, all real tasks and some more, warnings, failures and other settings."""
    tasks = [name for name, task in Catalogue().tasks.items() if task.card.source.on_disk][:40]
    records = []
    for number, task in enumerate(tasks):
        names = [task] + ([f"{task}-resplit_of_2026_by_{'photographer' * 3}"] if number % 13 == 0 else [])
        metrics = [*Catalogue().tasks[task].card.metrics()[:6], Catalogue().tasks[task].card.headline]
        for model, spec in enumerate(LONG):
            values = {name: share(min(0.99, 0.2 + 0.01 * number + 0.02 * model), 4000) for name in metrics}
            warnings = [f"{'a very long warning without an end ' * 4}{task}"] if model == 1 else []
            records += [made(task, spec, name=name, metrics=values, warnings=warnings) for name in names]
    failed: dict[str, Any] = {"status": "failed", "reason": "out of memory", "metrics": {}}
    return [*records, made("cifar10", "x", limit=500), made("cifar10", "y", **failed)]


def file_of(folder: Path, *records: Record, table: str = "leaderboard") -> Path:
    file = folder / f"{table}.html"
    file.write_text(page(build_table(table, [write(folder / "results", *records)])), encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    folder = tmp_path_factory.mktemp("page")
    with browser(folder / "profile") as page:
        page.open(file_of(folder, *small()))
        yield page


@pytest.fixture
def opened(chromium: Page) -> Page:
    """Return the small page, loaded again, in a window of 1280 pixels."""
    chromium.errors.clear()
    chromium.run("localStorage.clear()")
    chromium.load(chromium.run("location.href.split('#')[0]"))
    chromium.scheme("light")
    chromium.resize(1280)
    return chromium


def test_nothing_of_a_record_runs_and_nothing_is_fetched(opened: Page) -> None:
    assert opened.run("document.querySelectorAll('script').length === 1 && document.images.length === 0")
    assert not opened.run("window.ran") and opened.errors == []


SHOWN = (
    "[...document.querySelectorAll('{} tr[data-kind=ours]')].filter(r => r.checkVisibility()).map(r => r.cells[0]{})"
)
PANEL = SHOWN.format("#task-coco-karpathy", ".querySelector('.name').firstChild.data.trim()")


def change(page: Page, **values: str) -> None:
    for name, value in values.items():
        page.run(f"document.getElementById('{name}').value = '{value}'")
    page.run("document.getElementById('filters').dispatchEvent(new Event('input'))")


def test_rows_are_sorted_inside_of_their_setting(opened: Page) -> None:
    models = [f"model-{number}" for number in range(1, 6)]
    assert opened.run(PANEL) == models[::-1]  # the best first
    opened.click("#task-coco-karpathy th[data-headline] button")
    opened.click("#task-coco-karpathy th[data-headline] button")
    assert opened.run(PANEL) == models
    opened.click("#task-coco-karpathy th button")
    opened.click("#task-coco-karpathy th button")
    assert opened.run(PANEL) == models[::-1]
    assert opened.run("document.querySelector('#task-coco-karpathy [aria-sort]').ariaSort") == "descending"
    subset = opened.run(
        "[...document.querySelectorAll('article')].find(a => a.textContent.includes('subset of 100')).id"
    )
    assert opened.run(SHOWN.format(f"#{subset}", ".innerText.split(/\\s/)[0]")) == ["model-3"]


def test_the_heat_table_is_sorted_too_and_empty_cells_stand_last(opened: Page) -> None:
    heat = SHOWN.format(".heat", ".innerText")
    opened.click(".heat th[data-task=cifar10] button")
    assert opened.run(heat)[:2] == ["model-1", "model-2"]
    opened.click(".heat th[data-task=cifar10] button")
    assert opened.run(heat)[:2] == ["model-2", "model-1"]


def test_words_task_metric_and_kind_filter_rows_columns_and_panels(opened: Page) -> None:
    panels = "[...document.querySelectorAll('article')].filter(a => !a.hidden).map(a => a.dataset.task)"
    columns = "[...document.querySelectorAll('.heat')[0].tHead.rows[0].cells].filter(c => !c.hidden).length - 1"
    count = "document.getElementById('count').textContent"
    whole = opened.run(count)
    assert opened.run(columns) == 2
    change(opened, find="model-2 cifar")
    assert opened.run(panels) == ["cifar10"] and opened.run(columns) == 1
    assert opened.run(count).startswith("1 of ")
    assert opened.run(SHOWN.format("#task-cifar10", ".querySelector('.name').firstChild.data.trim()")) == ["model-2"]
    change(opened, find="", metric="acc5")
    assert opened.run(panels) == ["cifar10"]
    shown = (
        "[...document.querySelectorAll('#task-cifar10 th[data-metric]')].filter(h => !h.hidden).map(h => h.innerText)"
    )
    assert opened.run(shown) == ["top-5"]
    change(opened, metric="", task="coco-karpathy")
    assert set(opened.run(panels)) == {"coco-karpathy"}
    change(opened, find="nothing is called that")
    assert opened.run(panels) == [] and opened.run("document.getElementById('nothing').checkVisibility()")
    opened.click("[type=reset]")
    assert opened.run(count) == whole
    opened.click(".kind[value=published]")
    assert opened.run("[...document.querySelectorAll('tr.published')].every(r => !r.checkVisibility())")


def test_an_interval_is_shown_on_hover_on_focus_and_on_touch(opened: Page) -> None:
    cell = ".heat tr[data-kind=ours] td[tabindex]"
    tip = "[...document.querySelectorAll('.tip')].filter(t => t.checkVisibility()).map(t => t.innerText)"
    assert opened.run(tip) == []
    opened.hover(cell)
    (text,) = opened.run(tip)
    assert text.startswith("model-5: coco-karpathy") and "95 %: 48.6–51.4" in text and "chance 10.0" in text
    assert layout_faults(opened) == []
    opened.hover("h1")
    assert opened.run(tip) == []
    opened.run(f"document.querySelector('{cell}').focus()")
    assert opened.run(tip) == [text]
    opened.press("ArrowDown")
    (below,) = opened.run(tip)
    assert below.startswith("model-1: coco-karpathy")  # it leads on the other task
    opened.press("Escape")
    assert opened.run(tip) == []
    opened.run("document.activeElement.blur()")
    opened.tap(cell)
    assert opened.run(tip) == [text]
    assert opened.run(
        "[...document.querySelectorAll('.heat')].every(t => t.querySelectorAll('td[tabindex=\"0\"]').length < 2)"
    )


def test_the_theme_follows_the_system_until_the_reader_chooses(opened: Page) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"
    light = opened.run(ground)
    opened.scheme("dark")
    dark = opened.run(ground)
    assert dark != light
    opened.click("#theme")
    assert opened.run(ground) == light and opened.run("document.getElementById('theme').textContent") == "Theme: light"
    opened.load(opened.run("location.href"))
    assert opened.run(ground) == light  # remembered
    opened.click("#theme")
    opened.scheme("light")
    assert opened.run(ground) == dark
    opened.run("localStorage.clear()")


def test_a_link_leads_below_the_bar_at_the_top(opened: Page) -> None:
    opened.click(".contests a[href='#task-cifar10']")
    top = "document.getElementById('task-cifar10').getBoundingClientRect().top"
    assert opened.run(top) >= opened.run("document.querySelector('.top').getBoundingClientRect().bottom") - 1


def test_without_scripts_everything_can_be_read(opened: Page) -> None:
    opened.scripts(False)
    try:
        opened.resize(800)
        assert layout_faults(opened) == []
        assert not opened.run("document.getElementById('filters').checkVisibility()")
        assert not opened.run("document.querySelectorAll('th button').length")
        opened.hover(".heat td[tabindex]")
        assert "95 %" in opened.run("document.querySelector('td:hover .tip').innerText")
    finally:
        opened.scripts(True)


def test_print_is_light_and_complete(opened: Page) -> None:
    opened.scheme("dark", "print")
    opened.resize(1032)  # what a landscape page of A4 has between its margins
    assert layout_faults(opened) == []
    assert opened.run("getComputedStyle(document.body).color") == "rgb(27, 32, 38)"
    hidden = "['nav', '#filters', '#theme'].every(s => !document.querySelector(s).checkVisibility())"
    assert opened.run(hidden)
    cut = "[...document.querySelectorAll('.scroll')].filter(s => getComputedStyle(s).overflowY !== 'visible').length"
    assert opened.run(cut) == 0


@pytest.mark.parametrize("opened_parts", [False, True], ids=["closed", "opened"])
def test_no_text_is_cut_faint_or_upon_another_in_any_window(chromium: Page, tmp_path: Path, opened_parts: bool) -> None:
    chromium.load(file_of(tmp_path, *large()).as_uri())
    chromium.run(
        f"document.querySelectorAll('details').forEach(part => {{ part.open = {str(opened_parts).lower()}; }})"
    )
    assert faults_of_every_view(chromium) == []


def test_a_study_with_seeds_fits_every_window(chromium: Page, tmp_path: Path) -> None:
    file = tmp_path / "ablation.html"
    file.write_text(page(build_table("ablation")), encoding="utf-8")
    chromium.load(file.as_uri())
    assert faults_of_every_view(chromium) == []


def test_the_table_alone_fits_every_window(chromium: Page, tmp_path: Path) -> None:
    file = tmp_path / "table.html"
    file.write_text(to_html(build_table("goldiclip-retrieval", [write(tmp_path / "results", *small())]).grid))
    chromium.load(file.as_uri())
    assert faults_of_every_view(chromium) == []
