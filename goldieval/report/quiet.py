"""Output of a run with ``--quiet``: the final scores, and what failed."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

from goldieval.core.meter import Meter, SilentMeter
from goldieval.engine.plan import Plan
from goldieval.records.schema import Record
from goldieval.report.console import ConsoleReporter


class QuietReporter(ConsoleReporter):
    """Prints the final scores and failures of a run, and nothing else."""

    def note(self, line: str) -> None:
        pass

    def card_unreadable(self, reason: str, requested: bool) -> None:
        if requested:
            super().card_unreadable(reason, requested)

    def plan(self, plan: Plan) -> None:
        pass

    def meter(self, what: str, total: int) -> AbstractContextManager[Meter]:
        return nullcontext(SilentMeter())

    def display(self, what: str, total: int) -> AbstractContextManager[Meter]:
        return nullcontext(SilentMeter())

    def finished(self, plan: Plan, records: list[Record]) -> None:
        self.left_out += plan.skipped
        self.print_model(plan)
        self.print_scores(records)
