"""The page of the field in Chromium: layout in every window, filters that agree with Python, and hostile names."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import Page, browser, needs_chromium
from layout_faults import faults_of_every_view
from test_field import hostile

from goldieval.report.built_table import sources_of
from goldieval.report.field.collected import field_of
from goldieval.report.field.leaders import lead_of
from goldieval.report.field.numbers import FieldColumn
from goldieval.report.field.page import write_field_page

pytestmark = needs_chromium


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    folder = tmp_path_factory.mktemp("field")
    write_field_page(folder / "field.html", field_of(sources_of([])[0]))
    with browser(folder / "profile") as page:
        page.open(folder / "field.html")
        yield page


ROWS = """[...document.querySelectorAll('#overview tr')].filter(row => row.cells.length > 1)
          .map(row => [...row.cells].map(cell => cell.textContent))"""


def keep(page: Page, group: str, *names: str) -> None:
    """Leave only some boxes of a filter checked."""
    page.run(f"""document.querySelectorAll('#{group} input').forEach(
        box => box.checked = {list(names)}.includes(box.value)) || document.getElementById('filters')
        .dispatchEvent(new Event('input'))""")


def reset(page: Page) -> None:
    page.click("[type=reset]")
    page.run("new Promise(done => setTimeout(done, 20))")


def leaders(columns: list[FieldColumn]) -> dict[str, tuple[str, int, int]]:
    found = {}
    for column in columns:
        if column.main and (lead := lead_of(column)):
            found[column.title] = lead.leader.model.name, len(lead.rivals) + 1, len(lead.inseparable)
    return found


def shown(page: Page) -> dict[str, tuple[str, int, int]]:
    rows = {title: (best, int(models), same) for title, best, _, models, same in page.run(ROWS)}
    return {
        title: (best, models, int(same.split()[1]) if same.startswith("≈") else 0)
        for title, (best, models, same) in rows.items()
    }


@pytest.mark.parametrize(
    ("sizes", "kinds"),
    [([], []), (["up to 3 M", "4 M to 30 M"], []), ([], ["ViT-B/16"]), (["40 M to 500 M"], ["ViT-B/32", "ViT-L"])],
)
def test_filters_compute_what_python_computes(opened: Page, sizes: list[str], kinds: list[str]) -> None:
    reset(opened)
    for group, names in (("sizes", sizes), ("kinds", kinds)):
        if names:
            keep(opened, group, *names)
    columns = field_of(sources_of([])[0]).columns
    for column in columns:
        column.numbers = [
            number
            for number in column.numbers
            if (not sizes or number.model.size in sizes) and (not kinds or number.model.kind in kinds)
        ]
    expected = leaders(columns)
    assert len(expected) > 10 and shown(opened) == expected


def test_one_set_shows_every_number_with_interval_source_and_shading(opened: Page) -> None:
    reset(opened)
    opened.run("""[...document.querySelectorAll('#overview button')]
        .find(button => button.textContent === 'coco-karpathy, I2T R@1').click()""")
    column = next(column for column in field_of(sources_of([])[0]).columns if column.title == "coco-karpathy, I2T R@1")
    lead = lead_of(column)
    assert lead is not None and lead.inseparable
    count = "document.querySelectorAll('#numbers tr{}').length"
    assert opened.run(count.format("")) == len(column.numbers)
    assert opened.run(count.format(".same")) == len(lead.inseparable)
    assert opened.run(count.format(".aside")) == len([number for number in column.numbers if not number.compared])
    assert "n 5,000" in opened.run("document.getElementById('facts').textContent")
    assert "docs/openclip_retrieval_results.csv" in opened.run("document.getElementById('numbers').textContent")


def test_find_and_parts(opened: Page) -> None:
    reset(opened)
    opened.run("document.getElementById('find').value = 'winoground'")
    keep(opened, "sizes", *opened.run("[...document.querySelectorAll('#sizes input')].map(b => b.value)"))
    assert [row[0] for row in opened.run(ROWS)] == [f"winoground, {side} score" for side in ("text", "image", "group")]
    opened.run("document.getElementById('find').value = 'sugarcrepe'")
    opened.click("#parts")
    assert "sugarcrepe, accuracy swap obj" in [row[0] for row in opened.run(ROWS)]
    reset(opened)


def test_nothing_is_cut_or_faint_in_any_window(opened: Page) -> None:
    reset(opened)
    assert faults_of_every_view(opened) == [] and opened.errors == []


def test_without_scripts_the_leaders_stand_there(opened: Page) -> None:
    try:
        opened.scripts(False)
        assert len(opened.run(ROWS)) > 50 and "Without JavaScript" in opened.run("document.body.innerText")
        assert not opened.run("document.getElementById('filters').checkVisibility()")
    finally:
        opened.scripts(True)


def test_a_hostile_name_is_text(opened: Page, tmp_path: Path) -> None:
    write_field_page(tmp_path / "hostile.html", hostile(tmp_path))
    opened.load((tmp_path / "hostile.html").resolve().as_uri())
    assert not opened.run("window.ran") and opened.run("document.images.length") == 0 and opened.errors == []
    assert "window.ran=1" in opened.run("document.getElementById('overview').textContent")
