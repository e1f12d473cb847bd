"""Write ``docs/benchmarks.md``, the list of all tasks and suites, from their files."""

from __future__ import annotations

from pathlib import Path

from goldieval.report.benchmark_index import benchmark_index
from goldieval.tasks.catalogue import Catalogue

PAGE = Path(__file__).resolve().parents[1] / "docs/benchmarks.md"

if __name__ == "__main__":
    catalogue = Catalogue()
    PAGE.write_text(benchmark_index(catalogue.tasks.values(), catalogue.suites.values()), encoding="utf-8")
    print(f"wrote {PAGE.name}: {len(catalogue.tasks)} tasks, {len(catalogue.suites)} suites")
