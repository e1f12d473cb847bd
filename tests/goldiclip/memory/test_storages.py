"""Storages are counted from allocation to release, whatever refers to them."""

from __future__ import annotations

import torch

from goldieval.goldiclip.memory.storages import StorageTracker

ROW = 4 * 128  # bytes


def test_views_are_free_and_what_is_saved_for_the_backward_pass_lives() -> None:
    name = ["made"]
    with StorageTracker("meta", lambda: name[0], alignment=512) as tracker:
        rows = torch.ones(10, 128, device="meta", requires_grad=True)
        assert tracker.total == 10 * ROW
        assert rows.view(-1).untyped_storage()._cdata == rows.untyped_storage()._cdata
        assert tracker.total == 10 * ROW
        name[0] = "computed"
        total = rows.exp().sum()  # the exponentials are saved
        assert dict(tracker.live) == {"made": 10 * ROW, "computed": 10 * ROW + 512}
        name[0] = "backward"
        total.backward()
        del total
        assert tracker.live["computed"] == 0
        assert rows.grad is not None
        tracker.rename(rows.grad, "gradients")
        assert tracker.live["gradients"] == 10 * ROW
    assert tracker.peak == sum(tracker.at_peak.values()) > 20 * ROW


def test_small_tensors_take_a_whole_block() -> None:
    with StorageTracker("meta", lambda: "all", alignment=512) as tracker:
        kept = torch.ones(1, device="meta")
        torch.ones(3)  # on another device
    assert tracker.peak == 512
    assert len(kept) == 1


def test_gradients_that_add_up_take_the_place_of_their_sum() -> None:
    with StorageTracker("meta", lambda: "all", alignment=1) as tracker:
        rows = torch.ones(1000, device="meta", requires_grad=True)
        sum(rows * 2 for _ in range(8)).backward(torch.ones(1000, device="meta"))
    assert tracker.peak <= 10 * 4000 + 4000  # without: one more for the sum
