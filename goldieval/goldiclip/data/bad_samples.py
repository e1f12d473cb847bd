"""Bad training data: reported in one line each, counted by sample, and limited in number."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from goldieval.core.errors import GoldievalError
from goldieval.goldiclip.data.corpus import Bad

MAX_BAD_SAMPLES = 100  # of a process


class TooManyBadError(Exception):
    """A batch could not be made; carries the bad samples that were met."""

    def __init__(self, bad: list[Bad]) -> None:
        super().__init__(bad)
        self.bad = bad


class BadSamples:
    """The bad samples that one process has met since it started; one that is met again in a later epoch counts once.

    Attributes:
        most: Number of bad samples that are allowed.
        log: JSON Lines file that each is written to, or None.
    """

    def __init__(self, most: int = MAX_BAD_SAMPLES, note: Callable[[str], None] = lambda line: None) -> None:
        """Start counting.

        Args:
            most: Number of bad samples that are allowed.
            note: Called with a line for each.
        """
        self.most, self._note = most, note
        self.log: Path | None = None
        self._seen: set[Bad] = set()
        self._samples: set[str] = set()

    @property
    def samples(self) -> int:
        """Number of bad samples."""
        return len(self._samples)

    @property
    def kinds(self) -> dict[str, int]:
        """Number of times that each reason was met, the most frequent first."""
        return dict(Counter(bad.kind for bad in self._seen).most_common())

    def summary(self) -> str:
        """Return one line: ``3 bad samples (2 unreadable picture, 1 broken JSON)``."""
        plural = "" if self.samples == 1 else "s"
        kinds = ", ".join(f"{count:,} {kind}" for kind, count in self.kinds.items())
        return f"{self.samples:,} bad sample{plural} ({kinds})"

    def count(self, bad: Sequence[Bad]) -> None:
        """Report each new one in a line, up to the first beyond the limit.

        Raises:
            GoldievalError: More samples than allowed are bad.
        """
        for one in [one for one in dict.fromkeys(bad) if one not in self._seen]:
            if self.samples <= self.most:
                self._note(f"bad {'shard' if one.is_shard else 'sample'}: {one}")
                self._write(one)
            self._seen.add(one)
            self._samples.add(one.where)
        if self.samples > self.most:
            raise GoldievalError(
                f"training stopped: {self.summary()}, more than --max-bad-samples {self.most:,}; "
                f"the last is {str(bad[-1]).rstrip('.')}. Repair them, or allow more."
            )

    def _write(self, one: Bad) -> None:
        if self.log is None:
            return
        try:
            with self.log.open("a", encoding="utf-8") as log:
                log.write(json.dumps(asdict(one)) + "\n")
        except OSError as error:
            raise GoldievalError(f"cannot write {self.log}: {error.strerror or error}.") from error

    def give_up(self, bad: Sequence[Bad]) -> GoldievalError:
        """Count, and return the error for a corpus without a usable sample that could replace a bad one."""
        self.count(bad)
        return GoldievalError(
            f"no sample of the training data can be used: {self.summary()}; the last is {str(bad[-1]).rstrip('.')}."
        )
