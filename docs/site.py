"""Hooks of the documentation site: the README is its first page, and links that leave ``docs/`` become plain names."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
LINK = re.compile(r"\[([^\]]+)\]\(([^)\s]+)\)")


def on_files(files: Files, config: Any) -> Files:
    """Add the README as ``index.md``."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8").replace("](docs/", "](")
    files.append(File.generated(config, "index.md", content=readme))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Write a link to a file outside of the site as its text and path: the site has no address of the repository."""
    return LINK.sub(lambda found: _inside(found, page.file.src_uri), markdown)


def _inside(found: re.Match[str], page: str) -> str:
    text, target = found[1], found[2]
    if re.match(r"[a-z]+:|#|/", target):
        return found[0]
    base = ROOT if page == "index.md" and not (ROOT / "docs" / target.split("#")[0]).exists() else ROOT / "docs"
    place = (base / target.split("#")[0]).resolve()
    if place.is_relative_to(ROOT / "docs") and place.is_file():
        return found[0]
    return f"{text} (`{place.relative_to(ROOT)}`)" if place.exists() else found[0]
