"""Processes that are not there: shapes, and bytes that a ring sends."""

from __future__ import annotations

import pytest
import torch

from goldieval.goldiclip.gather import averaged, gathered
from goldieval.goldiclip.memory.storages import StorageTracker
from goldieval.goldiclip.memory.world import pretended_world, sent_bytes

ROWS = 4 * 6 * 8  # bytes


class Sent(StorageTracker):
    """Adds up what is sent."""

    def __init__(self, processes: int) -> None:
        super().__init__("meta", lambda: "all")
        self.processes, self.sent = processes, 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        self.sent += sent_bytes(func, args, self.processes)
        return super().__torch_dispatch__(func, types, args, kwargs)


@pytest.mark.parametrize("processes", [2, 8])
def test_rows_travel_to_all_and_their_gradients_back(processes: int) -> None:
    with pretended_world(processes), Sent(processes) as sent:
        rows = torch.ones(6, 8, device="meta", requires_grad=True)
        everyone = gathered(rows)
        assert everyone.shape == (processes * 6, 8)
        assert sent.sent == (processes - 1) * ROWS
        everyone.sum().backward()
        assert sent.sent == 2 * (processes - 1) * ROWS
        averaged(torch.ones(1000, device="meta"))
        assert sent.sent == 2 * (processes - 1) * ROWS + round(2 * 4000 * (processes - 1) / processes)
    assert not torch.distributed.is_initialized()


def test_one_process_is_not_a_world() -> None:
    with pretended_world(1), Sent(1) as sent:
        rows = torch.ones(6, 8, device="meta")
        assert gathered(rows) is rows
    assert sent.sent == 0


def test_the_world_ends_with_an_error() -> None:
    with pytest.raises(ZeroDivisionError), pretended_world(4):
        1 / 0  # noqa: B018
    assert not torch.distributed.is_initialized()
