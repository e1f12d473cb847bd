"""Writes a training study's table, ``goldieval table STUDY``, into its page.

uv run python benchmarks/study_table.py methods              # rewrites results/methods/README.md between its markers
uv run python benchmarks/study_table.py superclip-batches
"""

from __future__ import annotations

import argparse

import methods
import superclip_batches
from trainings import ROOT, Study

from goldieval.core.files import atomic_write
from goldieval.report.built_table import build_table
from goldieval.report.formats.markdown import to_markdown

START, END = "<!-- tables -->", "<!-- end of tables -->"
STUDIES: dict[str, Study] = {"methods": methods.STUDY, "superclip-batches": superclip_batches.STUDY}


def rewrite(study: Study, body: str) -> None:
    """Put a table between the markers of a study's page, and print it."""
    page = study.results / "README.md"
    written = page if page.is_file() else ROOT / "results" / study.results.name / "README.md"  # a trial has no page yet
    atomic_write(page, with_tables(written.read_text(encoding="utf-8"), body).encode())
    print(body)


def with_tables(page: str, body: str) -> str:
    """Return the text of a page with other tables between its markers."""
    if START not in page or END not in page:
        raise SystemExit(f"the page has no {START} and {END}, between which its tables are written.")
    before, after = page[: page.index(START) + len(START)], page[page.index(END) :]
    return f"{before}\n\n{body.strip()}\n\n{after}"


def tables(name: str) -> str:
    """Return the table of a study as Markdown."""
    grid = build_table(name, [STUDIES[name].results]).grid
    return to_markdown(grid) + "".join(f"\n{fault}  " for fault in grid.faults)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", choices=STUDIES)
    name = parser.parse_args().study
    rewrite(STUDIES[name], tables(name))


if __name__ == "__main__":
    main()
