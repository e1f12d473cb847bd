"""A grid as text: terminal, Markdown, LaTeX, HTML, CSV."""

from __future__ import annotations

from goldieval.report.formats.csv import to_csv
from goldieval.report.formats.html import to_html
from goldieval.report.formats.latex import to_latex
from goldieval.report.formats.markdown import to_markdown

FORMATS = {"markdown": to_markdown, "latex": to_latex, "html": to_html, "csv": to_csv}
"""Those that are text; the terminal's is ``goldieval.report.formats.terminal``."""
