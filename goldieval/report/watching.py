"""Output of a run that watches a folder: as that of a run, without what would be repeated for every checkpoint."""

from __future__ import annotations

from goldieval.engine.plan import Plan
from goldieval.records.schema import Record
from goldieval.report.console import ConsoleReporter


class WatchReporter(ConsoleReporter):
    """Prints which tasks were left out for the first checkpoint only, and no next command."""

    def finished(self, plan: Plan, records: list[Record]) -> None:
        left_out = [] if self.left_out else plan.skipped
        self.left_out += plan.skipped
        self.console.print()
        self.print_scores(records)
        self.print_left_out(left_out)
        self.console.print()
