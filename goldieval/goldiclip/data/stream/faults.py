"""Why a shard cannot be read as a stream."""

from __future__ import annotations

from goldieval.goldiclip.data.addresses import without_secrets


class UnreadableError(Exception):
    """A shard, or the rest of it, cannot be read; its message holds no secret."""

    def __init__(self, address: str, reason: str) -> None:
        super().__init__(" ".join(without_secrets(reason, address).split())[:200])


class PassingError(Exception):
    """What may be different at the next attempt; its message may hold a secret.

    Attributes:
        after: Seconds that a server asks to wait.
    """

    def __init__(self, reason: str, after: float | None = None) -> None:
        super().__init__(reason)
        self.after = after
