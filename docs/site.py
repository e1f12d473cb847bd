"""Hooks of the documentation site: the README is its first page, each task has a page, and links that leave ``docs/``
become plain names."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

from goldieval.report.benchmark_page import benchmark_page
from goldieval.report.published import load_published
from goldieval.tasks.catalogue import Catalogue

ROOT = Path(__file__).resolve().parents[1]
TASKS = Catalogue()
TASK = re.compile(r"`([a-z0-9._-]+)`")
LINK = re.compile(r"\[([^\]]+)\]\(([^)\s]+)\)")


def on_files(files: Files, config: Any) -> Files:
    """Add the README as ``index.md``, and a page for each task."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8").replace("](docs/", "](")
    files.append(File.generated(config, "index.md", content=readme))
    suites, published = list(TASKS.suites.values()), load_published()
    for name, task in TASKS.tasks.items():
        content = benchmark_page(task, suites, published)
        files.append(File.generated(config, f"benchmarks/{name}.md", content=content))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Link the list of tasks to their pages.

    A link to a file outside of the site becomes its text and path: the site has no address of the repository.
    """
    if page.file.src_uri == "benchmarks.md":
        markdown = TASK.sub(_linked, markdown)
    return LINK.sub(lambda found: _inside(found, page.file.src_uri), markdown)


def _linked(found: re.Match[str]) -> str:
    return f"[{found[0]}](benchmarks/{found[1]}.md)" if found[1] in TASKS.tasks else found[0]


def _inside(found: re.Match[str], page: str) -> str:
    text, target = found[1], found[2]
    if re.match(r"[a-z]+:|#|/", target):
        return found[0]
    base = ROOT if page == "index.md" and not (ROOT / "docs" / target.split("#")[0]).exists() else ROOT / "docs"
    place = (base / target.split("#")[0]).resolve()
    if place.is_relative_to(ROOT / "docs") and place.is_file():
        return found[0]
    return f"{text} (`{place.relative_to(ROOT)}`)" if place.exists() else found[0]
