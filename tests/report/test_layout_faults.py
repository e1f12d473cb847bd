"""The search for cut text, overlapping labels and faint text finds each planted fault and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import Page, browser, needs_chromium
from layout_faults import contrast_faults, faults_of_every_view, layout_faults

pytestmark = needs_chromium

SOUND = """
<h1>A heading</h1><p>Words that break over as many lines as there is room for, however narrow the window may be.</p>
<div style="overflow-x:auto"><table><tr><td style="white-space:nowrap;padding-right:2000px">it scrolls</table></div>
<p style="display:none">hidden</p><details><summary>closed</summary><div style="width:3000px">far</div></details>
<span style="position:absolute;width:1px;height:1px;overflow:hidden;white-space:nowrap">for screen readers</span>
<svg width="300" height="120"><text x="10" y="20">one</text><text x="10" y="50">two</text>
<text x="150" y="110" transform="rotate(-45 150 110)">first label</text>
<text x="190" y="110" transform="rotate(-45 190 110)">next</text></svg>
"""
PLANTED = {
    "the page is 1508 wide in a window of 800": '<div style="width:1500px">wide</div>',
    "outside the window of": '<p style="position:absolute;left:-50px">left of the window</p>',
    "outside the window of 800: <svg": '<svg width="900" height="9"></svg>',
    "cut by <div.box>": '<div class="box" style="height:20px;overflow:hidden">one<br>two<br>three</div>',
    "text cut at": '<div style="width:50px;overflow:hidden;text-overflow:ellipsis;white-space:nowrap">too long</div>',
    "text cut at 60 of": '<input style="width:60px;border:0;padding:0" value="a value that is longer than its field">',
    "runs out of its <td>": '<table style="table-layout:fixed;width:60px"><td>unbreakableWord</td></table>',
    '"one" [': '<p style="position:absolute">one</p><p style="position:absolute">two</p>',
    '<text> "labels"': '<svg width="99" height="40"><text y="20">labels</text><text x="9" y="24">meet</text></svg>',
    'a short word is broken: "61.8"': '<p style="width:20px;overflow-wrap:anywhere">61.8</p>',
    "cut by <svg>": '<svg width="40" height="40"><text x="9" y="20">longer than the drawing</text></svg>',
}


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    folder = tmp_path_factory.mktemp("browser")
    (folder / "empty.html").write_text("<!doctype html><title>empty</title>")
    with browser(folder / "profile") as page:
        page.open(folder / "empty.html")
        yield page


def shown(chromium: Page, folder: Path, body: str) -> Page:
    file = folder / "page.html"
    file.write_text(f'<!doctype html><html lang="en"><meta charset="utf-8"><title>t</title><body>{body}</body></html>')
    chromium.resize(800)
    chromium.load(file.as_uri())
    return chromium


def test_a_sound_page_has_no_fault_at_any_width(chromium: Page, tmp_path: Path) -> None:
    assert faults_of_every_view(shown(chromium, tmp_path, SOUND)) == []


@pytest.mark.parametrize("fault", PLANTED)
def test_a_planted_fault_is_found(fault: str, chromium: Page, tmp_path: Path) -> None:
    found = layout_faults(shown(chromium, tmp_path, SOUND + PLANTED[fault]))
    assert [line for line in found if fault in line], found


def test_faint_text_is_found_on_the_background_behind_it(chromium: Page, tmp_path: Path) -> None:
    faint = '<div style="background:#222"><p style="color:#333">dark on dark</p><p style="color:#fff">white</p></div>'
    (line,) = contrast_faults(shown(chromium, tmp_path, faint))
    assert "dark on dark" in line
    (line,) = contrast_faults(shown(chromium, tmp_path, '<p style="opacity:.3">pale</p><p style="color:#666">grey</p>'))
    assert "pale" in line
