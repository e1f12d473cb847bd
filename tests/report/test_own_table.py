"""The example of a user-defined table in docs/tables.md."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from helpers import goldieval
from synthetic_records import made, write

PAGE = Path(__file__).parents[2] / "docs/tables.md"


def test_the_pages_example_makes_a_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = re.search(r"## A table of your own\n\n```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert recipe
    (tmp_path / "mine.yaml").write_text(recipe[1])
    model = "open_clip:ViT-B-32@epoch_32.pt"
    write(tmp_path / "results", made("coco-karpathy", model, 0.5), made("flickr30k-test", model, 0.75))
    monkeypatch.chdir(tmp_path)
    ran = goldieval("table", "mine.yaml", "--format", "markdown")
    assert ran.code == 0 and "What we need" in ran.out, ran.err
    ours = next(line for line in ran.out.splitlines() if "ViT-B-32" in line)
    assert "50.0" in ours and "75.0" in ours
    assert any(line.startswith("| *OpenAI CLIP B/16*") for line in ran.out.splitlines())
