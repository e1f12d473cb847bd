"""The setting under which a record was measured; different settings share a column only on request."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from goldieval.records.schema import Record

PRECISIONS = ("fp32", "bf16", "fp16")


@dataclass(frozen=True)
class Setting:
    """Properties that must be equal for two records to share a column.

    Attributes:
        protocol: protocol of the task.
        version: version of the task.
        scoring: scoring mode.
        precision: precision of the model.
        limit: number of images of a subset; None for all.
        subset: name of the subset; empty for all.
        partial: why the record is partial; empty where it is not.
        card: hash of the task card.
        data: hash of the data.
        prompts: hash of prompts and class names.
    """

    protocol: str
    version: int
    scoring: str
    precision: str
    limit: int | None
    subset: str
    partial: str
    card: str
    data: str
    prompts: str

    @property
    def whole(self) -> bool:
        """Whether the whole task was measured."""
        return self.limit is None and not self.subset and not self.partial

    def differences(self, other: Setting) -> list[str]:
        """Return the differences from another setting as text, most important first."""
        differences = []
        if self.protocol != other.protocol:
            differences.append(f"protocol {self.protocol}")
        if self.scoring != other.scoring:
            differences.append(f"{self.scoring} scoring")
        if self.precision != other.precision:
            differences.append(self.precision)
        if self.version != other.version:
            differences.append(f"version {self.version} of the task")
        elif self.card != other.card and self.protocol == other.protocol:
            differences.append(f"another card of that name ({self.card[:8]})")
        elif self.prompts != other.prompts and self.protocol == other.protocol:
            differences.append(f"other prompts or class names ({self.prompts[:8]})")
        parts = [(each.limit, each.subset, each.partial) for each in (self, other)]
        if self.data != other.data and parts[0] == parts[1]:
            differences.append(f"other data ({self.data[:8]})")
        return self.restrictions() + differences

    def restrictions(self) -> list[str]:
        """Return how the measurement is restricted to a part of the task, as text."""
        restrictions = [f"subset of {self.limit:,} images"] if self.limit is not None else []
        restrictions += [f"only the images {self.subset}"] if self.subset else []
        return restrictions + ([f"PARTIAL: {self.partial}"] if self.partial else [])


def scoring_name(pattern: str) -> str:
    """Return the name of a scoring mode in a footnote.

    >>> scoring_name("conditioned"), scoring_name("dense:csa:*")
    ('text-conditioned scores', 'dense:csa scores')
    """
    if not pattern:
        return "setting unknown"
    mode = pattern.removesuffix(":*")
    return f"{'text-conditioned' if mode == 'conditioned' else mode} scores"


def setting_of(record: Record) -> Setting:
    task, partial = record.task, record.status == "partial"
    reason = (record.reason or "incomplete") if partial else ""
    return Setting(
        task.protocol, task.version, task.scoring, record.model.precision, task.limit, task.subset, reason,
        task.card_sha256, record.data.sha256, task.prompts_sha256 + task.class_names_sha256,
    )  # fmt: skip


def main_setting(settings: Sequence[Setting], cards_protocol: str = "", cards_version: int = 0) -> Setting | None:
    """Return the setting of a column: whole, as the card has it, then the most frequent, then by precision.

    If no setting is whole, the most frequent partial one is returned; without any setting, None.

    Args:
        settings: the setting of each record.
        cards_protocol: protocol of the card of the task; however few records have it, it is preferred.
        cards_version: version of that card, in the same way; 0 where none is preferred.
    """
    whole = [setting for setting in settings if setting.whole] or list(settings)
    whole = [setting for setting in whole if setting.protocol == cards_protocol] or whole
    counted = Counter([setting for setting in whole if setting.version == cards_version] or whole)
    if not counted:
        return None
    return min(counted, key=lambda one: (-counted[one], _precision(one), one.scoring, one.protocol, one.data))


def _precision(setting: Setting) -> int:
    return PRECISIONS.index(setting.precision) if setting.precision in PRECISIONS else len(PRECISIONS)
